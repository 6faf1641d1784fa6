package pages

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
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
	filled   bool   // by a link
}

// NewCreateForm returns the form with a safe proposal: access tokens only, for 30 days.
func (p *Pages) NewCreateForm() *CreateForm {
	now := p.cfg.Issuer.Now()
	list := restriction.List{{Expires: now.Add(firstLifetime).Unix()}}
	return &CreateForm{Form: Form{
		pages: p, shown: now, editor: p.newEditor(drafts(list), nil, nil), judged: true,
		Properties: mytoken.Properties{Capabilities: capability.Set{capability.AT}, Restrictions: list},
	}}
}

// NewFilledForm returns the form with a request that somebody else made. The provider may be
// empty. It returns an error that says what the form does not show: a user must not create
// a token that is more, or less, than they see.
func (p *Pages) NewFilledForm(provider string, transfer bool, props mytoken.Properties) (*CreateForm, error) {
	offered := capabilityNames(p.served(capability.Tree()))
	for _, name := range props.Capabilities {
		if !slices.Contains(offered, name) {
			return nil, fmt.Errorf("the form does not offer the capability %.100q", string(name))
		}
	}
	list := props.Restrictions
	if slices.ContainsFunc(list, func(c restriction.Clause) bool { return len(c.Extra) > 0 }) || !editable(list) {
		return nil, errors.New("the form does not show these restrictions: they are too many, or have a key that it has no field for")
	}
	if r := props.Rotation; r != nil && !rotates(r) && *r != (mytoken.Rotation{}) {
		return nil, errors.New("the form shows a rotation only if it has on_AT or on_other")
	}
	if !rotates(props.Rotation) {
		props.Rotation = nil
	}
	return &CreateForm{Provider: provider, Transfer: transfer, filled: true, Form: Form{
		pages: p, shown: p.cfg.Issuer.Now(), editor: p.newEditor(drafts(list), nil, props.Rotation), judged: true, Properties: props,
	}}, nil
}

// capabilityNames lists the capabilities of a tree.
func capabilityNames(nodes []capability.Node) []capability.Capability {
	var out []capability.Capability
	for _, n := range nodes {
		if out = append(out, n.Capability); n.Read != "" {
			out = append(out, n.Read)
		}
		out = append(out, capabilityNames(n.Children)...)
	}
	return out
}

// ReadCreate reads the form as the user sent it.
func (p *Pages) ReadCreate(values url.Values) *CreateForm {
	f := &CreateForm{Form: Form{pages: p}, Provider: values.Get("provider"), Transfer: values.Get("response") == "transfer_code"}
	f.readEditor(values, mytoken.Properties{}, false)
	f.readTags(values)
	f.readCapabilities(values, "Choose at least one thing that the token may do.")
	return f
}

// CountFrom is when lifetimes begin to count.
func (f *CreateForm) CountFrom() time.Time { return f.shown }

// Page renders create.html as the user left it.
func (f *CreateForm) Page() ([]byte, error) {
	p, props := f.pages, f.Properties
	page := createPage{
		frame: p.managing("create"), Name: legible.Show(props.Name), Providers: p.providers(f.Provider), Provider: f.Provider, Transfer: f.Transfer,
		Capabilities: capabilityNodes(p.served(capability.Tree()), props.Capabilities), Editor: f.editor, Judged: f.judged, Problems: f.problems,
		Filled: f.filled,
		Tags:   tagLines(props.Tags, false), TagsBelow: tagLines(props.Tags, true),
	}
	page.Editor.Action, page.Editor.Scopes = p.cfg.Base+"/manage/create", p.knownScopes("")
	if f.judged {
		page.description = f.describe(f.Login())
		f.markTree(page.Capabilities)
	}
	return p.render("create.html", page)
}

// Login returns the issuer of the chosen provider, or of the first one before the user
// has chosen.
func (f *CreateForm) Login() string {
	if all := f.pages.providers(""); f.Provider == "" && len(all) > 0 {
		return all[0].Issuer
	}
	return f.Provider
}

// Created renders created.html with a new token or its transfer code.
func (p *Pages) Created(t *mytoken.Issued) ([]byte, error) {
	page := createdPage{
		frame: p.managing(""), ID: t.ID.String(), Name: t.Claims.Name(), User: p.user(t.Claims), Token: t.Token.Reveal(),
		Capabilities: choices(t.Capabilities, nil),
	}
	page.description = p.about(t.Claims.OIDCIssuer(), mytoken.Properties{
		Capabilities: t.Capabilities, Restrictions: t.Restrictions, Rotation: t.Claims.Rotation(),
	}, false)
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
