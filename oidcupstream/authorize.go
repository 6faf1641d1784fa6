package oidcupstream

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/internal/unique"
)

const (
	scopeOpenID        = "openid"
	scopeOfflineAccess = "offline_access"

	googleIssuer = "https://accounts.google.com"
)

// protocolParams are the parameters of an authorization request that callers cannot set
// as extra parameters.
var protocolParams = []string{
	"client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "request", "request_uri",
	"response_mode", "response_type", "scope", "state",
}

// formParams are the other parameters that token requests set. Audiences cannot have
// their names.
var formParams = []string{
	"client_assertion", "client_assertion_type", "client_secret", "code", "code_verifier", "grant_type", "refresh_token",
}

// AuthorizationRequest says what one login asks for. It prints as "[redacted]".
type AuthorizationRequest struct {
	hidden

	// State comes back with the redirect, so that the caller finds the login. Required.
	// It must be a random secret of at least 128 bits.
	State string
	// Nonce comes back in the ID token. Required. It must be random and new for each
	// login.
	Nonce string
	// Verifier is the PKCE code verifier of 43 to 128 characters (RFC 7636 section 4.1),
	// for example from golang.org/x/oauth2.GenerateVerifier. Required. Only its SHA-256
	// leaves the process.
	Verifier string
	// Scopes are the requested scopes. Empty means Config.Scopes. AuthorizationURL always
	// adds openid.
	Scopes []string
	// Audiences are the requested audiences. They may be empty.
	Audiences []string
	// Prompt is the parameter prompt of OpenID Connect. Empty means that of
	// Config.ExtraAuthParams, or else consent.
	Prompt string
	// LoginHint is the parameter login_hint of OpenID Connect. It may be empty.
	LoginHint string
	// Extra are more parameters. They replace those of Config.ExtraAuthParams with the
	// same name. They cannot replace parameters of the protocol such as state.
	Extra url.Values
}

// AuthorizationURL returns the address to which to send the user's browser (OpenID
// Connect Core section 3.1.2.1, RFC 7636 with S256). It needs the provider's metadata. It
// returns an [*Error] with the outcome NotSent: [ErrRequest] if the request is invalid,
// [ErrConfig] if no RedirectURL is configured, and [ErrMetadata] if the metadata is not
// available.
func (p *Provider) AuthorizationURL(ctx context.Context, req AuthorizationRequest) (string, error) {
	const op = "authorize"
	if p.cfg.RedirectURL == "" {
		return "", noRedirectURL(op)
	}
	if req.State == "" || req.Nonce == "" {
		return "", requestError(op, "State and Nonce are required")
	}
	if !validVerifier(req.Verifier) {
		return "", requestError(op, "Verifier: need 43 to 128 letters, digits or characters of -._~")
	}
	if err := checkScopes(req.Scopes); err != nil {
		return "", requestError(op, "%w", err)
	}
	for name := range req.Extra {
		if slices.Contains(protocolParams, name) {
			return "", requestError(op, "Extra: %q is a parameter of the protocol", name)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	m, err := p.lookup(ctx, op)
	if err != nil {
		return "", err
	}
	scopes, offlineParam := p.loginScopes(m, req.Scopes)

	query := url.Values{"prompt": {"consent"}}
	if offlineParam {
		query.Set("access_type", "offline")
	}
	for _, extra := range []url.Values{p.cfg.ExtraAuthParams, req.Extra} {
		for name, values := range extra {
			query[name] = slices.Clone(values)
		}
	}
	if req.Prompt != "" {
		query.Set("prompt", req.Prompt)
	}
	if req.LoginHint != "" {
		query.Set("login_hint", req.LoginHint)
	}
	if err := p.addAudiences(query, req.Audiences); err != nil {
		return "", requestError(op, "%w", err)
	}
	query.Set("response_type", "code")
	query.Set("client_id", p.cfg.ClientID)
	query.Set("redirect_uri", p.cfg.RedirectURL)
	query.Set("scope", strings.Join(scopes, " "))
	query.Set("state", req.State)
	query.Set("nonce", req.Nonce)
	query.Set("code_challenge", oauth2.S256ChallengeFromVerifier(req.Verifier))
	query.Set("code_challenge_method", "S256")

	u, err := url.Parse(m.AuthorizationEndpoint)
	if err != nil {
		return "", notSent(op, fmt.Errorf("%w: authorization_endpoint", ErrMetadata))
	}
	if u.RawQuery != "" { // RFC 6749 section 3.1: keep the query of the endpoint
		u.RawQuery += "&"
	}
	u.RawQuery += query.Encode()
	return u.String(), nil
}

// loginScopes returns the scopes to ask for, in a new list. It also reports whether a
// parameter must ask for offline access.
func (p *Provider) loginScopes(m *metadata, wanted []string) (scopes []string, offlineParam bool) {
	if len(wanted) == 0 {
		wanted = p.cfg.Scopes
	}
	offline := p.cfg.Offline
	if offline == OfflineAuto {
		switch {
		case strings.TrimSuffix(p.cfg.Issuer, "/") == googleIssuer:
			offline = OfflineAccessType
		case m.offline:
			offline = OfflineScope
		default:
			offline = OfflineNone
		}
	}
	var more []string
	if offline == OfflineScope {
		more = []string{scopeOfflineAccess}
	}
	return unique.Strings([]string{scopeOpenID}, wanted, more), offline == OfflineAccessType
}

// addAudiences adds the audiences to a form or query, as Config.Audience says.
func (p *Provider) addAudiences(form url.Values, audiences []string) error {
	for _, audience := range audiences {
		if audience == "" || strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("audience %q is empty or contains white space", audience)
		}
	}
	if len(audiences) == 0 {
		return nil
	}
	if p.cfg.Audience.SpaceSeparated {
		form.Set(p.cfg.Audience.Name, strings.Join(audiences, " "))
	} else {
		form[p.cfg.Audience.Name] = slices.Clone(audiences)
	}
	return nil
}

// checkScopes returns an error unless all scopes are scope tokens (RFC 6749 section 3.3).
// A scope with a space would count as two.
func checkScopes(scopes []string) error {
	for _, scope := range scopes {
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return fmt.Errorf("scope %q is empty or contains a character that scopes must not have", scope)
		}
	}
	return nil
}

// validVerifier reports whether a code verifier has the form of RFC 7636 section 4.1.
func validVerifier(verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	return !strings.ContainsFunc(verifier, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
	})
}

// Redirect holds the parameters that the browser brings back from a successful
// authorization. It prints as "[redacted]".
type Redirect struct {
	hidden

	Code  string // pass it on as ExchangeRequest.Code
	State string // find the login by it; it must equal AuthorizationRequest.State
}

// CheckRedirect checks the query or form with which the browser came back. The caller
// looks up the state first, to know which provider to ask.
//
// CheckRedirect returns [ErrRedirect] for parameters that occur twice and for redirects
// from another issuer. The parameter iss must name this provider (RFC 9207). It may be
// missing only if neither the metadata nor Config.RequireIssParameter promises it. Then
// only the address at which the browser arrived tells which provider sent it: compare
// its path with [Provider.RedirectPath] first.
//
// All errors are [*Error]. If the provider reports an error such as access_denied, the
// outcome is Refused and Code is that error. Otherwise the outcome is NotSent, with
// [ErrRedirect], or with [ErrMetadata] if the metadata is not available.
func (p *Provider) CheckRedirect(ctx context.Context, query url.Values) (Redirect, error) {
	const op = "redirect"
	bad := func(text string) (Redirect, error) {
		return Redirect{}, notSent(op, fmt.Errorf("%w: %s", ErrRedirect, text))
	}
	for _, name := range []string{"code", "state", "iss", "error", "error_description"} {
		if len(query[name]) > 1 {
			return bad(name + " occurs twice")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	m, err := p.lookup(ctx, op)
	if err != nil {
		return Redirect{}, err
	}
	if query.Has("iss") || m.IssParameter || p.cfg.RequireIssParameter {
		if !query.Has("iss") {
			return bad("it has no parameter iss, and this provider always sends one")
		}
		if subtle.ConstantTimeCompare([]byte(query.Get("iss")), []byte(m.Issuer)) != 1 {
			return bad("its parameter iss does not name this provider")
		}
	}
	if code := query.Get("error"); code != "" {
		secrets := []string{query.Get("state"), query.Get("code")}
		return Redirect{}, &Error{
			Op: op, Outcome: Refused,
			Code:        printableCode(code, secrets),
			Description: printable(query.Get("error_description"), maxDescription, secrets),
		}
	}
	if query.Get("code") == "" {
		return bad("it has neither code nor error")
	}
	if query.Get("state") == "" {
		return bad("it has no state")
	}
	return Redirect{Code: query.Get("code"), State: query.Get("state")}, nil
}
