package client

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// AccessTokenRequest asks for an access token (protocol section 5.5).
type AccessTokenRequest struct {
	// Scopes and Audiences of the access token. Empty: those that the restrictions of the
	// mytoken name, or else the provider's default.
	Scopes    []string
	Audiences []string
	// Provider is the issuer that the caller expects; empty: any.
	Provider string
	// Comment appears in the history of the mytoken. It has no control and format
	// characters.
	Comment string
}

// AccessToken is an access token of an OpenID provider. The client counts its lifetime
// from before the request, so Expires is never too late. Its scopes are those that the
// server states.
type AccessToken struct {
	mytoken.AccessToken
	// Broader says that the access token has scopes or audiences that the request did not
	// name. Some servers do not prevent this (protocol section 10, D10, D14). Broader
	// ignores the scopes openid and offline_access.
	Broader bool

	life span // of the token, from before the request; d is 0 if it never expires
}

// expired reports whether the token has expired, or whether the clock was set so that
// nobody knows.
func (t *AccessToken) expired(now time.Time) bool { return t.life.d > 0 && t.life.over(now) }

// due returns when to replace the token: early before it expires, but not before half of
// its lifetime. ok is false for a token that never expires.
func (t *AccessToken) due(early time.Duration) (due span, ok bool) {
	return span{t.life.since, t.life.d - min(early, t.life.d/2)}, t.life.d > 0
}

// OAuth2 returns the token in the form of golang.org/x/oauth2.
func (t *AccessToken) OAuth2() *oauth2.Token {
	return &oauth2.Token{AccessToken: t.Token.Reveal(), TokenType: t.TokenType, Expiry: t.Expires}
}

// opAccessToken names the operation in errors.
const opAccessToken = "get an access token"

// AccessToken obtains an access token for a mytoken. It counts as a use of the mytoken.
// After a lost answer or an error of the server, the client repeats the request if the
// server counts that once; see [Metadata]. Other servers would count it again, so the
// client repeats it only if the server certainly did not act on it.
//
// Errors are [*Error], [*NetworkError], [*AnswerError], or wrap [ErrUnsupported].
func (c *Client) AccessToken(ctx context.Context, token mytoken.Secret, req AccessTokenRequest) (*AccessToken, error) {
	if err := checkText("Comment", req.Comment); err != nil {
		return nil, err
	}
	asked := c.now()
	body, err := c.post(ctx, endpointAccessToken, request{
		operation: opAccessToken, spends: true, secrets: []mytoken.Secret{token}, body: wire.AccessTokenRequest{
			GrantType: wire.GrantMytoken, Mytoken: wire.NewSecret(token.Reveal()), OIDCIssuer: req.Provider,
			Scope: req.Scopes, Audience: req.Audiences, Comment: req.Comment,
		},
	})
	if err != nil {
		return nil, err
	}
	var resp accessAnswer
	update := readUpdate(body, asked)
	if wire.Unmarshal(body, &resp) != nil || resp.AccessToken.IsEmpty() { // D53
		return nil, &AnswerError{Operation: opAccessToken, Reason: "the answer holds no access token", Update: update}
	}
	out := &AccessToken{AccessToken: mytoken.AccessToken{
		Token: mytoken.NewSecret(resp.AccessToken.Reveal()), TokenType: resp.TokenType, Expires: after(asked, resp.ExpiresIn),
		Scopes: resp.Scope, Audiences: resp.Audience, Update: update,
	}, life: span{asked, seconds(resp.ExpiresIn)}}
	out.Broader = broader(out.Scopes, req.Scopes, "openid", "offline_access") || broader(out.Audiences, req.Audiences)
	return out, nil
}

// accessAnswer is wire.AccessTokenResponse as other servers may write it: lists as text,
// and any token_update, which readUpdate reads.
type accessAnswer struct {
	AccessToken wire.Secret `json:"access_token"`
	TokenType   string      `json:"token_type"`
	ExpiresIn   int64       `json:"expires_in"`
	Scope       wire.Words  `json:"scope"`
	Audience    wire.List   `json:"audience"`
}

// broader reports whether got has something that was not asked for.
func broader(got, asked []string, harmless ...string) bool {
	// No list times list: the server chooses one of them.
	return len(asked) > 0 && len(unique.Strings(asked, harmless, got)) > len(unique.Strings(asked, harmless))
}
