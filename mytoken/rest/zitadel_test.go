package rest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	"github.com/zitadel/oidc/v3/pkg/client/tokenexchange"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// zitadel is the client library github.com/zitadel/oidc. It knows the service by its
// metadata (RFC 8414).
type zitadel struct {
	*service
	metadata *oidc.DiscoveryConfiguration
	exchange tokenexchange.TokenExchanger
}

func (s *service) zitadel() *zitadel {
	s.t.Helper()
	metadata, err := client.Discover(s.t.Context(), s.URL, http.DefaultClient, s.URL+"/.well-known/oauth-authorization-server")
	require.NoError(s.t, err)
	exchanger, err := tokenexchange.NewTokenExchanger(s.t.Context(), s.URL, tokenexchange.WithStaticTokenEndpoint(s.URL, metadata.TokenEndpoint))
	require.NoError(s.t, err)
	return &zitadel{s, metadata, exchanger}
}

// HttpClient and GetRevokeEndpoint are what revocation asks for.
func (z *zitadel) HttpClient() *http.Client  { return http.DefaultClient }
func (z *zitadel) GetRevokeEndpoint() string { return z.metadata.RevocationEndpoint }

// ask exchanges a mytoken for a token of another type.
func (z *zitadel) ask(token string, want oidc.TokenType, scopes, resources []string) (*oidc.TokenExchangeResponse, error) {
	z.t.Helper()
	return tokenexchange.ExchangeToken(z.t.Context(), z.exchange, token, oidc.RefreshTokenType, "", "", resources, nil, scopes, want)
}

// introspect introspects a token as a resource server.
func (z *zitadel) introspect(id, secret, token string) (*oidc.IntrospectionResponse, error) {
	z.t.Helper()
	server, err := rs.NewResourceServerClientCredentials(z.t.Context(), z.URL, id, secret,
		rs.WithStaticEndpoints(z.metadata.TokenEndpoint, z.metadata.IntrospectionEndpoint))
	require.NoError(z.t, err)
	return rs.Introspect[*oidc.IntrospectionResponse](z.t.Context(), server, token)
}

// TestZitadelTokenExchange: the library exchanges a mytoken for an access token, and for
// a mytoken with fewer rights.
func TestZitadelTokenExchange(t *testing.T) {
	z := start(t, scenarios["standards"]...).zitadel()
	parent := z.token(mytoken.Properties{Capabilities: everything, Restrictions: restriction.List{{Scopes: []string{"openid", "compute", "storage.read"}}}})

	got, err := z.ask(parent, oidc.AccessTokenType, []string{"compute"}, []string{"https://a.example"})
	require.NoError(t, err)
	require.Equal(t, oidc.AccessTokenType, got.IssuedTokenType)
	require.Equal(t, oidc.BearerToken, got.TokenType)
	require.Equal(t, []string{"compute"}, []string(got.Scopes))
	require.NotEmpty(t, got.AccessToken)
	require.Positive(t, got.ExpiresIn)
	require.Empty(t, got.RefreshToken)

	got, err = z.ask(parent, oidc.RefreshTokenType, []string{"compute"}, nil)
	require.NoError(t, err)
	require.Equal(t, oidc.RefreshTokenType, got.IssuedTokenType)
	require.Equal(t, "N_A", got.TokenType)
	child := got.AccessToken
	got, err = z.ask(child, oidc.AccessTokenType, nil, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"compute"}, []string(got.Scopes))

	for _, c := range []struct {
		token  string
		scopes []string
		want   string
	}{
		{child, []string{"storage.read"}, "invalid_scope"},
		{parent, []string{"storage.write"}, "invalid_scope"},
		{parent + "x", nil, "invalid_request"},
	} {
		_, err := z.ask(c.token, oidc.AccessTokenType, c.scopes, nil)
		var refused *oidc.Error
		require.ErrorAs(t, err, &refused)
		require.EqualValues(t, c.want, refused.ErrorType)
	}
}

// TestZitadelIntrospection: a resource server that has a secret learns about mytokens,
// and when they are revoked.
func TestZitadelIntrospection(t *testing.T) {
	const id, secret = "compute", "a-secret-of-the-tests"
	z := start(t, scenarios["standards"]...).zitadel()
	expires := z.Clock.Now().Unix() + 3600
	token := z.token(mytoken.Properties{
		Capabilities: capability.Set{capability.AT}, Restrictions: restriction.List{{Scopes: []string{"openid", "compute"}, Expires: expires}},
	})
	about, err := z.introspect(id, secret, token)
	require.NoError(t, err)
	require.True(t, about.Active)
	require.Equal(t, z.URL, about.Issuer)
	require.Equal(t, "N_A", about.TokenType, "a mytoken is no access token")
	require.Equal(t, []string{"openid", "compute"}, []string(about.Scope))
	require.Equal(t, expires, about.Expiration.AsTime().Unix())
	require.NotEmpty(t, about.Subject)
	require.NotEmpty(t, about.JWTID)

	var refused *oidc.Error
	_, err = z.introspect(id, secret+"x", token)
	require.ErrorAs(t, err, &refused)
	require.EqualValues(t, "invalid_client", refused.ErrorType)

	require.NoError(t, client.CallRevokeEndpoint(t.Context(), client.RevokeRequest{Token: token, TokenTypeHint: "refresh_token", ClientID: "any"}, nil, z))
	about, err = z.introspect(id, secret, token)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"active": false}, about.Claims)
}

// TestZitadelDiscovery: the library accepts the protocol's own document too.
func TestZitadelDiscovery(t *testing.T) {
	z := start(t, scenarios["standards"]...).zitadel()
	doc, err := client.Discover(t.Context(), z.URL, http.DefaultClient)
	require.NoError(t, err)
	require.Equal(t, z.URL+"/api/v0/token/access", doc.TokenEndpoint) // protocol section 5.1
	require.Equal(t, z.URL+"/oauth/token", z.metadata.TokenEndpoint)
	require.Equal(t, []oidc.GrantType{oidc.GrantTypeTokenExchange, oidc.GrantTypeRefreshToken}, z.metadata.GrantTypesSupported)
	require.Equal(t, z.URL+"/oauth/introspect", z.metadata.IntrospectionEndpoint)
	require.Equal(t, z.metadata.JwksURI, doc.JwksURI)
}
