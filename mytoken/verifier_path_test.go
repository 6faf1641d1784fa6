package mytoken

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/livehttp/relaytest"
)

// The path to the issuer dies without a word after a fetch of keys. The next fetch gets
// its answer on a new connection.
func TestJWKSDeadPath(t *testing.T) {
	active := testKey(t, EdDSA)
	keys, fetches, proto := testKeys(t, active), new(atomic.Int32), new(atomic.Value)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		proto.Store(r.Proto)
		_, _ = w.Write(keys.JWKS())
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	relay := relaytest.Start(t, server.Listener.Addr().String())

	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	http.DefaultTransport = &http.Transport{
		TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), ForceAttemptHTTP2: true,
	}
	now := issueTime()
	v := newVerifier(t, VerifierConfig{JWKSURL: "https://" + relay.Address() + "/jwks", Clock: func() time.Time { return now }})
	first := endlessToken(t, active, 1)
	_, err := v.Verify(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", proto.Load())

	relay.Swallow()
	now = now.Add(defaultKeysMaxAge + time.Second)
	second := testKey(t, EdDSA)
	require.NoError(t, keys.Replace(second))
	_, err = v.Verify(t.Context(), first)
	require.ErrorIs(t, err, ErrTokenKey, "the verifier still has the old keys")
	require.EqualValues(t, 2, fetches.Load())

	relay.Swallow()
	now = now.Add(fetchPause)
	third := testKey(t, EdDSA)
	require.NoError(t, keys.Replace(third))
	_, err = v.Verify(t.Context(), endlessToken(t, third, 1))
	require.NoError(t, err)
}
