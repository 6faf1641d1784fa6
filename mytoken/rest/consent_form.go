package rest

import (
	"context"
	"errors"
	"net/url"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// consentForm takes the form that a browser without scripts sends. It answers with a page
// that leads to the provider. A redirect would not work: a browser that enforces
// form-action does not follow it. If the user is still editing, or something is wrong, it
// shows the consent page again.
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
		if err := c.foreseeConsent(form); err != nil {
			return nil, err
		}
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

// readConsent reads the request as the user changed it.
func (c *call) readConsent(asked *issuer.ConsentRequest, values url.Values) (*pages.ConsentForm, error) {
	if to := values.Get("oidc_issuer"); to != "" && !sameIssuer(to, asked.Provider) {
		return nil, issuer.ErrUnknownProvider
	}
	form := c.pages.ReadConsent(asked, c.consentAction(), values)
	if form.AsJSON {
		changed, err := c.agreedAsJSON(asked, form)
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
func (c *call) agreedAsJSON(asked *issuer.ConsentRequest, form *pages.ConsentForm) (mytoken.Properties, error) {
	decision := &wire.ConsentDecision{Restrictions: []byte(form.Restrictions), Rotation: []byte(form.Rotation)}
	if err := errors.Join(scan(decision.Restrictions), scan(decision.Rotation)); err != nil {
		return mytoken.Properties{}, err
	}
	return c.agreedTo(asked, decision)
}
