package oidcupstream

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const opRefresh = "refresh"

// RefreshRequest says which access token to ask for. It prints as "[redacted]".
type RefreshRequest struct {
	hidden

	// RefreshToken is the refresh token to use. Required.
	RefreshToken string
	// Scopes are the requested scopes. Refresh sends them as they are, and adds at most
	// offline_access; see Config.AlwaysGranted. Empty means all scopes that were
	// originally granted (RFC 6749 section 6).
	Scopes []string
	// Audiences are the audiences of the access token. They may be empty.
	Audiences []string
	// LoginAudiences are those of the AuthorizationRequest. Refresh does not send them.
	// It compares Audiences with them if AudienceParameter.LoginOnly is set.
	LoginAudiences []string
	// Subject is the user whom an ID token in the response must be about. If Subject is
	// empty, Refresh does not look at the ID token.
	Subject string
}

// Refresh asks for an access token (RFC 6749 section 6). It sends the refresh token at
// most once. It takes at most Config.Timeout, which includes the time to fetch metadata.
//
// If the response has a refresh token, store it before you do anything else: the old one
// may have stopped working. Refresh returns the scopes and audiences of the response.
// They may be wider or narrower than the request, so compare them.
//
// All errors are [*Error]; [Outcome] says what to conclude. If ctx ends while the
// provider is working, the outcome is Unknown. So pass a context that ends only when the
// response no longer matters.
//
// If Subject is set, the issuer, audience and subject of an ID token in the response must
// be right. Otherwise Refresh returns [ErrSubject], or [ErrIDToken] if the ID token does
// not say. After ErrSubject, do not use the refresh token of the response: it belongs to
// somebody else. Refresh does not check the signature of this ID token, because the token
// came directly from the provider (OpenID Connect Core section 3.1.3.7, number 6).
func (p *Provider) Refresh(ctx context.Context, req RefreshRequest) (*Tokens, error) {
	const op = opRefresh
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
	scopes := req.Scopes
	if len(scopes) > 0 {
		if p.sendOffline && !slices.Contains(scopes, scopeOfflineAccess) {
			scopes = append(slices.Clone(scopes), scopeOfflineAccess)
		}
		form.Set("scope", strings.Join(scopes, " "))
	}
	tokens, m, err := p.tokenCall(ctx, op, form, req.Audiences, scopes, req.RefreshToken)
	if err != nil {
		return nil, err
	}
	if req.Subject != "" && tokens.idToken != "" {
		if err := p.checkAbout(m, tokens.idToken, req.Subject); err != nil {
			return nil, salvage((&Error{Op: op, Outcome: Unknown, err: err}).blame(), tokens.RefreshToken)
		}
	}
	return tokens, nil
}

// audienceObjection returns the reason if the provider would refuse these audiences, and
// might end the login. Otherwise it returns the empty string.
func (p *Provider) audienceObjection(req *RefreshRequest) string {
	switch {
	case p.cfg.Audience.Single && len(req.Audiences) > 1:
		return "access tokens of this provider are for one audience: name one"
	case p.cfg.Audience.LoginOnly && !within(req.Audiences, req.LoginAudiences):
		return "access tokens of this provider are for audiences that the login asked for: it did not ask for this one"
	}
	return ""
}

// within reports whether all entries of a list are in another one.
func within(list, all []string) bool {
	listed := set(all)
	return !slices.ContainsFunc(list, func(entry string) bool { return !listed[entry] })
}

// checkAbout returns an error if the ID token of a refresh is about somebody else, or
// does not say whom it is about (OpenID Connect Core section 12.2).
func (p *Provider) checkAbout(m *metadata, idToken, subject string) error {
	if encrypted(idToken) {
		return fmt.Errorf("%w: %w", ErrIDToken, errEncrypted)
	}
	claims, _ := peek(idToken)
	audiences, _ := stringList(claims["aud"])
	iss, _ := claims.text("iss")
	sub, _ := claims.text("sub")
	said := 0
	for claim, right := range map[string]bool{
		"iss": sameIssuer(iss, m.Issuer), "sub": sub == subject, "aud": slices.Contains(audiences, p.cfg.ClientID),
	} {
		if _, ok := claims[claim]; ok && !right {
			return aboutClaim(claim, ErrSubject)
		} else if ok {
			said++
		}
	}
	if said < 3 {
		return fmt.Errorf("%w: it does not say whom it is about", ErrIDToken)
	}
	return nil
}
