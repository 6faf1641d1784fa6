package oidcupstream_test

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestPanickingTransport: the HTTP client that an embedding program brings panics, also
// where nobody but this package could recover. The process survives, and nothing was
// sent.
func TestPanickingTransport(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	var broken, torn atomic.Value // paths of requests that panic, and of responses that do when they are read
	broken.Store("none")
	torn.Store("none")
	b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) {
		c.HTTPClient = &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, broken.Load().(string)) {
				panic("the transport is broken")
			}
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err == nil && strings.Contains(r.URL.Path, torn.Load().(string)) {
				resp.Body.Close()
				resp.Body = tornBody{}
			}
			return resp, err
		})}
	})
	broken.Store("openid-configuration")
	_, err := b.p.Discover(t.Context())
	require.ErrorIs(t, err, oidcupstream.ErrMetadata)
	require.NotContains(t, err.Error(), "broken")
	_, err = b.p.Discover(t.Context())
	require.ErrorIs(t, err, oidcupstream.ErrMetadata, "the next one is not stuck")

	for _, fault := range []*atomic.Value{&broken, &torn} {
		fault.Store("/keys")
		_, err = b.exchange()
		require.ErrorIs(t, err, oidcupstream.ErrIDToken)
		fault.Store("none")
	}
	tokens := b.login()

	broken.Store("/token")
	_, err = b.refresh(tokens.RefreshToken)
	require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
	broken.Store("none")
	torn.Store("/token")
	_, err = b.refresh(tokens.RefreshToken)
	require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
	torn.Store("none")
	_, err = b.refresh(tokens.RefreshToken)
	require.NoError(t, err)
}

// tornBody is a response that panics when it is read.
type tornBody struct{}

func (tornBody) Read([]byte) (int, error) { panic("the response is broken") }
func (tornBody) Close() error             { return nil }
