package oidcupstream

import (
	"context"
	"net/url"
	"slices"
)

// ExchangeRequest says which code to exchange. It prints as "[redacted]".
type ExchangeRequest struct {
	hidden

	// Code is the one that CheckRedirect returned. Required.
	Code string
	// Verifier and Nonce are those of the AuthorizationRequest. Required.
	Verifier string
	Nonce    string
	// Scopes are those of the AuthorizationRequest. Exchange puts them into Tokens.Scopes
	// if the provider names none. They may be empty.
	Scopes []string
	// Audiences are the audiences of the access token, for providers that expect them
	// here again (RFC 8707 section 2.2). They are usually empty.
	Audiences []string
}

// Exchange redeems an authorization code (OpenID Connect Core section 3.1.3) and verifies
// the ID token in the response. It sends the code at most once. The response need not
// contain a refresh token.
//
// All errors are [*Error]. Exchange returns [ErrIDToken] if the ID token is missing or
// not acceptable, and [ErrAnswer] if the response is otherwise unusable. After both,
// [Error.RefreshToken] may return a refresh token. Revoke it.
func (p *Provider) Exchange(ctx context.Context, req ExchangeRequest) (*Tokens, error) {
	const op = "exchange"
	if p.cfg.RedirectURL == "" {
		return nil, noRedirectURL(op)
	}
	if req.Code == "" || req.Nonce == "" {
		return nil, requestError(op, "Code and Nonce are required")
	}
	if !validVerifier(req.Verifier) {
		return nil, requestError(op, "Verifier: need 43 to 128 letters, digits or characters of -._~")
	}
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {req.Code},
		"code_verifier": {req.Verifier},
		"redirect_uri":  {p.cfg.RedirectURL},
		"client_id":     {p.cfg.ClientID},
	}
	audiences, partial := p.oneAudience(req.Audiences)
	tokens, m, err := p.tokenCall(ctx, op, form, audiences, req.Scopes, req.Code, req.Verifier)
	if err != nil {
		return nil, err
	}
	if partial { // the answer is about one audience only
		tokens.Scopes, tokens.ScopeReturned = slices.Clone(req.Scopes), false
		tokens.Audiences, tokens.AudienceKnown = nil, false
	}
	if err := p.verifyIDToken(ctx, m, tokens, req.Nonce); err != nil {
		return nil, salvage((&Error{Op: op, Outcome: Unknown, RetryAfter: m.keys.pause.left(p.cfg.Clock()), err: err}).blame(), tokens.RefreshToken)
	}
	return tokens, nil
}

// oneAudience returns the audiences that an exchange can name. It also reports whether it
// left some out.
func (p *Provider) oneAudience(audiences []string) (named []string, partial bool) {
	if p.cfg.Audience.Single && len(audiences) > 1 {
		return audiences[:1], true
	}
	return audiences, false
}

// tokenCall sends the request of an exchange or a refresh. Config.Timeout bounds its
// time, which includes fetching metadata.
func (p *Provider) tokenCall(ctx context.Context, op string, form url.Values, audiences, requested []string, secrets ...string) (*Tokens, *metadata, error) {
	if err := p.addAudiences(form, audiences); err != nil {
		return nil, nil, requestError(op, "%w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	m, err := p.lookup(ctx, op)
	if err != nil {
		return nil, nil, err
	}
	sent := p.cfg.Clock()
	r, err := p.post(ctx, op, m.TokenEndpoint, form, secrets)
	if err != nil {
		return nil, nil, err
	}
	tokens, err := parseTokens(op, r, sent, requested)
	if err != nil {
		return nil, nil, err
	}
	return tokens, m, nil
}
