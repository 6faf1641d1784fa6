package pages

import (
	"bytes"
	"cmp"
	"net/url"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// ConsentOnDemand renders consent.html for a child of a token (protocol section 5.18.3).
func (p *Pages) ConsentOnDemand(provider, application string, props mytoken.Properties) ([]byte, error) {
	page, err := p.consentPage(provider, props, true)
	if err != nil {
		return nil, err
	}
	// oidc-agent says nothing about itself but the name that it gives to the token.
	page.Embedded, page.Application = true, legible.Show(cmp.Or(application, props.Name))
	page.Style, page.Script = p.inline.style, p.inline.script
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
func (p *Pages) consentPage(provider string, props mytoken.Properties, onDemand bool) (*consentPage, error) {
	page := &consentPage{
		frame: p.frame(), Provider: provider, ProviderName: p.providerName(provider), Name: legible.Show(props.Name),
		Capabilities: choices(props.Capabilities, props.Capabilities), OnDemand: onDemand, Judged: true,
	}
	page.Tags = askedTags(p, props.Tags, props.Tags)
	page.description = p.about(provider, props, onDemand)
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

// NewConsent returns the form for a login as it was asked for. The form goes to action.
func (p *Pages) NewConsent(asked *issuer.ConsentRequest, action string) *ConsentForm {
	f := &ConsentForm{Form: Form{pages: p, Properties: asked.Properties, judged: true}, asked: asked, action: action}
	if list := asked.Properties.Restrictions; editable(list) {
		f.editor = p.newEditor(drafts(list), list, asked.Properties.Rotation)
		f.editor.Narrows = len(list) > 0
	}
	return f
}

// ReadConsent reads the form of the consent page for a login.
func (p *Pages) ReadConsent(asked *issuer.ConsentRequest, action string, values url.Values) *ConsentForm {
	f := &ConsentForm{Form: Form{pages: p, Properties: asked.Properties}, asked: asked, action: action}
	if values.Has("clauses") {
		f.readEditor(values, asked.Properties, true)
	} else {
		f.again, f.AsJSON = values.Has("edit"), true
		f.Restrictions, f.Rotation = values.Get("restrictions"), values.Get("rotation")
	}
	f.readTags(values)
	f.readCapabilities(values, "Choose at least one thing that the token may do, or decline.")
	return f
}

// Page renders consent.html as the user left it.
func (f *ConsentForm) Page() ([]byte, error) {
	p, asked := f.pages, f.asked
	page, err := p.consentPage(asked.Provider, asked.Properties, false)
	if err != nil {
		return nil, err
	}
	page.SSHKey = legible.Show(asked.SSHKey)
	page.Application, page.Address, page.Polled, page.Expires = legible.Show(asked.Application), asked.Address, asked.Polled, asked.Expires
	page.Action, page.Name, page.Problems = f.action, legible.Show(f.Properties.Name), f.problems
	page.Capabilities = choices(asked.Properties.Capabilities, f.Properties.Capabilities)
	page.Tags = askedTags(p, asked.Properties.Tags, f.Properties.Tags)
	if f.AsJSON {
		page.Restrictions, page.Rotation = legibleLines(f.Restrictions), legibleLines(f.Rotation)
	}
	if page.Editor = f.editor; f.editor != nil {
		f.editor.Action, f.editor.Scopes = f.action, p.knownScopes(asked.Provider)
	}
	if page.Judged = f.judged; f.judged {
		page.description = f.describe(asked.Provider)
		f.mark(page.Capabilities)
	}
	return p.render("consent.html", page)
}
