package mytoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// The forecast uses the options of the verifier. It has no counters, because a verifier
// does not know them.
func TestForecastTokenOfAVerifier(t *testing.T) {
	compact, jwks := exampleToken()
	keys, err := mytoken.ParseJWKS(jwks)
	require.NoError(t, err)
	v, err := mytoken.NewVerifier(mytoken.VerifierConfig{
		Issuer: "http://127.0.0.1:8000", Keys: keys, Clock: exampleClock, Restrictions: restriction.Options{Disabled: []string{restriction.KeyHosts}},
	})
	require.NoError(t, err)
	token, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	told := v.ForecastToken(token)
	require.Equal(t, token.Restrictions(), told.Restrictions)
	require.Equal(t, []string{restriction.KeyHosts}, told.Options.Disabled)
	require.True(t, told.Expires.Equal(token.ExpiresAt()))
	require.Nil(t, told.Used)
}
