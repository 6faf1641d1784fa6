package oidcupstream

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// RefreshRequest says which access token to ask for. It prints as a placeholder.
type RefreshRequest struct {
	hidden

	// RefreshToken is required.
	RefreshToken string
	// Scopes are sent as they are. Nothing is added, not even offline_access. Empty means
	// all scopes that were originally granted (RFC 6749 section 6).
	Scopes []string
	// Audiences are those of the access token. They may be empty.
	Audiences []string
	// LoginAudiences are those of the AuthorizationRequest. They are not sent. Only
	// AudienceParameter.LoginOnly uses them.
	LoginAudiences []string
	// Subject is the user that an ID token in the answer must be about. Empty means that
	// Refresh does not look at the ID token.
	Subject string
}

// Refresh asks for an access token (RFC 6749 section 6). It sends the refresh token at
// most once and takes at most Config.Timeout, which includes the time to fetch metadata.
//
// If the answer has a refresh token, keep it before doing anything else: the old one may
// have stopped working. The scopes and audiences are those of the answer. They may be
// wider or narrower than requested, so compare them.
//
// Errors are [*Error]; see [Outcome] for what to conclude. If ctx ends while the provider
// is working, the outcome is Unknown. Pass a context that ends only when the answer no
// longer matters.
//
// An ID token in the answer came from the provider over the same connection, which
// replaces its signature (OpenID Connect Core section 3.1.3.7, number 6). If Subject is
// set, its issuer, audience and subject must be right. Otherwise the error is
// [ErrSubject].
func (p *Provider) Refresh(ctx context.Context, req RefreshRequest) (*Tokens, error) {
	const op = "refresh"
	if req.RefreshToken == "" {
		return nil, requestError(op, "RefreshToken is required")
	}
	if err := checkScopes(req.Scopes); err != nil {
		return nil, requestError(op, "%w", err)
	}
	if text := p.audienceObjection(&req); text != "" {
		return nil, &Error{Op: op, Outcome: NotSent, Code: "invalid_target", Description: text, err: ErrRequest}
	}
	form := url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {req.RefreshToken},
	}
	if len(req.Scopes) > 0 {
		form.Set("scope", strings.Join(req.Scopes, " "))
	}
	tokens, m, err := p.tokenCall(ctx, op, form, req.Audiences, req.Scopes, req.RefreshToken)
	if err != nil {
		return nil, err
	}
	if req.Subject != "" && tokens.idToken != "" && !p.isAbout(m, tokens.idToken, req.Subject) {
		return nil, salvage(&Error{Op: op, Outcome: Unknown, err: ErrSubject}, tokens)
	}
	return tokens, nil
}

// audienceObjection says why the provider would refuse these audiences and may end the
// login. It is empty if there is no objection.
func (p *Provider) audienceObjection(req *RefreshRequest) string {
	switch {
	case p.cfg.Audience.Single && len(req.Audiences) > 1:
		return "access tokens of this provider are for one audience: name one"
	case p.cfg.Audience.LoginOnly && slices.ContainsFunc(req.Audiences, func(a string) bool { return !slices.Contains(req.LoginAudiences, a) }):
		return "access tokens of this provider are for audiences that the login asked for: it did not ask for this one"
	}
	return ""
}

// isAbout reports whether the ID token of a refresh is about the subject (OpenID Connect
// Core section 12.2).
func (p *Provider) isAbout(m *metadata, idToken, subject string) bool {
	claims, ok := peek(idToken)
	if !ok {
		return false
	}
	iss, _ := claims.text("iss")
	sub, _ := claims.text("sub")
	return sameIssuer(iss, m.Issuer) && sub == subject && slices.Contains(stringList(claims["aud"]), p.cfg.ClientID)
}
