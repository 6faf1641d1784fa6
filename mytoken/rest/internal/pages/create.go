package pages

import (
	"html/template"
	"net/url"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/qr"
	"github.com/mytoken-go/sdk/restriction"
)

// firstLifetime is the lifetime that the form proposes for a new token.
const firstLifetime = 30 * 24 * time.Hour

// CreateForm is the form for a new token.
type CreateForm struct {
	Form
	Provider string // issuer of the provider at which the user logs in
	Transfer bool   // the user wants a transfer code instead of the token
}

// NewCreateForm returns the form with a safe proposal: access tokens only, for 30 days.
func (p *Pages) NewCreateForm() *CreateForm {
	list := restriction.List{{Expires: p.cfg.Issuer.Now().Add(firstLifetime).Unix()}}
	return &CreateForm{Form: Form{
		pages: p, editor: p.newEditor(drafts(list), nil, nil), judged: true,
		Properties: mytoken.Properties{Capabilities: capability.Set{capability.AT}, Restrictions: list},
	}}
}

// ReadCreate reads the form as the user sent it.
func (p *Pages) ReadCreate(values url.Values) *CreateForm {
	f := &CreateForm{Form: Form{pages: p}, Provider: values.Get("provider"), Transfer: values.Get("response") == "transfer_code"}
	f.readEditor(values, mytoken.Properties{}, false)
	f.readCapabilities(values, "Choose at least one thing that the token may do.")
	return f
}

// Page renders create.html as the user left it.
func (f *CreateForm) Page() ([]byte, error) {
	p, props := f.pages, f.Properties
	page := createPage{
		frame: p.managing("create"), Name: legible.Show(props.Name), Providers: p.providers(f.Provider), Provider: f.Provider, Transfer: f.Transfer,
		Capabilities: capabilityNodes(p.served(capability.Tree()), props.Capabilities), Editor: f.editor, Judged: f.judged, Problems: f.problems,
	}
	page.Editor.Action, page.Editor.Scopes = p.cfg.Base+"/manage/create", p.knownScopes("")
	if f.judged {
		page.Timeline = p.timeline(props.Restrictions, nil)
		page.Summary, page.Clauses = p.summary(subject{Properties: props}), p.clauses(props.Restrictions, nil)
		page.RotationText = rotationWords(props.Rotation)
		if props.Capabilities.Allows(capability.AT) {
			page.Scopes = p.scopes(chosen(page.Providers), props.Restrictions)
		}
	}
	return p.render("create.html", page)
}

// chosen returns the issuer of the chosen provider, or of the first one.
func chosen(all []provider) string {
	for _, each := range all {
		if each.Chosen {
			return each.Issuer
		}
	}
	if len(all) > 0 {
		return all[0].Issuer
	}
	return ""
}

// Created renders created.html with a new token or its transfer code.
func (p *Pages) Created(t *mytoken.Issued) ([]byte, error) {
	page := createdPage{
		frame: p.managing(""), ID: t.ID.String(), Name: t.Claims.Name(), User: p.user(t.Claims), Token: t.Token.Reveal(),
		Capabilities: choices(t.Capabilities, nil), Clauses: p.clauses(t.Restrictions, nil),
		Summary: p.summary(subject{
			Properties: mytoken.Properties{Capabilities: t.Capabilities, Restrictions: t.Restrictions, Rotation: t.Claims.Rotation()}, expires: t.Claims.ExpiresAt(),
		}),
	}
	if t.Capabilities.Allows(capability.AT) {
		page.Scopes = p.scopes(t.Claims.OIDCIssuer(), t.Restrictions)
	}
	if t.Type == mytoken.ResponseTransferCode {
		page.Code, page.CodeExpires = t.TransferCode.Reveal(), t.CodeExpires
		svg, err := qr.SVG(page.Code)
		if err != nil {
			return nil, err
		}
		page.QR = template.HTML(svg) // it holds squares only
	}
	return p.render("created.html", page)
}
