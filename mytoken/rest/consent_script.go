package rest

import (
	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// A consent page of the operator's own can ask and decide by script (protocol section
// 5.18.4). It gets what the built-in page gets, under the same protections: only pages of
// this origin may decide, and only the browser that decided can finish the login (D3,
// D68).

// consentDocument describes what a login asks for, and who gets the token: a user who
// agrees to the login of a stranger gives their token away. Nothing is shown to pages of
// other origins.
func consentDocument(c *call) (*answer, error) {
	asked, err := c.asked()
	if err != nil {
		return nil, err
	}
	body := wire.Consent{
		OIDCIssuer: asked.Provider, ApplicationName: asked.Application, TokenName: asked.Properties.Name,
		ClientType: wire.ClientWeb, SSHKey: asked.SSHKey, IP: asked.Address, ExpiresAt: asked.Expires.Unix(),
		Capabilities: asked.Properties.Capabilities, Restrictions: asked.Properties.Restrictions, Rotation: rotationText(asked.Properties.Rotation),
		Tags: tagsShown(asked.Properties.Tags), SupportedScopes: []string{}, AllCapabilities: capabilityTree(capability.Tree()),
	}
	if asked.Polled {
		body.ClientType = wire.ClientNative
	}
	if body.Restrictions == nil {
		body.Restrictions = restriction.List{} // none, and not unknown
	}
	for _, p := range c.issuer.Providers() {
		if p.Upstream.IsIssuer(asked.Provider) {
			body.SupportedScopes = append(body.SupportedScopes, p.Upstream.Scopes()...)
		}
	}
	return ok(body), nil
}

// consentByScript takes the decision of the user.
func consentByScript(c *call) (*answer, error) {
	if err := c.sameSite(); err != nil {
		return nil, err
	}
	data, err := c.body()
	if err != nil {
		return nil, err
	}
	return c.decideByJSON(data)
}
