package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// manageTag adds a tag to a token of the user, or removes one.
func manageTag(c *call, s *session) (*answer, error) {
	values, err := c.form()
	if err != nil {
		return nil, err
	}
	id, err := mytoken.ParseMomID(values.Get("id"))
	if err != nil {
		return nil, errNotFound
	}
	change, do := issuer.TagTokenRequest{Token: s.token, Other: id, Client: c.client}, c.issuer.TagToken
	if values.Has("remove") {
		change.Tag.Name, do = values.Get("remove"), c.issuer.UntagToken
	} else {
		change.Tag = mytoken.Tag{Name: values.Get("tag"), Children: values.Get("children") != ""}
	}
	update, err := do(c.ctx(), change)
	if wrong, ok := errors.AsType[*issuer.RequestError](err); ok {
		return c.tokenPage(s, values.Get("id"), pages.TokenView{NewTag: change.Tag.Name, Wrong: "Tag: " + wrong.Reason})
	}
	switch {
	case errors.Is(err, issuer.ErrNotOwned):
		return nil, errNotFound
	case err != nil:
		return nil, err
	}
	s.took(update)
	return seeOther(c.prefix + pathManageToken + "?id=" + id.URLSafe() + "#tags"), nil
}

// manageAskTagged asks the user whether to revoke all tokens with a tag.
func manageAskTagged(c *call, s *session) (*answer, error) {
	records, err := s.tokens(func(*mytoken.Record) bool { return false })
	if err != nil {
		return nil, err
	}
	page, found, err := c.pages.RevokeTagged(s.claims, records, strings.TrimSpace(c.r.URL.Query().Get("tag")))
	if err == nil && !found {
		return nil, errNotFound
	}
	return html(http.StatusOK, page, err)
}

func manageRevokeTagged(c *call, s *session) (*answer, error) {
	values, err := c.form()
	if err != nil {
		return nil, err
	}
	done, err := c.issuer.RevokeTagged(c.ctx(), issuer.RevokeTaggedRequest{
		Token: s.token, Tag: values.Get("tag"), Recursive: values.Get("recursive") != "", Client: c.client,
	})
	if errors.Is(err, issuer.ErrUnknownTag) {
		return nil, errNotFound
	} else if err != nil {
		return nil, err
	}
	s.took(done.Update)
	if done.Self {
		c.dropSession()
		return seeOther(c.prefix + pathHome), nil
	}
	return seeOther(c.prefix + pathManage + "?done=tagged"), nil
}
