package rest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
)

// TestDiscoveryAlgorithms: OpenID Connect libraries expect RS256 unless they read which
// algorithms the keys have. The list follows every change of the keys.
func TestDiscoveryAlgorithms(t *testing.T) {
	s := start(t)
	algorithms := func() string {
		t.Helper()
		var list string
		for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/mytoken-configuration"} {
			doc := s.object(s.do(http.MethodGet, path, ""), 200)
			list = encode(t, []any{doc["token_signing_alg_value"], doc["id_token_signing_alg_values_supported"]})
		}
		return list
	}
	require.Equal(t, `["ES256",["ES256"]]`, algorithms())
	keys, old := s.Issuer.Keys(), s.Issuer.Keys().ActiveID()
	next, err := mytoken.GenerateKey(mytoken.EdDSA)
	require.NoError(t, err)
	require.NoError(t, keys.Add(next.Public()))
	require.Equal(t, `["ES256",["ES256","EdDSA"]]`, algorithms())
	require.NoError(t, keys.Activate(next))
	require.Equal(t, `["EdDSA",["EdDSA","ES256"]]`, algorithms())
	require.NoError(t, keys.Withdraw(old))
	require.Equal(t, `["EdDSA",["EdDSA"]]`, algorithms())
}
