package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// managePage lists the user's tokens.
func managePage(c *call, s *session) (*answer, error) {
	records, err := s.tokens(nil)
	if err != nil {
		return nil, err
	}
	query := c.r.URL.Query()
	page, err := c.pages.Tokens(s.claims, records, query.Get("search"), strings.TrimSpace(query.Get("tag")), query.Get("done"))
	return html(http.StatusOK, page, err)
}

// manageToken shows a token and its history.
func manageToken(c *call, s *session) (*answer, error) {
	return c.tokenPage(s, c.r.URL.Query().Get("id"), pages.TokenView{})
}

// tokenPage fills in a view of a token and answers with its page.
func (c *call) tokenPage(s *session, id string, view pages.TokenView) (*answer, error) {
	record, parent, all, err := s.find(id)
	if err != nil {
		return nil, err
	}
	history, err := c.issuer.History(c.ctx(), issuer.HistoryRequest{Token: s.token, Of: []string{record.ID.String()}, Client: c.client})
	if err != nil {
		return nil, err
	}
	s.took(history.Update)
	view.Record, view.Parent, view.History, view.Known = record, parent, history, all
	page, err := c.pages.Token(s.claims, view)
	status := http.StatusOK
	if view.Wrong != "" {
		status = http.StatusBadRequest
	}
	return html(status, page, err)
}

// manageAsk asks the user whether to revoke a token.
func manageAsk(c *call, s *session) (*answer, error) {
	record, _, _, err := s.find(c.r.URL.Query().Get("id"))
	if err != nil {
		return nil, err
	}
	page, err := c.pages.Revoke(s.claims, record)
	return html(http.StatusOK, page, err)
}

func manageRevoke(c *call, s *session) (*answer, error) {
	values, err := c.form()
	if err != nil {
		return nil, err
	}
	id, err := mytoken.ParseMomID(values.Get("id"))
	if err != nil {
		return nil, errNotFound
	}
	recursive := values.Get("recursive") != ""
	_, err = c.issuer.RevokeOther(c.ctx(), issuer.RevokeOtherRequest{Token: s.token, Other: id, Recursive: recursive, Client: c.client})
	if errors.Is(err, issuer.ErrNotOwned) {
		return nil, errNotFound
	} else if err != nil {
		return nil, err
	}
	switch {
	case id == s.claims.ID():
		c.dropSession()
		return seeOther(c.prefix + pathHome), nil
	case recursive:
		return seeOther(c.prefix + pathManage + "?done=tree"), nil
	}
	return seeOther(c.prefix + pathManage + "?done=revoked"), nil
}

// manageCreatePage shows the form for a new token, with the request of a link if a link led
// here.
func manageCreatePage(c *call, _ *session) (*answer, error) {
	form, filled, err := c.linkedForm(c.foreseeLink)
	if !filled && err == nil {
		form = c.pages.NewCreateForm()
		err = c.foreseeCreate(form)
	}
	if err != nil {
		return nil, err
	}
	page, err := form.Page()
	return html(http.StatusOK, page, err) // also for a proposal that has to be changed first
}

// foreseeCreate tells a form what the service would issue, or what has to be changed
// first.
func (c *call) foreseeCreate(form *pages.CreateForm) error {
	if !form.Judged() {
		return nil
	}
	issued, err := c.issuer.PreviewLogin(c.ctx(), c.requested(form))
	return foreseen(&form.Form, issued, err)
}

// requested is the login that a form asks for.
func (c *call) requested(form *pages.CreateForm) issuer.LoginRequest {
	request := issuer.LoginRequest{
		Provider: form.Login(), Properties: form.Properties, ReturnTo: returnCreated, CountFrom: form.CountFrom(), Client: c.client,
	}
	if form.Transfer {
		request.Response.Type = mytoken.ResponseTransferCode
	}
	return request
}

// manageCreate takes the form for a new token. The token needs a login of its own at the
// provider, which usually asks the user nothing. There is no consent page, because the
// user has just filled in the form.
func manageCreate(c *call, _ *session) (*answer, error) {
	values, err := c.form()
	if err != nil {
		return nil, err
	}
	form := c.pages.ReadCreate(values)
	if !form.Decided() {
		if err := c.foreseeCreate(form); err != nil {
			return nil, err
		}
		return again(form)
	}
	if err := c.admitLogin(); err != nil {
		return nil, err
	}
	login, err := c.issuer.StartLogin(c.ctx(), c.requested(form))
	if blame(&form.Form, err) {
		return again(form)
	} else if err != nil {
		return nil, err
	}
	return c.toProvider(login)
}

// createdPage shows a new token once. The service keeps nothing of it.
func (c *call) createdPage(t *mytoken.Issued) (*answer, error) {
	if t == nil {
		return nil, errors.New("rest: a login for a new token ended without one")
	}
	if t.Type == mytoken.ResponseTransferCode {
		c.guard.remember(t.TransferCode.Reveal(), t.CodeExpires)
	}
	page, err := c.pages.Created(t)
	return html(http.StatusOK, page, err)
}
