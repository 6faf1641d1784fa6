package rest

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// toProvider answers with the page that leads to the provider.
func (c *call) toProvider(login *issuer.Login) (*answer, error) {
	c.setLoginCookie(c.loginCookie(login))
	return c.message(http.StatusOK, pages.Message{Title: "Log in", Text: "You are sent to your provider to log in.", Continue: login.URL})
}

// maxFormFields bounds the fields of a form with an editor.
const maxFormFields = 1024

// form reads a form that only the service's own pages may send.
func (c *call) form() (url.Values, error) {
	if err := c.sameSite(); err != nil {
		return nil, err
	}
	data, err := c.body()
	if err != nil {
		return nil, err
	}
	return parseForm(data)
}

func parseForm(data []byte) (url.Values, error) {
	if bytes.Count(data, []byte("&")) >= maxFormFields {
		return nil, errTooMany
	}
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, errForm
	}
	return values, nil
}

// again answers with the page of a form, as the user left it.
func again(form interface {
	Status() int
	Page() ([]byte, error)
}) (*answer, error) {
	page, err := form.Page()
	return html(form.Status(), page, err)
}

// foreseen tells a form what the service would issue for it, or what is wrong with it. It
// returns an error that the user can do nothing about.
func foreseen(form *pages.Form, issued *mytoken.Properties, err error) error {
	if err == nil {
		form.Foresee(issued)
	} else if !blame(form, err) {
		return err
	}
	return nil
}

// blame adds an error to the form, and reports true, if the user can do something about
// it: correct the input, or wait for a provider that does not answer.
func blame(form *pages.Form, err error) bool {
	if err == nil || errors.Is(err, issuer.ErrUnknownProvider) {
		return false
	}
	p, field := problemOf(err), ""
	if _, upstream := errors.AsType[*issuer.UpstreamError](err); upstream {
		p.text = "Your provider does not answer as it should. Please try again later."
	} else if policy, refused := errors.AsType[*issuer.PolicyError](err); refused {
		if p.status >= http.StatusInternalServerError { // the policy panicked
			return false
		}
		p.text = "This service does not issue such a token"
		if why := policy.Description(); why != "" {
			p.text += ": " + why
		}
	} else if p.code != wire.ErrorInvalidRequest {
		return false
	}
	if request, ok := errors.AsType[*issuer.RequestError](err); ok {
		field = request.Field
	}
	form.Blame(p.status, field, p.text)
	return true
}
