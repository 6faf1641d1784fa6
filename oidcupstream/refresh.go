package oidcupstream

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// RefreshRequest is what turns a refresh token into an access token.
type RefreshRequest struct {
	hidden

	// RefreshToken is required.
	RefreshToken string
	// Scopes are sent exactly as they are given here: nothing is added, offline_access neither. Empty sends none, which
	// means what was granted originally (RFC 6749 6).
	Scopes []string
	// Audiences for the access token; may be empty.
	Audiences []string
	// LoginAudiences are those that the login asked for (AuthorizationRequest.Audiences). They are not sent, and matter
	// with AudienceParameter.LoginOnly alone.
	LoginAudiences []string
	// Subject is the user that an ID token in the answer, if there is one, must be about. Empty skips that.
	Subject string
}

// Refresh asks for an access token (RFC 6749 6). It sends the refresh token at most once and takes no longer than
// Config.Timeout, metadata included.
//
// If the answer holds a refresh token, keep it before doing anything else: the old one may not work any more. Scopes and
// audiences are as answered, and may be wider or narrower than asked for; compare them.
//
// Errors are [*Error]; see [Outcome] for what may be concluded. A caller that cancels ctx while the provider is working gets
// Unknown; give it a context that ends only when the answer no longer matters.
//
// An ID token in the answer came straight from the provider over the same connection, which takes the place of its signature
// (OpenID Connect Core 3.1.3.7, 6): with Subject set, its issuer, audience and subject must be right, otherwise the error has
// ErrSubject.
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

// audienceObjection says why the provider would refuse a refresh for these audiences, and may end the login over it.
func (p *Provider) audienceObjection(req *RefreshRequest) string {
	switch {
	case p.cfg.Audience.Single && len(req.Audiences) > 1:
		return "access tokens of this provider are for one audience: name one"
	case p.cfg.Audience.LoginOnly && slices.ContainsFunc(req.Audiences, func(a string) bool { return !slices.Contains(req.LoginAudiences, a) }):
		return "access tokens of this provider are for audiences that the login asked for: it did not ask for this one"
	}
	return ""
}

// isAbout applies OpenID Connect Core 12.2 to an ID token of a refresh answer.
func (p *Provider) isAbout(m *metadata, idToken, subject string) bool {
	claims, ok := peek(idToken)
	if !ok {
		return false
	}
	iss, _ := claims.text("iss")
	sub, _ := claims.text("sub")
	return sameIssuer(iss, m.Issuer) && sub == subject && slices.Contains(stringList(claims["aud"]), p.cfg.ClientID)
}
