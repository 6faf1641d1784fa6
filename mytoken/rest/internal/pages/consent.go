package pages

import (
	"bytes"
	"net/url"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// Consent renders consent.html for a login. Its form goes to action.
func (p *Pages) Consent(asked *issuer.ConsentRequest, action string) ([]byte, error) {
	page, err := p.loginPage(asked, action)
	if err != nil {
		return nil, err
	}
	return p.render("consent.html", page)
}

// ConsentOnDemand renders consent.html for a child of a token (protocol section 5.18.3).
func (p *Pages) ConsentOnDemand(provider, application string, props mytoken.Properties) ([]byte, error) {
	page, err := p.consentPage(provider, props)
	if err != nil {
		return nil, err
	}
	page.OnDemand, page.Embedded, page.Application = true, true, legible.Show(application)
	text, err := p.render("consent.html", page)
	return withoutMustaches(text), err
}

// withoutMustaches breaks up double braces with a character reference, because oidc-agent
// passes the page through a template engine. Double braces come only from values. Values
// stand in text and attributes, where the reference means the brace itself.
func withoutMustaches(page []byte) []byte {
	page = bytes.ReplaceAll(page, []byte("{{"), []byte("{&#123;"))
	return bytes.ReplaceAll(page, []byte("}}"), []byte("}&#125;"))
}

// consentPage describes properties to the user who is asked to agree to them.
func (p *Pages) consentPage(provider string, props mytoken.Properties) (*consentPage, error) {
	page := &consentPage{
		frame: p.frame(), Provider: provider, ProviderName: p.providerName(provider), Name: legible.Show(props.Name),
		Capabilities: choices(props.Capabilities, props.Capabilities), Clauses: clauseTexts(props.Restrictions, nil),
		Timeline: p.timeline(props.Restrictions, nil), RotationText: rotationWords(props.Rotation),
	}
	text, err := props.Restrictions.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	page.Restrictions = legible.Show(string(text))
	if props.Rotation != nil {
		if text, err = props.Rotation.MarshalJSON(); err != nil {
			return nil, err
		}
		page.Rotation = string(text)
	}
	return page, nil
}

// loginPage describes what a login asks for.
func (p *Pages) loginPage(asked *issuer.ConsentRequest, action string) (*consentPage, error) {
	page, err := p.consentPage(asked.Provider, asked.Properties)
	if err != nil {
		return nil, err
	}
	page.Application, page.Address, page.Polled, page.Expires = legible.Show(asked.Application), asked.Address, asked.Polled, asked.Expires
	page.Action = action
	if list := asked.Properties.Restrictions; editable(list) {
		page.Editor = p.newEditor(drafts(list), list, asked.Properties.Rotation)
		page.Editor.Action, page.Editor.Narrows, page.Editor.Scopes = action, len(list) > 0, p.knownScopes(asked.Provider)
	}
	return page, nil
}

// ConsentForm is the form of the consent page as the user sent it.
type ConsentForm struct {
	Form
	// AsJSON says that the user edited restrictions and rotation as JSON. The texts are
	// in Restrictions and Rotation. The caller has to parse them into Properties.
	AsJSON                 bool
	Restrictions, Rotation string

	asked  *issuer.ConsentRequest
	action string
}

// ReadConsent reads the form of the consent page for a login.
func (p *Pages) ReadConsent(asked *issuer.ConsentRequest, action string, values url.Values) *ConsentForm {
	f := &ConsentForm{Form: Form{pages: p, Properties: asked.Properties}, asked: asked, action: action}
	if values.Has("clauses") {
		f.readEditor(values, asked.Properties.Restrictions, true)
	} else {
		f.again, f.AsJSON = values.Has("edit"), true
		f.Restrictions, f.Rotation = values.Get("restrictions"), values.Get("rotation")
	}
	f.readCapabilities(values, "Choose at least one thing that the token may do, or decline.")
	return f
}

// Page renders the consent page again, as the user left it.
func (f *ConsentForm) Page() ([]byte, error) {
	page, err := f.pages.loginPage(f.asked, f.action)
	if err != nil {
		return nil, err
	}
	page.Name, page.Problems = legible.Show(f.Properties.Name), f.problems
	page.Capabilities = choices(f.asked.Properties.Capabilities, f.Properties.Capabilities)
	page.Editor = f.editor
	if f.AsJSON {
		page.Restrictions, page.Rotation = f.Restrictions, f.Rotation
		return f.pages.render("consent.html", page)
	}
	f.editor.Action, f.editor.Scopes = f.action, f.pages.knownScopes(f.asked.Provider)
	if f.judged {
		page.Clauses, page.RotationText = clauseTexts(f.Properties.Restrictions, nil), rotationWords(f.Properties.Rotation)
		page.Timeline = f.pages.timeline(f.Properties.Restrictions, nil)
	}
	return f.pages.render("consent.html", page)
}
