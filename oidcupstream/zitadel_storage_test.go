package oidcupstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// zitadelStorage is the storage of a provider from another project. It has one user and
// replaces refresh tokens at every use.
type zitadelStorage struct {
	key     *ecdsa.PrivateKey
	clients map[string]*zitadelClient

	mu       sync.Mutex
	requests map[string]*zitadelRequest
	codes    map[string]*zitadelRequest
	refresh  map[string]*zitadelGrant
	access   map[string]*zitadelGrant
}

type zitadelRequest struct {
	*oidc.AuthRequest
	id   string
	done bool
	at   time.Time
}

type zitadelGrant struct {
	client, subject  string
	audience, scopes []string
	authTime         time.Time
	current          []string // scopes of this refresh
}

type zitadelClient struct {
	id, secret string
	method     oidc.AuthMethod
	tokenType  op.AccessTokenType
	key        *jose.JSONWebKey
}

const zitadelSubject = "zoe"

var errUnknown = errors.New("unknown")

func newZitadelStorage(t *testing.T, clients ...*zitadelClient) *zitadelStorage {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	s := &zitadelStorage{
		key: key, clients: map[string]*zitadelClient{}, requests: map[string]*zitadelRequest{},
		codes: map[string]*zitadelRequest{}, refresh: map[string]*zitadelGrant{}, access: map[string]*zitadelGrant{},
	}
	for _, c := range clients {
		s.clients[c.id] = c
	}
	return s
}

func (s *zitadelStorage) approve(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.requests[id]; r != nil {
		r.done, r.at = true, time.Now()
	}
}

func (s *zitadelStorage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	request := &zitadelRequest{AuthRequest: r, id: rand.Text()}
	s.requests[request.id] = request
	return request, nil
}

func (s *zitadelStorage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.requests[id]; ok {
		return r, nil
	}
	return nil, errUnknown
}

func (s *zitadelStorage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.codes[code]; ok {
		return r, nil
	}
	return nil, errUnknown
}

func (s *zitadelStorage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = s.requests[id]
	return nil
}

func (s *zitadelStorage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for code, r := range s.codes {
		if r.id == id {
			delete(s.codes, code)
		}
	}
	delete(s.requests, id)
	return nil
}

func (s *zitadelStorage) newAccess(r op.TokenRequest) (string, *zitadelGrant, time.Time) {
	grant := &zitadelGrant{subject: r.GetSubject(), audience: r.GetAudience(), scopes: r.GetScopes()}
	switch r := r.(type) {
	case *zitadelRequest:
		grant.client, grant.authTime = r.GetClientID(), r.at
	case *zitadelGrant:
		grant = r
	}
	id := rand.Text()
	s.access[id] = grant
	return id, grant, time.Now().Add(5 * time.Minute)
}

func (s *zitadelStorage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _, expires := s.newAccess(r)
	return id, expires, nil
}

func (s *zitadelStorage) CreateAccessAndRefreshTokens(_ context.Context, r op.TokenRequest, current string) (string, string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if current != "" {
		if _, ok := s.refresh[current]; !ok {
			return "", "", time.Time{}, oidc.ErrInvalidGrant()
		}
		delete(s.refresh, current)
	}
	id, grant, expires := s.newAccess(r)
	next := rand.Text()
	s.refresh[next] = grant
	return id, next, expires, nil
}

func (s *zitadelStorage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.refresh[token]; ok {
		copied := *g
		copied.current = nil
		return &copied, nil
	}
	return nil, op.ErrInvalidRefreshToken
}

func (s *zitadelStorage) TerminateSession(context.Context, string, string) error { return nil }

func (s *zitadelStorage) RevokeToken(_ context.Context, token, _, client string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.refresh[token]; ok {
		if g.client != client {
			return oidc.ErrInvalidClient()
		}
		delete(s.refresh, token)
	}
	delete(s.access, token)
	return nil
}

func (s *zitadelStorage) GetRefreshTokenInfo(_ context.Context, _, token string) (string, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.refresh[token]; ok {
		return g.subject, token, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}

type zitadelKey struct{ key *ecdsa.PrivateKey }

func (k zitadelKey) ID() string                                  { return "z1" }
func (k zitadelKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k zitadelKey) Algorithm() jose.SignatureAlgorithm          { return jose.ES256 }
func (k zitadelKey) Use() string                                 { return "sig" }

type zitadelPrivateKey struct{ zitadelKey }

func (k zitadelPrivateKey) Key() any { return k.key }

type zitadelPublicKey struct{ zitadelKey }

func (k zitadelPublicKey) Key() any { return k.key.Public() }

func (s *zitadelStorage) SigningKey(context.Context) (op.SigningKey, error) {
	return zitadelPrivateKey{zitadelKey{s.key}}, nil
}

func (s *zitadelStorage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *zitadelStorage) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{zitadelPublicKey{zitadelKey{s.key}}}, nil
}

func (s *zitadelStorage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if c, ok := s.clients[id]; ok {
		return c, nil
	}
	return nil, errUnknown
}

func (s *zitadelStorage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if c, ok := s.clients[id]; ok && c.secret != "" && c.secret == secret {
		return nil
	}
	return errUnknown
}

func (s *zitadelStorage) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, subject, _ string, _ []string) error {
	info.Subject = subject // otherwise the ID token has none
	return nil
}

func (s *zitadelStorage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, id, subject, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.access[id]
	if !ok {
		return errUnknown
	}
	info.Subject = subject
	if slices.Contains(g.scopes, "email") {
		info.Email = subject + "@example.org"
	}
	return nil
}

func (s *zitadelStorage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnknown
}

func (s *zitadelStorage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

func (s *zitadelStorage) GetKeyByIDAndClientID(_ context.Context, kid, id string) (*jose.JSONWebKey, error) {
	if c, ok := s.clients[id]; ok && c.key != nil && c.key.KeyID == kid {
		return c.key, nil
	}
	return nil, errUnknown
}

func (s *zitadelStorage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnknown
}

func (s *zitadelStorage) Health(context.Context) error { return nil }

func (r *zitadelRequest) GetID() string                      { return r.id }
func (r *zitadelRequest) GetACR() string                     { return "" }
func (r *zitadelRequest) GetAMR() []string                   { return []string{"pwd"} }
func (r *zitadelRequest) GetAudience() []string              { return []string{r.ClientID} }
func (r *zitadelRequest) GetAuthTime() time.Time             { return r.at }
func (r *zitadelRequest) GetClientID() string                { return r.ClientID }
func (r *zitadelRequest) GetNonce() string                   { return r.Nonce }
func (r *zitadelRequest) GetRedirectURI() string             { return r.RedirectURI }
func (r *zitadelRequest) GetResponseType() oidc.ResponseType { return r.ResponseType }
func (r *zitadelRequest) GetResponseMode() oidc.ResponseMode { return r.ResponseMode }
func (r *zitadelRequest) GetScopes() []string                { return r.Scopes }
func (r *zitadelRequest) GetState() string                   { return r.State }
func (r *zitadelRequest) GetSubject() string                 { return zitadelSubject }
func (r *zitadelRequest) Done() bool                         { return r.done }
func (r *zitadelRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod}
}

func (g *zitadelGrant) GetAMR() []string                 { return []string{"pwd"} }
func (g *zitadelGrant) GetAudience() []string            { return g.audience }
func (g *zitadelGrant) GetAuthTime() time.Time           { return g.authTime }
func (g *zitadelGrant) GetClientID() string              { return g.client }
func (g *zitadelGrant) GetSubject() string               { return g.subject }
func (g *zitadelGrant) SetCurrentScopes(scopes []string) { g.current = scopes }
func (g *zitadelGrant) GetScopes() []string {
	if g.current != nil {
		return g.current
	}
	return g.scopes
}

func (c *zitadelClient) GetID() string                       { return c.id }
func (c *zitadelClient) RedirectURIs() []string              { return []string{redirectURL} }
func (c *zitadelClient) PostLogoutRedirectURIs() []string    { return nil }
func (c *zitadelClient) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c *zitadelClient) AuthMethod() oidc.AuthMethod         { return c.method }
func (c *zitadelClient) LoginURL(id string) string           { return "/login?id=" + id }
func (c *zitadelClient) AccessTokenType() op.AccessTokenType { return c.tokenType }
func (c *zitadelClient) IDTokenLifetime() time.Duration      { return time.Hour }
func (c *zitadelClient) DevMode() bool                       { return false }
func (c *zitadelClient) IsScopeAllowed(scope string) bool    { return scope == "storage.read" }
func (c *zitadelClient) ClockSkew() time.Duration            { return 0 }
func (c *zitadelClient) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *zitadelClient) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}
func (c *zitadelClient) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c *zitadelClient) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
func (c *zitadelClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
