package client

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// AccessTokenRequest asks for an access token (protocol section 5.5).
type AccessTokenRequest struct {
	// Scopes and Audiences; empty: what the restrictions of the mytoken allow,
	// and the provider's default.
	Scopes    []string
	Audiences []string
	// Provider is the issuer that the token is expected to be of; empty: any.
	Provider string
	// Comment is recorded by the server.
	Comment string
}

// AccessToken is an access token of an OpenID provider.
type AccessToken struct {
	Token     Secret
	TokenType string
	// Expires is zero if the provider did not say. It is counted from before
	// the request, so that it is never too late.
	Expires time.Time
	// Scopes and Audiences as the server states them; audiences only if the
	// token is a JWT.
	Scopes    []string
	Audiences []string
	// Broader says that they contain what was not asked for, which some
	// servers do not prevent (protocol section 10, D10, D14). The scopes openid
	// and offline_access do not count.
	Broader bool
	// Update is the successor of the mytoken, if the server rotated it. Keep it
	// before anything else.
	Update *Token
}

// OAuth2 returns the token in the form of golang.org/x/oauth2.
func (t *AccessToken) OAuth2() *oauth2.Token {
	return &oauth2.Token{AccessToken: t.Token.Reveal(), TokenType: t.TokenType, Expiry: t.Expires}
}

// AccessToken obtains an access token for a mytoken. Each request counts as a use of
// the token, so it is repeated only if the server certainly did not act on it.
// Errors are [*Error], [*NetworkError], [*AnswerError], or wrap [ErrUnsupported].
func (c *Client) AccessToken(ctx context.Context, token Secret, req AccessTokenRequest) (*AccessToken, error) {
	const operation = "access token"
	asked := c.now()
	body, err := c.post(ctx, endpointAccessToken, request{operation: operation, secrets: []Secret{token}, body: wire.AccessTokenRequest{
		GrantType: wire.GrantMytoken, Mytoken: wire.NewSecret(token.Reveal()), OIDCIssuer: req.Provider,
		Scope: req.Scopes, Audience: req.Audiences, Comment: req.Comment,
	}})
	if err != nil {
		return nil, err
	}
	resp, err := readAccess(body)
	if err != nil || resp.AccessToken.IsEmpty() { // D53
		return nil, &AnswerError{Operation: operation, Reason: "the answer holds no access token", Update: readUpdate(body, asked)}
	}
	out := &AccessToken{
		Token: NewSecret(resp.AccessToken.Reveal()), TokenType: resp.TokenType, Expires: after(asked, resp.ExpiresIn),
		Scopes: strings.Fields(resp.Scope), Audiences: resp.Audience, Update: readUpdate(body, asked),
	}
	out.Broader = broader(out.Scopes, req.Scopes, "openid", "offline_access") || broader(out.Audiences, req.Audiences)
	return out, nil
}

func readAccess(body []byte) (*wire.AccessTokenResponse, error) {
	resp := new(wire.AccessTokenResponse)
	if wire.Unmarshal(body, resp) == nil {
		return resp, nil
	}
	var e struct { // without members that servers write in several ways
		AccessToken wire.Secret `json:"access_token"`
		TokenType   string      `json:"token_type"`
		ExpiresIn   int64       `json:"expires_in"`
		Scope       wire.Words  `json:"scope"`
		Audience    wire.List   `json:"audience"`
	}
	err := wire.Unmarshal(body, &e)
	return &wire.AccessTokenResponse{
		AccessToken: e.AccessToken, TokenType: e.TokenType, ExpiresIn: e.ExpiresIn, Scope: strings.Join(e.Scope, " "), Audience: e.Audience,
	}, err
}

// broader reports whether something was got that was not asked for.
func broader(got, asked []string, harmless ...string) bool {
	return len(asked) > 0 && slices.ContainsFunc(got, func(s string) bool {
		return !slices.Contains(asked, s) && !slices.Contains(harmless, s)
	})
}
