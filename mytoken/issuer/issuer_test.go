package issuer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// proves P1, P3, P4, P6, P10
func TestFromLoginToRevocation(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
	ctx := t.Context()
	now := s.Clock.Now()
	root := login(t, s, mytoken.Properties{
		Name:         "laptop",
		Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo},
		Restrictions: restriction.List{{Expires: now.Add(time.Hour).Unix(), Scopes: []string{"compute", "storage.read"}}},
	})
	at, err := s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: root.Token, Scopes: []string{"compute"}, Client: client})
	require.NoError(t, err)
	require.Equal(t, []string{"compute"}, at.Scopes)

	job, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{
		Token: root.Token, Client: client,
		Properties: mytoken.Properties{Name: "job", Restrictions: restriction.List{{
			Expires: now.Add(time.Minute).Unix(), Scopes: []string{"compute"}, UsagesAT: restriction.Usages(2),
		}}},
	})
	require.NoError(t, err)
	for range 2 {
		_, err = s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: job.Token, Client: client})
		require.NoError(t, err)
	}
	_, err = s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: job.Token, Client: client})
	requireRefused(t, err, "usages_AT")

	revoke(t, s, root.Token, true)
	for _, token := range []mytoken.Secret{root.Token, job.Token} {
		_, err = s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: token, Client: client})
		requireTokenError(t, err, issuer.TokenRevoked)
	}
	require.Zero(t, s.Provider.Reuses())
	require.Equal(t, 3, s.Provider.Count(optest.Refreshed))
}
