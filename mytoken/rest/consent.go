package rest

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"reflect"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// consentPage shows what a login asks for (protocol section 5.18.1).
func consentPage(c *call) (*answer, error) {
	asked, err := c.asked()
	if err != nil {
		return nil, err
	}
	view, err := c.loginView(asked)
	if err != nil {
		return nil, err
	}
	return c.render(http.StatusOK, "consent.html", view)
}

// asked tells what the login with the code in the path asks for.
func (c *call) asked() (asked *issuer.ConsentRequest, err error) {
	err = c.withConsentCode(func(code mytoken.Secret) (err error) {
		asked, err = c.issuer.Consent(c.ctx(), code)
		return err
	})
	return asked, err
}

// withConsentCode looks the code in the path up. Whatever is wrong with it, to
// the browser it is not there (D67).
func (c *call) withConsentCode(look func(mytoken.Secret) error) error {
	err := c.guess(c.r.PathValue("code"), look)
	var unusable *issuer.CodeError
	if errors.As(err, &unusable) {
		return errConsentCode
	}
	return err
}

var decisionShape = shapeOf(reflect.TypeFor[wire.ConsentDecision]())

// consentDecision takes what the user decided (protocol section 5.18.2): from the
// page's script, an empty body to decline and JSON to agree; or from the page's
// form. Only this service's own pages may send it (D68).
func consentDecision(c *call) (*answer, error) {
	if err := c.sameSite(); err != nil {
		return nil, err
	}
	data, err := c.body()
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if media == "application/x-www-form-urlencoded" && len(data) > 0 {
		return consentForm(c, data)
	}
	if len(data) == 0 {
		to, err := c.decline()
		if err != nil {
			return nil, err
		}
		return &answer{status: wire.StatusForward, body: wire.Forward{URL: to}}, nil
	}
	if data, err = decisionShape.fromJSON(data); err != nil {
		return nil, err
	}
	var decision wire.ConsentDecision
	if err := json.Unmarshal(data, &decision); err != nil {
		return nil, errNotJSON
	}
	login, err := c.approve(&decision)
	if err != nil {
		return nil, err
	}
	return c.forward(login), nil
}

// decline ends the login and says where the browser goes.
func (c *call) decline() (string, error) {
	var declined *issuer.Declined
	err := c.withConsentCode(func(code mytoken.Secret) (err error) {
		declined, err = c.issuer.Decline(c.ctx(), code)
		return err
	})
	switch {
	case err != nil:
		return "", err
	case declined.Polled:
		return c.landing(pathNativeAbort, declined.Application), nil
	}
	return c.prefix + "/", nil
}

// approve starts the login that the user agreed to.
func (c *call) approve(decision *wire.ConsentDecision) (*issuer.Login, error) {
	var login *issuer.Login
	err := c.withConsentCode(func(code mytoken.Secret) error {
		asked, err := c.issuer.Consent(c.ctx(), code)
		if err != nil {
			return err
		}
		agreed, err := agreedTo(asked, decision)
		if err != nil {
			return err
		}
		login, err = c.issuer.Approve(c.ctx(), code, agreed)
		return err
	})
	return login, err
}

// agreedTo is what was asked for as the user changed it. What the decision does
// not mention stays as it was asked for, so that leaving something out never makes
// a token more powerful; rotation is what was agreed to, none included (D65). The
// provider is the one that was asked for (D58).
func agreedTo(asked *issuer.ConsentRequest, d *wire.ConsentDecision) (mytoken.Properties, error) {
	props := asked.Properties
	if d.OIDCIssuer != "" && !sameIssuer(d.OIDCIssuer, asked.Provider) {
		return props, issuer.ErrUnknownProvider
	}
	if d.Name != nil {
		props.Name = *d.Name
	}
	var err error
	if len(d.Capabilities) > 0 {
		if props.Capabilities, err = capability.Parse(d.Capabilities); err != nil {
			return props, err
		}
		props.Capabilities = props.Capabilities.Dedup()
	}
	if len(d.Restrictions) > 0 {
		if props.Restrictions, err = restriction.Parse(d.Restrictions); err != nil {
			return props, err
		}
		if len(props.Restrictions) == 0 { // the user wants none
			props.Restrictions = nil
		}
	}
	props.Rotation, err = readRotation(d.Rotation)
	return props, err
}

// landing is the address of a landing page, with the name of a program (D69).
func (h *Handler) landing(path, application string) string {
	if application == "" {
		return h.prefix + path
	}
	return h.prefix + path + "?" + url.Values{"application": {application}}.Encode()
}
