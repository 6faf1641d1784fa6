package rest

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// A link can fill in the form for a new token: its parameter r is a mytoken request
// (protocol section 5.23.1). Anybody can make such a link. So the form shows all of the
// request, or there is no form: what a user does not see must not become part of a token.
// Opening the link creates nothing.

// linkParameter is the parameter of such a link.
const linkParameter = "r"

// maxLink is the greatest length of the parameter, in characters. Proxies refuse a request
// line of more than 8 KiB, and the login of a user who is not logged in stores the
// parameter.
const maxLink = 4000

// linkError says why a link fills in no form.
type linkError struct{ reason string }

func (e *linkError) Error() string { return "rest: the link cannot be used: " + e.reason }

var errLinkJSON = &linkError{"its request is no JSON object, or not strict JSON"}

// linked is the request of a link. A request has more members. They are refused, because
// the form does not show them.
type linked struct {
	GrantType    string         `json:"grant_type"` // of the request that the link repeats; without effect
	OIDCIssuer   string         `json:"oidc_issuer"`
	Name         string         `json:"name"`
	ResponseType string         `json:"response_type"`
	Restrictions jsontext.Value `json:"restrictions"`
	Capabilities jsontext.Value `json:"capabilities"`
	Rotation     jsontext.Value `json:"rotation"`
	Tags         jsontext.Value `json:"tags"`
}

// linkOf returns the parameter of the link that a browser opened, and whether there is one.
func (c *call) linkOf() (string, bool, error) {
	values, has := c.r.URL.Query()[linkParameter]
	if len(values) > 1 {
		return "", has, &linkError{"it has two requests"}
	}
	if !has {
		return "", false, nil
	}
	return values[0], true, nil
}

// linkTo is the address of the form that a link fills in, below the path of the service.
func linkTo(text string) string {
	return pathManageCreate + "?" + url.Values{linkParameter: {text}}.Encode()
}

// isLink reports whether a text may be the parameter of a link. Its request may still be
// refused.
func isLink(text string) bool {
	_, err := decodeLink(text)
	return err == nil
}

func decodeLink(text string) ([]byte, error) {
	if len(text) > maxLink {
		return nil, &linkError{"it is too long"}
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) == 0 {
		return nil, &linkError{"a part of it is missing or was changed"}
	}
	return data, nil
}

// filledForm returns the form with the request of a link. It returns a [*linkError] unless
// the form shows the whole request, and the service can issue what it asks for, as far as
// look can tell.
func (c *call) filledForm(text string, look func(*pages.CreateForm) error) (*pages.CreateForm, error) {
	form, err := c.readLink(text)
	if err == nil {
		err = look(form)
	}
	if err == nil {
		return form, nil
	}
	if _, known := errors.AsType[*linkError](err); known {
		return nil, err
	}
	if p := problemOf(err); p.code == wire.ErrorInvalidRequest {
		return nil, &linkError{p.text}
	}
	return nil, err
}

func (c *call) readLink(text string) (*pages.CreateForm, error) {
	data, err := decodeLink(text)
	if err != nil {
		return nil, err
	}
	if err := scan(data); err != nil {
		return nil, err
	}
	if jsontext.Value(data).Kind() != '{' || !jsontext.Value(data).IsValid() {
		return nil, errLinkJSON
	}
	if data, err = c.templates.set(c.ctx()).Request(data); err != nil {
		return nil, err
	}
	var request linked
	if err := json.Unmarshal(data, &request, json.RejectUnknownMembers(true)); err != nil {
		var semantic *json.SemanticError
		switch {
		case errors.Is(err, json.ErrUnknownName) && errors.As(err, &semantic):
			return nil, &linkError{"the form does not show " + clip.Name(semantic.JSONPointer.LastToken())}
		case errors.As(err, &semantic) && semantic.JSONPointer != "":
			return nil, badRequest("%s has the wrong type", clip.Name(semantic.JSONPointer.LastToken()))
		}
		return nil, errLinkJSON
	}
	switch request.GrantType {
	case "", wire.GrantOIDCFlow, wire.GrantMytoken:
	default:
		return nil, &linkError{"it is no request for a new token"}
	}
	transfer := mytoken.ResponseType(request.ResponseType) == mytoken.ResponseTransferCode
	if !transfer && request.ResponseType != "" && mytoken.ResponseType(request.ResponseType) != mytoken.ResponseToken {
		return nil, &linkError{"the form gives a token or a transfer code, and no " + clip.Name(request.ResponseType)}
	}
	props, err := c.properties(&wire.TokenRequest{
		Name: request.Name, Restrictions: stated(request.Restrictions), Capabilities: stated(request.Capabilities), Rotation: stated(request.Rotation),
		Tags: stated(request.Tags),
	})
	if err != nil {
		return nil, err
	}
	if props.Capabilities == nil {
		props.Capabilities = capability.Default() // as for any request that names none
	}
	form, err := c.pages.NewFilledForm(request.OIDCIssuer, transfer, props)
	if err != nil {
		return nil, &linkError{err.Error()}
	}
	return form, nil
}

// stated returns a member, or nothing if it is null (protocol section 0).
func stated(value jsontext.Value) jsontext.Value {
	if value.Kind() == 'n' {
		return nil
	}
	return value
}

// foreseeLink refuses a request that the service would refuse. A form may still say that a
// policy refuses it, or that the provider does not answer.
func (c *call) foreseeLink(form *pages.CreateForm) error {
	issued, err := c.issuer.PreviewLogin(c.ctx(), c.requested(form))
	if p := problemOf(err); err != nil && p.code == wire.ErrorInvalidRequest {
		return err
	}
	return foreseen(&form.Form, issued, err)
}

// checkLink is foreseeLink without the policy: strangers may not make the service ask it,
// because nothing limits how often they open a link.
func (c *call) checkLink(form *pages.CreateForm) error { return c.issuer.CheckLogin(c.requested(form)) }

// checkedLink serves a page only if the link that leads there can be used. A user does not
// log in first to learn that it cannot, unless a policy says so.
func checkedLink(next handle) handle {
	return func(c *call) (*answer, error) {
		if _, _, err := c.linkedForm(c.checkLink); err != nil {
			return nil, err
		}
		return next(c)
	}
}

// linkedForm returns the form that the link of the request fills in, and whether there is a
// link.
func (c *call) linkedForm(look func(*pages.CreateForm) error) (*pages.CreateForm, bool, error) {
	text, has, err := c.linkOf()
	if err != nil || !has {
		return nil, has, err
	}
	form, err := c.filledForm(text, look)
	return form, true, err
}

// followLink leads from the start page to the form.
func (c *call) followLink() (*answer, error) {
	if c.opts.NoManagement {
		return c.message(http.StatusNotFound, pages.Message{
			Title: "There is no such form here", Failed: true, Request: c.id,
			Text:      "The link should fill in the form for a new token. This service has no pages on which you can create tokens.",
			Unchanged: "Nothing was created.",
		})
	}
	if _, _, err := c.linkedForm(c.checkLink); err != nil {
		return nil, err
	}
	text, _, err := c.linkOf()
	return seeOther(c.prefix + linkTo(text)), err
}

// explainLink writes the page of a link that cannot be used.
func (c *call) explainLink(e *linkError) pages.Message {
	m := pages.Message{
		Title: "This link cannot be used", Text: "It should fill in the form for a new token. It cannot, and fills in no part of it.",
		Quote: sentence(e.reason), Unchanged: "Nothing was created.", Advice: "Ask whoever gave you the link.",
	}
	if !c.opts.NoManagement {
		m.Advice, m.Link, m.LinkText = "Ask whoever gave you the link, or fill in the form yourself.", c.base+pathManageCreate, "Open the empty form"
	}
	return m
}
