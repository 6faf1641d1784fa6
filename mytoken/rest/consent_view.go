package rest

import (
	"net/url"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// consentView describes properties to the user who is asked to agree to them.
func (c *call) consentView(provider string, props mytoken.Properties) (*ConsentPage, error) {
	view := &ConsentPage{
		Frame: c.frame(), Provider: provider, ProviderName: c.providerName(provider), Name: props.Name,
		Capabilities: choices(props.Capabilities, props.Capabilities), Clauses: clauseTexts(props.Restrictions, nil),
		Timeline: c.timeline(props.Restrictions, nil), RotationText: rotationWords(props.Rotation),
	}
	text, err := props.Restrictions.AppendJSON(nil)
	view.Restrictions, view.Rotation = string(text), string(rotationText(props.Rotation))
	return view, err
}

// loginView describes what a login asks for.
func (c *call) loginView(asked *issuer.ConsentRequest) (*ConsentPage, error) {
	view, err := c.consentView(asked.Provider, asked.Properties)
	if err != nil {
		return nil, err
	}
	view.Application, view.Address, view.Polled, view.Expires = asked.Application, asked.Address, asked.Polled, asked.Expires
	view.Action = c.base + wire.PathConsent + "/" + url.PathEscape(c.r.PathValue("code"))
	if list := asked.Properties.Restrictions; editable(list) {
		view.Editor = c.newEditor(drafts(list), list, asked.Properties.Rotation)
		view.Editor.Action, view.Editor.Narrows, view.Editor.Scopes = view.Action, len(list) > 0, c.knownScopes(asked.Provider)
	}
	return view, nil
}

// choices are the capabilities that can be chosen, in words.
func choices(of, checked capability.Set) []CapabilityChoice {
	var out []CapabilityChoice
	for _, name := range of {
		out = append(out, CapabilityChoice{Name: string(name), Description: name.Describe(), Checked: slices.Contains(checked, name)})
	}
	return out
}

// providerName is the name of a provider; its issuer if it is not known any more.
func (c *call) providerName(iss string) string {
	for _, p := range c.issuer.Providers() {
		if sameIssuer(p.Upstream.Issuer(), iss) {
			return p.Upstream.Name()
		}
	}
	return iss
}

// knownScopes are the scopes that a provider is asked for if nobody says otherwise;
// an empty issuer stands for all providers.
func (c *call) knownScopes(iss string) []string {
	var all []string
	for _, p := range c.issuer.Providers() {
		if iss == "" || sameIssuer(p.Upstream.Issuer(), iss) {
			all = append(all, p.Upstream.Scopes()...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// sameIssuer compares issuers of providers; a slash at the end does not count
// (protocol section 9.1).
func sameIssuer(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }
