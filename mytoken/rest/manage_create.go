package rest

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/qr"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// firstLifetime is how long a new token lives unless the user says otherwise.
const firstLifetime = 30 * 24 * time.Hour

// manageCreatePage is the form for a new token, filled with what does little harm.
func manageCreatePage(c *call, s *session) (*answer, error) {
	_, _, err := s.user()
	if err != nil {
		return nil, err
	}
	list := restriction.List{{Expires: c.issuer.Now().Add(firstLifetime).Unix()}}
	form := &newToken{edited: &edited{editor: c.newEditor(drafts(list), nil, nil), list: list, judged: true}}
	form.props.Capabilities = capability.Set{capability.AT}
	return form.show(c, s)
}

// newToken is the form for a new token as it was sent.
type newToken struct {
	*edited
	props    mytoken.Properties
	provider string
	transfer bool
}

// manageCreate takes that form. A new token needs a login of its own at the
// provider, which most often asks nothing. The user is shown what the form says
// until he sends it: there is nothing else to agree to.
func manageCreate(c *call, s *session) (*answer, error) {
	values, err := c.form()
	if err != nil {
		return nil, err
	}
	if _, _, err := s.user(); err != nil {
		return nil, err
	}
	form := c.readNewToken(values)
	if form.again || len(form.problems) > 0 {
		return form.show(c, s)
	}
	request := issuer.LoginRequest{Provider: form.provider, Properties: form.props, ReturnTo: returnCreated, Client: c.client}
	if form.transfer {
		request.Response.Type = mytoken.ResponseTransferCode
	}
	login, err := c.issuer.StartLogin(c.ctx(), request)
	if form.blame(err) {
		return form.show(c, s)
	} else if err != nil {
		return nil, err
	}
	return c.toProvider(login)
}

func (c *call) readNewToken(values url.Values) *newToken {
	form := &newToken{edited: c.readEditor(values, nil, false), provider: values.Get("provider"), transfer: values.Get("response") == "transfer_code"}
	for _, name := range values["capabilities"] {
		form.props.Capabilities = append(form.props.Capabilities, capability.Capability(name))
	}
	form.props.Capabilities = form.props.Capabilities.Dedup()
	form.props.Name, form.props.Restrictions, form.props.Rotation = values.Get("name"), form.list, form.rotation
	if len(form.props.Capabilities) == 0 && !form.again {
		form.problem(Problem{"capabilities", "Choose at least one thing that the token may do."})
	}
	return form
}

// show is the form, as the user left it.
func (form *newToken) show(c *call, s *session) (*answer, error) {
	page := CreatePage{
		Frame: c.managing("create"), Name: form.props.Name, Providers: c.providerChoices(form.provider), Provider: form.provider, Transfer: form.transfer,
		Capabilities: capabilityNodes(c.served(capability.Tree()), form.props.Capabilities), Editor: form.editor, Problems: form.problems,
	}
	page.Editor.Action, page.Editor.Scopes, page.Judged = c.base+pathManageCreate, c.knownScopes(""), form.judged
	if form.judged {
		page.Timeline = c.timeline(form.list, nil)
		page.Clauses, page.RotationText = clauseTexts(form.list, nil), rotationWords(form.rotation)
	}
	return c.render(form.status(), "create.html", page)
}

// served are the nodes of a tree of capabilities that are good for something here.
func (h *Handler) served(nodes []capability.Node) []capability.Node {
	var out []capability.Node
	for _, n := range nodes {
		switch n.Capability {
		case capability.TokeninfoNotify, capability.TokeninfoTags, capability.ManageMytokensNotify, capability.ManageMytokensTags,
			capability.SettingsGrantsSSH, capability.SettingsEmail, capability.SettingsTags:
			continue // not served; see notBuilt
		case capability.Settings:
			if h.opts.GrantSettings == nil { // the only settings that there are
				continue
			}
		}
		n.Children = h.served(n.Children)
		out = append(out, n)
	}
	return out
}

// capabilityNodes is a tree of capabilities to choose from.
func capabilityNodes(nodes []capability.Node, checked capability.Set) []CapabilityNode {
	choice := func(name capability.Capability, text string) CapabilityChoice {
		return CapabilityChoice{Name: string(name), Description: text, Checked: slices.Contains(checked, name)}
	}
	var out []CapabilityNode
	for _, n := range nodes {
		node := CapabilityNode{CapabilityChoice: choice(n.Capability, n.Description), Children: capabilityNodes(n.Children, checked)}
		if n.Read != "" {
			read := choice(n.Read, n.ReadDescription)
			node.Read, node.Open = &read, read.Checked
		}
		for _, child := range node.Children {
			node.Open = node.Open || child.Checked || child.Open
		}
		out = append(out, node)
	}
	return out
}

// createdPage shows a new token, once: nothing of it is kept.
func (c *call) createdPage(t *mytoken.Issued) (*answer, error) {
	if t == nil {
		return nil, errors.New("rest: a login for a new token ended without one")
	}
	page := CreatedPage{
		Frame: c.managing(""), ID: t.ID.String(), Name: t.Claims.Name(), User: c.userOf(t.Claims), Token: t.Token.Reveal(),
		Capabilities: choices(t.Capabilities, nil), Clauses: clauseTexts(t.Restrictions, nil),
	}
	if t.Type == mytoken.ResponseTransferCode {
		code := t.TransferCode.Reveal()
		c.guard.remember(code, t.CodeExpires)
		svg, err := qr.SVG(code)
		if err != nil {
			return nil, err
		}
		page.Code, page.CodeExpires = code, t.CodeExpires
		page.QR = template.HTML(svg) // a drawing of squares
	}
	return c.render(http.StatusOK, "created.html", page)
}
