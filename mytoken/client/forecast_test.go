package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// The forecast of a holder agrees with that of the issuer, as far as a holder can know.
func TestForecastToken(t *testing.T) {
	s := start(t, nil)
	ctx := t.Context()
	now := s.Clock.Now()
	token := s.token(mytoken.Properties{
		Capabilities: capability.Set{capability.AT, capability.Tokeninfo}, Rotation: &mytoken.Rotation{OnAT: true, Lifetime: 3600},
		Restrictions: restriction.List{{Scopes: []string{"storage.read"}, UsagesAT: restriction.Usages(3)}},
	})
	at, err := s.client.AccessToken(ctx, token, client.AccessTokenRequest{Scopes: []string{"storage.read"}})
	require.NoError(t, err)
	info, err := s.client.Introspect(ctx, at.Update.Token)
	require.NoError(t, err)

	own, err := s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: mytoken.NewSecret(at.Update.Token.Reveal()), Client: issuer.Client{}})
	require.NoError(t, err)
	want := s.Issuer.ForecastToken(own.Claims, own.Counters)
	got := info.ForecastToken()
	require.True(t, got.Elsewhere)
	got.Elsewhere, want.Options, want.Left = false, restriction.Options{}, nil
	describe := func(token forecast.Token) string {
		f, err := forecast.New(token, now, now.Add(24*time.Hour))
		require.NoError(t, err)
		return f.Describe(forecast.Style{Start: now})
	}
	require.Equal(t, describe(want), describe(got))
	require.Contains(t, describe(got), "2 access tokens left")
	require.Contains(t, describe(got), "After +1h the token lives on only if it is used in time: each access token gives it another 1h.")
	require.Equal(t, want.Capabilities, got.Capabilities)
	require.Equal(t, want.Used, got.Used)
	require.True(t, want.Rotation.Issued.Equal(got.Rotation.Issued))

	// Whatever the server did not say is unknown.
	info.Claims.Capabilities, info.Used = nil, nil
	require.Nil(t, info.ForecastToken().Capabilities)
	require.Nil(t, info.ForecastToken().Used)
}
