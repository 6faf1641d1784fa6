package pages

import (
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
	f.readEditor(values, nil, false)
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
		page.Clauses, page.RotationText = clauseTexts(props.Restrictions, nil), rotationWords(props.Rotation)
	}
	return p.render("create.html", page)
}

// served returns the part of a tree of capabilities that this service supports.
func (p *Pages) served(nodes []capability.Node) []capability.Node {
	var out []capability.Node
	for _, n := range nodes {
		switch n.Capability {
		case capability.TokeninfoNotify, capability.TokeninfoTags, capability.ManageMytokensNotify, capability.ManageMytokensTags,
			capability.SettingsGrantsSSH, capability.SettingsEmail, capability.SettingsTags:
			continue // package rest does not serve these
		case capability.Settings:
			if !p.cfg.GrantSettings { // there are no other settings
				continue
			}
		}
		n.Children = p.served(n.Children)
		out = append(out, n)
	}
	return out
}

// capabilityNodes returns a tree of capabilities to choose from.
func capabilityNodes(nodes []capability.Node, checked capability.Set) []capabilityNode {
	choose := func(name capability.Capability, text string) choice {
		return choice{Name: string(name), Description: text, Checked: slices.Contains(checked, name)}
	}
	var out []capabilityNode
	for _, n := range nodes {
		node := capabilityNode{choice: choose(n.Capability, n.Description), Children: capabilityNodes(n.Children, checked)}
		if n.Read != "" {
			read := choose(n.Read, n.ReadDescription)
			node.Read, node.Open = &read, read.Checked
		}
		for _, child := range node.Children {
			node.Open = node.Open || child.Checked || child.Open
		}
		out = append(out, node)
	}
	return out
}

// choices describes capabilities. Those in checked are chosen.
func choices(of, checked capability.Set) []choice {
	var out []choice
	for _, name := range of {
		out = append(out, choice{Name: string(name), Description: name.Describe(), Checked: slices.Contains(checked, name)})
	}
	return out
}

// Created renders created.html with a new token or its transfer code.
func (p *Pages) Created(t *mytoken.Issued) ([]byte, error) {
	page := createdPage{
		frame: p.managing(""), ID: t.ID.String(), Name: t.Claims.Name(), User: p.user(t.Claims), Token: t.Token.Reveal(),
		Capabilities: choices(t.Capabilities, nil), Clauses: clauseTexts(t.Restrictions, nil),
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
