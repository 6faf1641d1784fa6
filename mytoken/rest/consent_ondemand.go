package rest

import (
	"bytes"
	"net/http"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// consentOnDemand shows what a child of a token would be, for oidc-agent, which
// shows the page to its user and then asks for the token itself (protocol section
// 5.18.3). Nothing is stored or spent. Errors are JSON, whatever is accepted.
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
	view, err := c.consentView(req.OIDCIssuer, *props)
	if err != nil {
		return nil, err
	}
	view.OnDemand, view.Application = true, req.ApplicationName
	a, err := c.render(http.StatusOK, "consent.html", view)
	if err == nil {
		a.raw = withoutMustaches(a.raw)
	}
	return a, err
}

// withoutMustaches breaks up double braces with a character reference: the
// document goes through a template engine. They come from values, which stand in
// text and attributes only, where a reference means the character.
func withoutMustaches(page []byte) []byte {
	page = bytes.ReplaceAll(page, []byte("{{"), []byte("{&#123;"))
	return bytes.ReplaceAll(page, []byte("}}"), []byte("}&#125;"))
}
