package oidcupstream

import (
	"context"
	"net/url"
	"slices"
)

// ExchangeRequest is what turns an authorization code into tokens.
type ExchangeRequest struct {
	hidden

	// Code from CheckRedirect. Required.
	Code string
	// Verifier and Nonce as in the AuthorizationRequest. Required.
	Verifier string
	Nonce    string
	// Scopes that the AuthorizationRequest asked for; only used to fill in Tokens.Scopes when the provider does not name
	// any. May be empty.
	Scopes []string
	// Audiences for the access token, where the provider expects them here too (RFC 8707 2.2); usually empty.
	Audiences []string
}

// Exchange redeems an authorization code (OpenID Connect Core 3.1.3) and verifies the ID token that comes with it.
// It sends the code at most once. Whether there is a refresh token is for the caller to judge.
//
// Errors are [*Error]: with ErrIDToken if the ID token is missing or not acceptable, with ErrAnswer if the answer is not
// usable otherwise. In these cases a refresh token may exist nevertheless, see [Error.RefreshToken]; revoke it.
func (p *Provider) Exchange(ctx context.Context, req ExchangeRequest) (*Tokens, error) {
	const op = "exchange"
	if p.cfg.RedirectURL == "" {
		return nil, requestError(op, "no RedirectURL is configured")
	}
	if req.Code == "" || req.Nonce == "" {
		return nil, requestError(op, "Code and Nonce are required")
	}
	if !validVerifier(req.Verifier) {
		return nil, requestError(op, "Verifier is not 43 to 128 unreserved characters")
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
	if partial { // nor do scope and audience of the answer say more
		tokens.Scopes, tokens.ScopeReturned = slices.Clone(req.Scopes), false
		tokens.Audiences, tokens.AudienceKnown = nil, false
	}
	if err := p.verifyIDToken(ctx, m, tokens, req.Nonce); err != nil {
		return nil, salvage(&Error{Op: op, Outcome: Unknown, err: err}, tokens)
	}
	return tokens, nil
}

// oneAudience returns the audiences that an exchange can name; partial says that they are not all.
func (p *Provider) oneAudience(audiences []string) (named []string, partial bool) {
	if p.cfg.Audience.Single && len(audiences) > 1 {
		return audiences[:1], true
	}
	return audiences, false
}

// tokenCall does what exchange and refresh have in common. Its time includes fetching metadata.
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
