package oidcupstream

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

const (
	scopeOpenID        = "openid"
	scopeOfflineAccess = "offline_access"

	googleIssuer = "https://accounts.google.com"
)

// protocolParams are set by AuthorizationURL and cannot be given as extra parameters.
var protocolParams = []string{
	"client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "request", "request_uri",
	"response_mode", "response_type", "scope", "state",
}

// formParams are further names that token requests need for themselves.
var formParams = []string{
	"client_assertion", "client_assertion_type", "client_secret", "code", "code_verifier", "grant_type", "refresh_token",
}

// AuthorizationRequest is what one login asks for.
type AuthorizationRequest struct {
	hidden

	// State comes back with the redirect and finds the login again. Required; it is a secret, so 128 bits at least.
	State string
	// Nonce comes back in the ID token. Required; fresh for each login.
	Nonce string
	// Verifier is the PKCE code verifier (RFC 7636 4.1: 43 to 128 characters), for example from
	// golang.org/x/oauth2.GenerateVerifier. Required; only its SHA-256 leaves the process.
	Verifier string
	// Scopes to ask for; empty means the configured ones. openid is always added.
	Scopes []string
	// Audiences to ask for; may be empty.
	Audiences []string
	// Prompt is the OpenID Connect parameter; empty means the configured one, which is consent if nothing else was said.
	Prompt string
	// LoginHint is the OpenID Connect parameter; may be empty.
	LoginHint string
	// Extra parameters for this request, replacing those of the configuration. They cannot hold protocol parameters.
	Extra url.Values
}

// AuthorizationURL returns the address to send the user's browser to (OpenID Connect Core 3.1.2.1, with PKCE S256).
// It needs the provider's metadata. Its errors are [*Error] with NotSent, and ErrRequest or ErrMetadata.
func (p *Provider) AuthorizationURL(ctx context.Context, req AuthorizationRequest) (string, error) {
	const op = "authorize"
	if p.cfg.RedirectURL == "" {
		return "", requestError(op, "no RedirectURL is configured")
	}
	if req.State == "" || req.Nonce == "" {
		return "", requestError(op, "State and Nonce are required")
	}
	if !validVerifier(req.Verifier) {
		return "", requestError(op, "Verifier is not 43 to 128 unreserved characters")
	}
	if err := checkScopes(req.Scopes); err != nil {
		return "", requestError(op, "%w", err)
	}
	for name := range req.Extra {
		if slices.Contains(protocolParams, name) {
			return "", requestError(op, "Extra cannot hold %q", name)
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
	if u.RawQuery != "" { // RFC 6749 3.1: a query of the endpoint's own is retained
		u.RawQuery += "&"
	}
	u.RawQuery += query.Encode()
	return u.String(), nil
}

// loginScopes returns a fresh list of what to ask for, and whether offline access is asked for by parameter.
func (p *Provider) loginScopes(m *metadata, wanted []string) (scopes []string, offlineParam bool) {
	if len(wanted) == 0 {
		wanted = p.cfg.Scopes
	}
	add := func(scope string) {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	add(scopeOpenID)
	for _, scope := range wanted {
		add(scope)
	}
	offline := p.cfg.Offline
	if offline == OfflineAuto {
		switch {
		case strings.TrimSuffix(p.cfg.Issuer, "/") == googleIssuer:
			offline = OfflineAccessType
		case m.ScopesSupported == nil || slices.Contains(m.ScopesSupported, scopeOfflineAccess):
			offline = OfflineScope
		default:
			offline = OfflineNone
		}
	}
	switch offline {
	case OfflineScope:
		add(scopeOfflineAccess)
	case OfflineAccessType:
		offlineParam = true
	}
	return scopes, offlineParam
}

// addAudiences puts audiences into a form or query as the provider wants them.
func (p *Provider) addAudiences(form url.Values, audiences []string) error {
	for _, audience := range audiences {
		if audience == "" || strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("audience %q is empty or holds white space", audience)
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

// checkScopes accepts scope tokens as of RFC 6749 3.3. A scope with a space in it would be two.
func checkScopes(scopes []string) error {
	for _, scope := range scopes {
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return fmt.Errorf("scope %q is not a scope token", scope)
		}
	}
	return nil
}

// validVerifier follows RFC 7636 4.1.
func validVerifier(verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	return !strings.ContainsFunc(verifier, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
	})
}

// Redirect is what the browser brought back from a successful authorization.
type Redirect struct {
	hidden

	Code  string // for ExchangeRequest.Code
	State string // compare with AuthorizationRequest.State, or find the login with it
}

// CheckRedirect judges the query (or form) with which the browser came back. It refuses answers of another issuer
// (RFC 9207: an iss parameter must be ours, and must be there if the provider's metadata promises it) and parameters that
// occur twice. The caller knows which provider the state belongs to, and asks that one.
//
// An error that the provider reports, such as access_denied, is an [*Error] with Refused and its Code. Anything else that
// is wrong is an [*Error] with ErrRedirect; if the provider's metadata is needed and cannot be had, with ErrMetadata.
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
	if query.Has("iss") || m.IssParameter {
		if subtle.ConstantTimeCompare([]byte(query.Get("iss")), []byte(m.Issuer)) != 1 {
			return bad("it comes from another issuer, or does not say from which")
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
		return bad("it holds neither code nor error")
	}
	if query.Get("state") == "" {
		return bad("it holds no state")
	}
	return Redirect{Code: query.Get("code"), State: query.Get("state")}, nil
}
