package rest

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
	"github.com/mytoken-go/sdk/restriction"
)

// consentPage shows what a login asks for, and what the service would issue for that
// (protocol section 5.18.1).
func consentPage(c *call) (*answer, error) {
	asked, err := c.asked()
	if errors.Is(err, errConsentCode) {
		if c.kept(loginHandle(c.consentCode())) != nil { // declined in this browser
			return c.becameOf(c.consentCode())
		}
	}
	if err != nil {
		return nil, err
	}
	form := c.pages.NewConsent(asked, c.consentAction())
	if err := c.foreseeConsent(form); err != nil {
		return nil, err
	}
	page, err := form.Page()
	return html(http.StatusOK, page, err) // also for a request that has to be changed first
}

// foreseeConsent tells a form what the service would issue, or what has to be changed
// first.
func (c *call) foreseeConsent(form *pages.ConsentForm) error {
	if !form.Judged() {
		return nil
	}
	issued, err := withConsentCode(c, func(ctx context.Context, code mytoken.Secret) (*mytoken.Properties, error) {
		return c.issuer.PreviewConsent(ctx, code, form.Properties)
	})
	return foreseen(&form.Form, issued, err)
}

// consentWithoutCode answers a browser that asks for the consent page of no login.
func consentWithoutCode(c *call) (*answer, error) {
	if !c.wantsPage() {
		return nil, errConsentCode
	}
	return c.message(http.StatusNotFound, pages.Message{
		Title: "A part of this link is missing", Failed: true, Request: c.id,
		Text:      "A link to a request ends in a code, which says what you are asked to agree to. This link has none.",
		Unchanged: "Nothing was changed.",
		Advice:    "Copy the whole link from the program that showed it, or scan its QR code again.",
	})
}

// consentAction is the address that the form of the consent page goes to.
func (c *call) consentAction() string {
	return c.base + wire.PathConsent + "/" + url.PathEscape(c.r.PathValue("code"))
}

// consentOnDemand shows what a child of a token would be (protocol section 5.18.3).
// oidc-agent shows the page to its user and then requests the token. This call stores and
// spends nothing. Errors are JSON, whatever the client accepts.
func consentOnDemand(c *call, req *wire.TokenRequest) (*answer, error) {
	if req.OIDCIssuer == "" {
		return nil, badRequest("oidc_issuer is missing")
	}
	derivation, err := c.derivation(req)
	if err != nil {
		return nil, err
	}
	props, err := c.issuer.Preview(c.ctx(), derivation)
	if err != nil {
		return nil, err
	}
	page, err := c.pages.ConsentOnDemand(req.OIDCIssuer, req.ApplicationName, *props)
	a, err := html(http.StatusOK, page, err)
	if err == nil {
		a.header = http.Header{"Content-Security-Policy": {c.contentPolicy(c.pages.Sources())}}
	}
	return a, err
}

// asked returns what the login with the code in the path asks for.
func (c *call) asked() (*issuer.ConsentRequest, error) { return withConsentCode(c, c.issuer.Consent) }

// withConsentCode looks up the code in the path. For every error about the code, the
// browser is told that it does not exist (D67).
func withConsentCode[T any](c *call, look func(context.Context, mytoken.Secret) (T, error)) (T, error) {
	found, err := guessed(c, c.r.PathValue("code"), look)
	if _, unusable := errors.AsType[*issuer.CodeError](err); unusable {
		err = errConsentCode
	}
	return found, err
}

// consentCode returns the code in the path without its mark.
func (c *call) consentCode() string {
	code, _ := c.issuer.UnmarkCode(mytoken.NewSecret(c.r.PathValue("code")))
	return code.Reveal()
}

var decisionShape = shapeOf(reflect.TypeFor[wire.ConsentDecision]())

// consentDecision takes the decision of the user (protocol section 5.18.2). The page's
// script sends an empty body to decline, and JSON to agree. Without scripts the browser
// sends the page's form. Only the service's own pages may send these requests (D68).
func consentDecision(c *call) (*answer, error) {
	if err := c.sameSite(); err != nil {
		return nil, err
	}
	data, err := c.body()
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if media == mediaForm && !saysNothing(data) && !beginsObject(data) {
		return consentForm(c, data)
	}
	return c.decideByJSON(data)
}

// decideByJSON takes the decision of a script. No body declines (protocol section 5.18.2).
func (c *call) decideByJSON(data []byte) (*answer, error) {
	if saysNothing(data) {
		to, err := c.decline()
		if err != nil {
			return nil, err
		}
		return &answer{status: wire.StatusForward, body: wire.Forward{URL: to}}, nil
	}
	data, err := decisionShape.fromJSON(data)
	if err != nil {
		return nil, err
	}
	var decision wire.ConsentDecision
	if err := json.Unmarshal(data, &decision); err != nil {
		return nil, errNotJSON
	}
	login, err := c.agree(&decision)
	if err != nil {
		return nil, err
	}
	return c.forward(login), nil
}

// decline ends the login and returns where the browser goes.
func (c *call) decline() (string, error) {
	declined, err := withConsentCode(c, c.issuer.Decline)
	if err != nil {
		return "", err
	}
	code := c.consentCode()
	c.over(code)
	if declined.Polled {
		return c.landingPage(pathNativeAbort, code), nil
	}
	return c.landingPage("/", code), nil
}

// agree starts the login with what the user decided.
func (c *call) agree(decision *wire.ConsentDecision) (*issuer.Login, error) {
	return withConsentCode(c, func(ctx context.Context, code mytoken.Secret) (*issuer.Login, error) {
		asked, err := c.issuer.Consent(ctx, code)
		if err != nil {
			return nil, err
		}
		agreed, err := c.agreedTo(asked, decision)
		if err == nil && !c.opts.ConsentMayWiden {
			err = c.notBeyond(asked.Properties, agreed)
		}
		if err != nil {
			return nil, err
		}
		return c.issuer.Approve(ctx, code, agreed)
	})
}

// agreedTo returns what a login asked for, as the user changed it. Members that the
// decision leaves out stay as requested, so that leaving one out never makes a token more
// powerful. Rotation is the exception: it is what the user agreed to, even none (D65).
// The provider must be the requested one (D58).
func (c *call) agreedTo(asked *issuer.ConsentRequest, d *wire.ConsentDecision) (mytoken.Properties, error) {
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
		props.Restrictions = props.Restrictions.Normalize(c.issuer.Now())
		if len(props.Restrictions) == 0 { // the user wants none
			props.Restrictions = nil
		}
	}
	if len(d.Tags) > 0 {
		if props.Tags, err = readShownTags(d.Tags); err != nil {
			return props, err
		}
		for n := range props.Tags {
			tag := &props.Tags[n]
			at := slices.IndexFunc(asked.Properties.Tags, func(was mytoken.Tag) bool { return was.Name == tag.Name })
			if tag.Color == "" && at >= 0 {
				tag.Color = asked.Properties.Tags[at].Color
			}
		}
	}
	props.Rotation, err = readRotation(d.Rotation)
	return props, err
}

// notBeyond refuses more than was requested: users can only take away. Rotation is theirs
// to choose, because it gives the token no other rights.
func (c *call) notBeyond(asked, agreed mytoken.Properties) error {
	if !agreed.Capabilities.Within(asked.Capabilities) {
		return &issuer.RequestError{Field: "capabilities", Reason: "more than was asked for"}
	}
	switch conditions := c.issuer.RestrictionOptions().Conditions; {
	case restriction.WithinBudgets(agreed.Restrictions, asked.Restrictions, conditions):
		return nil
	case restriction.Within(agreed.Restrictions, asked.Restrictions, conditions):
		return &issuer.RequestError{Field: "restrictions", Reason: "the clauses together allow more uses than were asked for; lower their limits"}
	}
	return &issuer.RequestError{Field: "restrictions", Reason: "more than was asked for"}
}

// sameIssuer compares issuers of providers. A slash at the end does not count (protocol
// section 9.1).
func sameIssuer(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }
