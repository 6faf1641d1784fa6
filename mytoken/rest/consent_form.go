package rest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
	"github.com/mytoken-go/sdk/restriction"
)

// consentForm takes the form of a page without a script. It answers with a page that
// leads on, because a browser that enforces form-action would not follow a redirect to
// the provider. If the user is still editing, or something is wrong, it shows the consent
// page again.
func consentForm(c *call, data []byte) (*answer, error) {
	values, err := parseForm(data)
	if err != nil {
		return nil, err
	}
	switch decision := values.Get("decision"); {
	case values.Has("edit"), decision == "approve":
	case decision == "decline":
		to, err := c.decline()
		if err != nil {
			return nil, err
		}
		return seeOther(to), nil
	default:
		return nil, badRequest("decision is neither approve nor decline")
	}
	asked, err := c.asked()
	if err != nil {
		return nil, err
	}
	form, err := c.readConsent(asked, values)
	if err != nil {
		return nil, err
	}
	if !form.Decided() {
		return again(form)
	}
	login, err := withConsentCode(c, func(ctx context.Context, code mytoken.Secret) (*issuer.Login, error) {
		return c.issuer.Approve(ctx, code, form.Properties)
	})
	if blame(&form.Form, err) {
		return again(form)
	} else if err != nil {
		return nil, err
	}
	return c.toProvider(login)
}

// toProvider answers with the page that leads to the provider.
func (c *call) toProvider(login *issuer.Login) (*answer, error) {
	c.setCookie(c.loginCookie(login))
	return c.message(http.StatusOK, pages.Message{Title: "Log in", Text: "You are sent to your provider to log in.", Continue: login.URL})
}

// readConsent reads what the user made of a request.
func (c *call) readConsent(asked *issuer.ConsentRequest, values url.Values) (*pages.ConsentForm, error) {
	if to := values.Get("oidc_issuer"); to != "" && !sameIssuer(to, asked.Provider) {
		return nil, issuer.ErrUnknownProvider
	}
	form := c.pages.ReadConsent(asked, c.consentAction(), values)
	if form.AsJSON {
		changed, err := agreedAsJSON(asked, form)
		if err == nil {
			form.Properties.Restrictions, form.Properties.Rotation = changed.Restrictions, changed.Rotation
		} else if !blame(&form.Form, err) {
			return nil, err
		}
	}
	if form.Decided() {
		if err := c.notBeyond(asked.Properties, form.Properties); !blame(&form.Form, err) && err != nil {
			return nil, err
		}
	}
	return form, nil
}

// agreedAsJSON reads restrictions and rotation that the user edited as JSON.
func agreedAsJSON(asked *issuer.ConsentRequest, form *pages.ConsentForm) (mytoken.Properties, error) {
	decision := &wire.ConsentDecision{Restrictions: []byte(form.Restrictions), Rotation: []byte(form.Rotation)}
	if err := errors.Join(scan(decision.Restrictions), scan(decision.Rotation)); err != nil {
		return mytoken.Properties{}, err
	}
	return agreedTo(asked, decision)
}

// notBeyond refuses more than was requested: the page can only take away.
func (c *call) notBeyond(asked, agreed mytoken.Properties) error {
	if !agreed.Capabilities.Within(asked.Capabilities) {
		return &issuer.RequestError{Field: "capabilities", Reason: "more than was asked for"}
	}
	if !restriction.Within(agreed.Restrictions, asked.Restrictions, c.issuer.RestrictionOptions().Conditions) {
		return &issuer.RequestError{Field: "restrictions", Reason: "more than was asked for"}
	}
	return nil
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

// again shows a form again as the user left it.
func again(form interface {
	Status() int
	Page() ([]byte, error)
}) (*answer, error) {
	page, err := form.Page()
	return html(form.Status(), page, err)
}

// blame shows an error next to the form if the user can do something about it: correct
// the input, or wait for a provider that does not answer. It reports whether it did so.
func blame(form *pages.Form, err error) bool {
	if err == nil || errors.Is(err, issuer.ErrUnknownProvider) {
		return false
	}
	p, field := problemOf(err), ""
	if _, upstream := errors.AsType[*issuer.UpstreamError](err); upstream {
		p.text = "Your provider does not answer as it should. Please try again later."
	} else if p.code != wire.ErrorInvalidRequest {
		return false
	}
	if request, ok := errors.AsType[*issuer.RequestError](err); ok {
		field = request.Field
	}
	form.Blame(p.status, field, p.text)
	return true
}
