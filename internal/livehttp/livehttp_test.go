package livehttp

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/livehttp/relaytest"
)

// beyond starts a server behind a relay.
func beyond(t *testing.T, handler http.HandlerFunc) (url string, relay *relaytest.Relay, base *http.Transport) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	relay = relaytest.Start(t, server.Listener.Addr().String())
	return "https://" + relay.Address(), relay, server.Client().Transport.(*http.Transport)
}

func get(ctx context.Context, rt http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Several idle connections share a path that has died. The first request on one of them
// fails, and no other one meets the same fate. A request that its caller cancels closes
// nothing.
func TestFailureClosesIdleConnections(t *testing.T) {
	meet := make(chan struct{})
	url, relay, base := beyond(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/meet" { // two requests at a time need two connections
			select {
			case meet <- struct{}{}:
			case <-meet:
			}
		}
	})
	rt := New(base)
	t.Cleanup(rt.CloseIdleConnections)
	pair := func() {
		ended := make(chan error)
		for range 2 {
			go func() { ended <- get(t.Context(), rt, url+"/meet") }()
		}
		require.NoError(t, errors.Join(<-ended, <-ended))
	}
	pair()
	require.Equal(t, 2, relay.Count())

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, get(canceled, rt, url), context.Canceled)
	pair()
	require.Equal(t, 2, relay.Count())

	relay.Swallow()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, get(short, rt, url), context.DeadlineExceeded)
	relay.AwaitEnd()
	require.NoError(t, get(t.Context(), rt, url))
	require.Equal(t, 3, relay.Count())
}

// Each request of Alone opens a connection and closes it. The second one resumes the TLS
// session.
func TestAlone(t *testing.T) {
	var resumed atomic.Bool
	url, relay, base := beyond(t, func(_ http.ResponseWriter, r *http.Request) { resumed.Store(r.TLS.DidResume) })
	rt := Alone(base)
	for i := range 3 {
		require.NoError(t, get(t.Context(), rt, url))
		relay.AwaitEnd()
		require.Equal(t, i+1, relay.Count())
		assert.Equal(t, i > 0, resumed.Load(), "request %d", i)
	}
	require.Nil(t, base.TLSClientConfig.ClientSessionCache, "the base is not changed")
}

// A program that replaced the default transport with one of its own kind keeps that.
func TestDefaultReplaced(t *testing.T) {
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	require.NotNil(t, Client().Transport)
	http.DefaultTransport = http.NewFileTransport(http.Dir("."))
	require.Nil(t, Client().Transport)
}
