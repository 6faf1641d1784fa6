package rest

import (
	"errors"
	"net/http"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// maxEvents is how many events of a token a page shows.
const maxEvents = 200

// found is one of the user's tokens.
type found struct {
	record *mytoken.Record
	view   *TokenView
	parent *TokenView // above it in the list; nil if there is none
}

// find looks one of the user's tokens up. For somebody else's there is nothing.
func (s *session) find(text string) (*found, error) {
	id, err := mytoken.ParseMomID(text)
	if err != nil {
		return nil, errNotFound
	}
	_, current, err := s.user()
	if err != nil {
		return nil, err
	}
	records, err := s.tokens()
	if err != nil {
		return nil, err
	}
	record, parent := search(records.Roots, nil, id)
	if record == nil {
		return nil, errNotFound
	}
	l := tokenLister{c: s.c, current: current}
	f := &found{record: record, view: l.view(record)}
	f.view.Children = l.list(record.Children)
	if parent != nil {
		f.parent = l.view(parent)
	}
	return f, nil
}

func search(records []*mytoken.Record, above *mytoken.Record, id mytoken.TokenID) (r, parent *mytoken.Record) {
	for _, r := range records {
		if r.ID == id {
			return r, above
		}
		if found, parent := search(r.Children, r, id); found != nil {
			return found, parent
		}
	}
	return nil, nil
}

// manageToken shows one token and what happened to it.
func manageToken(c *call, s *session) (*answer, error) {
	f, err := s.find(c.r.URL.Query().Get("id"))
	if err != nil {
		return nil, err
	}
	history, err := c.issuer.History(c.ctx(), issuer.HistoryRequest{Token: s.token, Of: []string{f.view.ID}, Client: c.client})
	if err != nil {
		return nil, err
	}
	s.took(history.Update)
	page := TokenPage{Frame: c.managing(""), Token: f.view, Parent: f.parent, Truncated: history.Truncated || len(history.Events) > maxEvents}
	for _, e := range history.Events[:min(len(history.Events), maxEvents)] {
		page.Events = append(page.Events, EventView{
			Name: e.Name, Text: eventWords(e.Name), Comment: e.Comment, Address: e.Address, UserAgent: e.UserAgent, Time: e.Time,
		})
	}
	page.Timeline = c.timeline(f.record.Restrictions, f.record.Counters)
	return c.render(http.StatusOK, "token.html", page)
}

// manageAsk asks whether a token is to be revoked.
func manageAsk(c *call, s *session) (*answer, error) {
	f, err := s.find(c.r.URL.Query().Get("id"))
	if err != nil {
		return nil, err
	}
	return c.render(http.StatusOK, "revoke.html", RevokePage{Frame: c.managing(""), Token: f.view})
}

// manageRevoke revokes a token of the user's.
func manageRevoke(c *call, s *session) (*answer, error) {
	values, err := c.form()
	if err != nil {
		return nil, err
	}
	id, err := mytoken.ParseMomID(values.Get("id"))
	if err != nil {
		return nil, errNotFound
	}
	_, current, err := s.user()
	if err != nil {
		return nil, err
	}
	recursive := values.Get("recursive") != ""
	done, err := c.issuer.RevokeOther(c.ctx(), issuer.RevokeOtherRequest{Token: s.token, Other: id, Recursive: recursive, Client: c.client})
	if errors.Is(err, issuer.ErrNotOwned) {
		return nil, errNotFound
	} else if err != nil {
		return nil, err
	}
	s.took(done.Update)
	switch {
	case id == current:
		c.dropSession()
		return seeOther(c.prefix + pathHome), nil
	case recursive:
		return seeOther(c.prefix + pathManage + "?done=tree"), nil
	}
	return seeOther(c.prefix + pathManage + "?done=revoked"), nil
}
