package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/livehttp"
	"github.com/mytoken-go/sdk/internal/livehttp/relaytest"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// remote is a server behind a relay, and a client of it with a transport of its own.
type remote struct {
	*fake
	relay  *relaytest.Relay
	client *client.Client
	// proto is the protocol of the last request.
	proto string
}

// beyond starts a server that speaks HTTP/2, or only HTTP/1.1.
func beyond(t *testing.T, http2 bool, change func(livehttp.Transport)) *remote {
	t.Helper()
	r := &remote{fake: &fake{life: time.Hour}}
	var issuer string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.proto, r.requests = req.Proto, append(r.requests, req.URL.Path)
		r.mu.Unlock()
		if req.URL.Path == "/.well-known/mytoken-configuration" {
			document := r.discovery()
			document["issuer"] = issuer
			for _, name := range []string{"access_token_endpoint", "tokeninfo_endpoint"} {
				document[name] = issuer + "/" + name
			}
			answer(w, http.StatusOK, document)
			return
		}
		body := r.accessToken()
		body["valid"] = true
		answer(w, http.StatusOK, body)
	}))
	server.EnableHTTP2 = http2
	server.StartTLS()
	t.Cleanup(server.Close)
	r.relay = relaytest.Start(t, server.Listener.Addr().String())
	issuer = "https://" + r.relay.Address()
	var err error
	r.client, err = client.New(client.Config{Issuer: issuer})
	require.NoError(t, err)
	base := &http.Transport{TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), ForceAttemptHTTP2: http2}
	r.client.UseTransport(base, change)
	return r
}

// soon makes a transport notice dead paths after half a second.
func soon(t livehttp.Transport) {
	t.HTTP2.SendPingTimeout, t.HTTP2.PingTimeout = 250*time.Millisecond, 250*time.Millisecond
	if t.ResponseHeaderTimeout > 0 {
		t.ResponseHeaderTimeout = time.Second
	}
}

func (r *remote) use(ctx context.Context) error {
	_, err := r.client.AccessToken(ctx, aToken, client.AccessTokenRequest{})
	return err
}

func (r *remote) introspect(ctx context.Context) error {
	_, err := r.client.Introspect(ctx, aToken)
	return err
}

// The path of a connection dies without a word. The next request gets its answer on a new
// connection, within the usual time, whether it may be repeated or not, and whatever the
// connection carried before. The server sees each request for an access token once.
//
// proves P8
func TestDeadPath(t *testing.T) {
	for proto, http2 := range map[string]bool{"HTTP/2.0": true, "HTTP/1.1": false} {
		for name, use := range map[string]func(*remote, context.Context) error{"repeatable": (*remote).introspect, "not repeatable": (*remote).use} {
			for before, first := range map[string]func(*remote, context.Context) error{"repeatable": (*remote).introspect, "not repeatable": (*remote).use} {
				t.Run(proto+" "+name+" after "+before, func(t *testing.T) {
					r := beyond(t, http2, soon)
					require.NoError(t, first(r, t.Context()))
					for range 2 {
						r.relay.Swallow()
						ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
						defer cancel()
						old := r.relay.Count()
						require.NoError(t, use(r, ctx))
						require.Greater(t, r.relay.Count(), old, "it needs a new connection")
						require.Equal(t, proto, r.proto)
					}
					want := map[string]int{"repeatable": 0, "not repeatable": 1}
					require.Equal(t, want[before]+2*want[name], r.count("/access_token_endpoint"))
				})
			}
		}
	}
}

// An idle connection whose path has died is closed before anybody needs it.
func TestDeadPathOfIdleConnection(t *testing.T) {
	r := beyond(t, true, func(tr livehttp.Transport) {
		soon(tr)
		tr.IdleConnTimeout = time.Hour
	})
	require.NoError(t, r.introspect(t.Context()))
	require.Equal(t, 1, r.relay.Count())
	r.relay.Swallow()
	r.relay.AwaitEnd()
	require.NoError(t, r.introspect(t.Context()))
	require.Equal(t, 2, r.relay.Count())
}

// Requests that may be repeated share a connection.
func TestSharedConnection(t *testing.T) {
	for _, http2 := range []bool{true, false} {
		r := beyond(t, http2, func(livehttp.Transport) {})
		for range 10 {
			require.NoError(t, r.introspect(t.Context()))
		}
		require.Equal(t, 1, r.relay.Count())
	}
}
