package rest

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// consentForm takes the form of a page without a script. It answers with a page
// that leads on, because a browser that enforces form-action would not follow a
// redirect to the provider; or with the consent page again, nothing lost, if the
// user is still editing or something is wrong.
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
	if form.again || len(form.problems) > 0 {
		return form.show(c)
	}
	var login *issuer.Login
	err = c.withConsentCode(func(code mytoken.Secret) (err error) {
		login, err = c.issuer.Approve(c.ctx(), code, form.agreed)
		return err
	})
	if form.blame(err) {
		return form.show(c)
	} else if err != nil {
		return nil, err
	}
	return c.toProvider(login)
}

// toProvider is the page that leads to the provider.
func (c *call) toProvider(login *issuer.Login) (*answer, error) {
	c.setCookie(c.loginCookie(login))
	return c.message(http.StatusOK, MessagePage{Title: "Log in", Text: "You are sent to your provider to log in.", Continue: login.URL})
}

// consentReply is the consent page as the user sent it back.
type consentReply struct {
	asked  *issuer.ConsentRequest
	agreed mytoken.Properties
	*edited
	json wire.ConsentDecision // what was written as JSON
}

// readConsent reads what the user made of what was asked for.
func (c *call) readConsent(asked *issuer.ConsentRequest, values url.Values) (*consentReply, error) {
	form := &consentReply{asked: asked, agreed: asked.Properties, edited: &edited{}}
	if to := values.Get("oidc_issuer"); to != "" && !sameIssuer(to, asked.Provider) {
		return nil, issuer.ErrUnknownProvider
	}
	form.agreed.Capabilities = nil
	for _, name := range values["capabilities"] {
		form.agreed.Capabilities = append(form.agreed.Capabilities, capability.Capability(name))
	}
	form.agreed.Capabilities = form.agreed.Capabilities.Dedup()
	form.readRestrictions(c, values)
	form.agreed.Name = values.Get("name")
	if len(form.agreed.Capabilities) == 0 && !form.again {
		form.problem(Problem{"capabilities", "Choose at least one thing that the token may do, or decline."})
	}
	if !form.again && len(form.problems) == 0 {
		form.blame(c.notBeyond(asked.Properties, form.agreed))
	}
	return form, nil
}

// notBeyond refuses what is more than was asked for: the page only takes away.
func (c *call) notBeyond(asked, agreed mytoken.Properties) error {
	if !agreed.Capabilities.Within(asked.Capabilities) {
		return &issuer.RequestError{Field: "capabilities", Reason: "more than was asked for"}
	}
	if !restriction.Within(agreed.Restrictions, asked.Restrictions, c.issuer.RestrictionOptions().Conditions) {
		return &issuer.RequestError{Field: "restrictions", Reason: "more than was asked for"}
	}
	return nil
}

// readRestrictions reads restrictions and rotation, from fields or JSON.
func (form *consentReply) readRestrictions(c *call, values url.Values) {
	asked := form.asked.Properties.Restrictions
	if values.Has("clauses") {
		form.edited = c.readEditor(values, asked, true)
		form.agreed.Restrictions, form.agreed.Rotation = form.list, form.rotation
		return
	}
	form.again = values.Has("edit")
	form.json.Rotation = []byte(values.Get("rotation"))
	if text := values.Get("restrictions"); text != "" {
		form.json.Restrictions = []byte(text)
	}
	form.blame(errors.Join(scan(form.json.Restrictions), scan(form.json.Rotation)))
	if len(form.problems) > 0 {
		return
	}
	changed, err := agreedTo(form.asked, &form.json)
	if !form.blame(err) {
		form.agreed.Restrictions, form.agreed.Rotation = changed.Restrictions, changed.Rotation
	}
}

// show is the consent page again, as the user left it.
func (form *consentReply) show(c *call) (*answer, error) {
	view, err := c.loginView(form.asked)
	if err != nil {
		return nil, err
	}
	view.Name, view.Problems = form.agreed.Name, form.problems
	view.Capabilities = choices(form.asked.Properties.Capabilities, form.agreed.Capabilities)
	if form.editor != nil {
		form.editor.Action, form.editor.Scopes = view.Action, c.knownScopes(form.asked.Provider)
		if form.judged {
			view.Clauses, view.RotationText = clauseTexts(form.list, nil), rotationWords(form.rotation)
			view.Timeline = c.timeline(form.list, nil)
		}
		view.Editor = form.editor
	} else {
		view.Restrictions, view.Rotation = string(form.json.Restrictions), string(form.json.Rotation)
		view.Editor = nil
	}
	return c.render(form.status(), "consent.html", view)
}
