package rest

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// authorizationServer returns the metadata of the standard endpoints (RFC 8414). They
// have no authorization endpoint, because a login starts at the mytoken endpoint.
func (h *Handler) authorizationServer() wire.AuthorizationServer {
	doc := wire.AuthorizationServer{
		Issuer: h.issuer.URL(), TokenEndpoint: h.base + pathOAuthToken, JWKSURI: h.base + pathJWKS,
		ResponseTypes: []string{"none"}, GrantTypes: []string{wire.GrantTokenExchange, wire.GrantRefreshToken},
		TokenAuthMethods: []string{"none"}, RevocationEndpoint: h.base + pathOAuthRevoke, RevocationAuthMethods: []string{"none"},
		Documentation: h.opts.Documentation, IdempotencyKeySupported: true,
	}
	for _, p := range h.issuer.Providers() {
		doc.Scopes = append(doc.Scopes, p.Upstream.Scopes()...)
	}
	doc.Scopes = unique.Strings(doc.Scopes)
	if len(h.clients) > 0 {
		doc.IntrospectionEndpoint = h.base + pathOAuthIntrospect
		doc.IntrospectionAuthMethods = []string{"client_secret_basic", "client_secret_post"}
	}
	return doc
}

// oauthToken is the standard token endpoint: token exchange (RFC 8693), and refresh (RFC
// 6749 section 6) with a mytoken as refresh token.
func oauthToken(c *call, req *wire.ExchangeRequest) (*answer, error) {
	switch req.GrantType {
	case wire.GrantRefreshToken:
		return refresh(c, req, req.RefreshToken)
	case wire.GrantTokenExchange:
		c.exchange = true
		return exchange(c, req)
	case "":
		return nil, badRequest("grant_type is missing")
	}
	return nil, errNoGrantType
}

// refresh obtains an access token. It takes the mytoken from the body only.
func refresh(c *call, req *wire.ExchangeRequest, token wire.Secret) (*answer, error) {
	switch {
	case token.IsEmpty():
		return nil, badRequest("the token is missing")
	case asksForTags(req.Tags):
		return nil, errTagsWithoutToken
	}
	id, err := c.useID("access token")
	if err != nil {
		return nil, err
	}
	body, err := c.accessToken(issuer.AccessTokenRequest{
		Token: c.hold(token.Secret), ID: id, Scopes: req.Scope, Audiences: slices.Concat(req.Audience, req.Resource), Client: c.client,
	})
	if err != nil {
		return nil, err
	}
	body.RefreshToken = rotated(body.TokenUpdate)
	return ok(body), nil
}

// exchange trades a mytoken for an access token or a narrower mytoken (RFC 8693).
func exchange(c *call, req *wire.ExchangeRequest) (*answer, error) {
	switch {
	case req.SubjectToken.IsEmpty() || req.SubjectTokenType == "":
		return nil, badRequest("subject_token or subject_token_type is missing")
	case req.SubjectTokenType != wire.TokenTypeRefreshToken && req.SubjectTokenType != wire.TokenTypeJWT:
		return nil, badRequest("subject_token_type is not supported: a mytoken is %s or %s", wire.TokenTypeRefreshToken, wire.TokenTypeJWT)
	case !req.ActorToken.IsEmpty() || req.ActorTokenType != "":
		return nil, badRequest("actor_token is not supported")
	}
	for _, r := range req.Resource {
		if u, err := url.Parse(r); err != nil || !u.IsAbs() || u.Fragment != "" {
			return nil, &standardError{wire.ErrorInvalidTarget, "resource is not an absolute URI without a fragment"}
		}
	}
	switch req.RequestedTokenType {
	case "", wire.TokenTypeAccessToken:
		a, err := refresh(c, req, req.SubjectToken)
		if err == nil {
			a.body.(*wire.AccessTokenResponse).IssuedTokenType = wire.TokenTypeAccessToken
		}
		return a, err
	case wire.TokenTypeRefreshToken, wire.TokenTypeJWT:
		return exchangeMytoken(c, req)
	}
	return nil, badRequest("requested_token_type is not supported")
}

// exchangeMytoken derives a child. Scope and audience narrow each clause of the parent. A
// client can give the parameter restrictions, an extension, instead of them.
func exchangeMytoken(c *call, req *wire.ExchangeRequest) (*answer, error) {
	asked := &wire.TokenRequest{
		Mytoken: req.SubjectToken, Name: req.Name, ErrorOnRestrictions: true,
		Restrictions: req.Restrictions, Capabilities: req.Capabilities, Rotation: req.Rotation, Tags: req.Tags,
	}
	derivation, err := c.derivation(asked)
	if err != nil {
		return nil, err
	}
	if audiences := slices.Concat(req.Audience, req.Resource); len(req.Scope)+len(audiences) > 0 {
		if len(derivation.Properties.Restrictions) > 0 {
			return nil, badRequest("restrictions cannot be given together with scope, audience or resource")
		}
		parent, err := c.issuer.Inspect(c.ctx(), issuer.InspectRequest{Token: derivation.Token, Client: c.client})
		if err != nil {
			return nil, err
		}
		if derivation.Properties.Restrictions, err = narrowed(parent.Claims.Restrictions(), req.Scope, audiences); err != nil {
			return nil, err
		}
	}
	issued, err := c.issuer.Derive(c.ctx(), derivation)
	if err != nil {
		return nil, err
	}
	update := c.update(issued.Update)
	scopes, _ := issued.Restrictions.ScopeUnion()
	return ok(&wire.AccessTokenResponse{
		AccessToken: wire.Secret{Secret: issued.Token}, IssuedTokenType: req.RequestedTokenType, TokenType: wire.NotAccessToken,
		ExpiresIn: c.secondsUntil(issued.Claims.ExpiresAt()), Scope: strings.Join(scopes, " "), MomID: issued.ID.String(),
		TokenUpdate: update, RefreshToken: rotated(update),
	}), nil
}

// narrowed limits each clause to scopes and audiences. It drops clauses that do not allow
// all of them.
func narrowed(parent restriction.List, scopes, audiences []string) (restriction.List, error) {
	if len(parent) == 0 {
		parent = restriction.List{{}}
	}
	var out restriction.List
	scoped := false
	for i := range parent {
		clause := parent[i].Clone()
		if !lists(clause.Scopes, scopes) {
			continue
		}
		scoped = true
		if !lists(clause.Audiences, audiences) {
			continue
		}
		if len(scopes) > 0 {
			clause.Scopes = slices.Clone(scopes)
		}
		if len(audiences) > 0 {
			clause.Audiences = slices.Clone(audiences)
		}
		out = append(out, clause)
	}
	switch {
	case len(out) > 0:
		return out, nil
	case scoped:
		return nil, &standardError{wire.ErrorInvalidTarget, "no clause of the token allows the audience"}
	}
	return nil, &standardError{wire.ErrorInvalidScope, "no clause of the token allows the scope"}
}

// lists reports whether a list of a clause allows all wanted words, each of which occurs
// once. A nil list allows every word.
func lists(allowed, wanted []string) bool {
	return allowed == nil || len(unique.Strings(allowed, wanted)) == len(unique.Strings(allowed))
}

// oauthRevoke revokes a mytoken with all its descendants (RFC 7009).
func oauthRevoke(c *call, req *wire.StandardTokenRequest) (*answer, error) {
	if req.Token.IsEmpty() {
		return nil, badRequest("token is missing")
	}
	err := c.revoke(issuer.RevokeRequest{Token: req.Token.Secret, Recursive: true, Client: c.client})
	if err != nil {
		return nil, err
	}
	return empty(http.StatusOK), nil
}

// oauthIntrospect introspects a mytoken for clients that the operator knows (RFC 7662).
// Its token_type keeps a client from taking a mytoken for an access token.
func oauthIntrospect(c *call, req *wire.StandardTokenRequest) (*answer, error) {
	if err := c.authenticate(req); err != nil {
		return nil, err
	}
	if req.Token.IsEmpty() {
		return nil, badRequest("token is missing")
	}
	got, err := c.issuer.Inspect(c.ctx(), issuer.InspectRequest{Token: req.Token.Secret, Client: c.client})
	if _, unusable := errors.AsType[*issuer.TokenError](err); unusable {
		return ok(wire.StandardIntrospection{}), nil
	} else if err != nil {
		return nil, err
	}
	t := got.Claims
	scopes, _ := t.Restrictions().ScopeUnion()
	return ok(wire.StandardIntrospection{
		Active: true, Scope: strings.Join(scopes, " "), TokenType: wire.NotAccessToken,
		ExpiresAt: unix(t.ExpiresAt()), IssuedAt: unix(t.IssuedAt()), NotBefore: unix(t.NotBefore()),
		Subject: t.Subject(), Audience: t.Issuer(), Issuer: t.Issuer(), JTI: t.JTI().String(), MomID: t.ID().String(),
		OIDCSubject: t.OIDCSubject(), OIDCIssuer: t.OIDCIssuer(), Capabilities: t.Capabilities(), Restrictions: t.Restrictions(),
	}), nil
}

// authenticate checks the client: client_secret_basic or client_secret_post (RFC 6749
// section 2.3.1).
func (c *call) authenticate(req *wire.StandardTokenRequest) error {
	id, secret, basic := c.r.BasicAuth()
	if basic { // both parts are form-encoded first
		var idErr, secretErr error
		id, idErr = url.QueryUnescape(id)
		secret, secretErr = url.QueryUnescape(secret)
		if idErr != nil || secretErr != nil {
			return errUnknownClient
		}
	} else {
		id, secret = req.ClientID, req.ClientSecret.Reveal()
	}
	if !authentic(c.clients, id, secret) {
		return errUnknownClient
	}
	return nil
}

// standardError is an error with a code that the protocol does not have.
type standardError struct{ code, text string }

func (e *standardError) Error() string { return "rest: " + e.code + ": " + e.text }

// standardProblem translates a problem to the codes of RFC 6749 section 5.2 and RFC 8693
// section 2.2.2. A token that cannot be used is an invalid grant, or an invalid request
// if it is to be exchanged.
func (c *call) standardProblem(p problem) problem {
	grant := wire.ErrorInvalidGrant
	if c.exchange {
		grant = wire.ErrorInvalidRequest
	}
	only := func(key string) bool {
		return slices.Equal(p.refusedBy(), []string{key})
	}
	switch p.code {
	case wire.ErrorInvalidGrant:
		p.code = wire.ErrorUnsupportedGrantType
	case wire.ErrorInvalidToken, wire.ErrorExpiredToken, wire.ErrorInsufficientCapabilities:
		p.status, p.code = http.StatusBadRequest, grant
	case wire.ErrorUsageRestricted:
		p.status, p.code = http.StatusBadRequest, grant
		if only(restriction.KeyScope) {
			p.code = wire.ErrorInvalidScope
		} else if only(restriction.KeyAudience) {
			p.code = wire.ErrorInvalidTarget
		}
	case wire.ErrorAccessDenied:
		p.status, p.code = http.StatusBadRequest, "unauthorized_client"
	case wire.ErrorOIDC:
		if p.status < http.StatusInternalServerError {
			p.status, p.code = http.StatusBadRequest, grant
			if p.provider == wire.ErrorInvalidScope || p.provider == wire.ErrorInvalidTarget { // RFC 8707 section 2.2
				p.code = p.provider
			}
		} else if p.status == http.StatusServiceUnavailable {
			p.code = wire.ErrorTemporarilyUnavailable
		} else {
			p.code = "server_error"
		}
	case wire.ErrorInternal:
		p.code = "server_error"
	}
	return p
}
