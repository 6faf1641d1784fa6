package rest

import (
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// tokenAccess is the access token endpoint (protocol section 5.5).
func tokenAccess(c *call, req *wire.AccessTokenRequest) (*answer, error) {
	switch req.GrantType {
	case "":
		return nil, errNoGrantType
	case wire.GrantMytoken, wire.GrantRefreshToken:
	default:
		return nil, badRequest("value '%s' not valid for GrantType", clip.Name(req.GrantType))
	}
	token, err := c.token(req.Mytoken, req.RefreshToken)
	if err != nil {
		return nil, err
	}
	id, err := c.useID("access token")
	if err != nil {
		return nil, err
	}
	body, err := c.accessToken(issuer.AccessTokenRequest{
		Token: token, ID: id, Provider: req.OIDCIssuer, Scopes: req.Scope, Audiences: slices.Concat(req.Audience, req.Resource),
		Comment: req.Comment, Client: c.client,
	})
	if err != nil {
		return nil, err
	}
	if req.GrantType == wire.GrantRefreshToken || !req.RefreshToken.IsEmpty() {
		body.RefreshToken = rotated(body.TokenUpdate)
	}
	return ok(body), nil
}

func (c *call) accessToken(req issuer.AccessTokenRequest) (*wire.AccessTokenResponse, error) {
	got, err := c.issuer.AccessToken(c.ctx(), req)
	if err != nil {
		return nil, err
	}
	return &wire.AccessTokenResponse{
		AccessToken: wire.Secret{Secret: got.Token}, TokenType: got.TokenType, ExpiresIn: c.secondsUntil(got.Expires),
		Scope: strings.Join(got.Scopes, " "), Audience: got.Audiences, TokenUpdate: c.update(got.Update),
	}, nil
}

// rotated returns the rotated token for clients that know only refresh tokens (D44).
func rotated(update *wire.TokenResponse) wire.Secret {
	if update == nil {
		return wire.Secret{}
	}
	return update.Mytoken
}

// tokenTransfer creates a transfer code for an existing token (protocol section 5.6).
func tokenTransfer(c *call, req *wire.TransferRequest) (*answer, error) {
	token, err := c.token(req.Mytoken)
	if err != nil {
		return nil, err
	}
	code, err := c.issuer.Transfer(c.ctx(), issuer.TransferRequest{Token: token, Client: c.client})
	if err != nil {
		return nil, err
	}
	c.guard.remember(code.Code.Reveal(), code.Expires)
	return ok(wire.TokenResponse{
		MytokenType: string(mytoken.ResponseTransferCode), TransferCode: wire.Secret{Secret: code.Code},
		ExpiresIn: c.secondsUntil(code.Expires),
	}), nil
}
