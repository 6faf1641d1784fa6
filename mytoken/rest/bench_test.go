package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// connections is the number of keep-alive connections of the benchmarks.
const connections = 32

// BenchmarkREST measures requests over real HTTP on each store, with the test provider in
// the same process. x-floor compares with a handler that parses the same JSON and, for
// access tokens, makes the same call to the provider. The floor is measured before and
// after, in the same run.
func BenchmarkREST(b *testing.B) {
	for _, engine := range enginetest.All {
		b.Run(engine.Name, func(b *testing.B) {
			s := start(b, func(o *setup) {
				o.Clock, o.rest.Logger = mytokentest.NewClock(time.Now()), slog.New(slog.DiscardHandler)
				o.Store = open(b, engine)
			})
			benchREST(b, s)
		})
	}
}

func benchREST(b *testing.B, s *service) {
	tokens := make([]string, connections)
	for i := range tokens {
		tokens[i] = s.token(mytoken.Properties{})
	}
	for _, c := range []struct {
		name, path string
		body       m
		provider   bool
	}{
		{"access", "/api/v0/token/access", m{"grant_type": "mytoken"}, true},
		{"introspect", "/api/v0/tokeninfo", m{"action": "introspect"}, false},
		{"derive", "/api/v0/token/my", m{"grant_type": "mytoken", "capabilities": []string{"AT"}, "restrictions": []m{{"exp": 4102444800}}}, false},
	} {
		bodies := make([][]byte, len(tokens))
		for i := range tokens {
			c.body["mytoken"] = tokens[i]
			bodies[i] = []byte(encode(b, c.body))
		}
		b.Run(c.name, func(b *testing.B) {
			server := httptest.NewServer(floorHandler(b, s, c.provider))
			defer server.Close()
			floor, ours := newLoad(server.URL, bodies), newLoad(s.URL+c.path, bodies)
			defer floor.close()
			defer ours.close()
			floor.send(b, connections) // connections are made
			ours.send(b, connections)
			least := floor.send(b, b.N)
			b.ResetTimer()
			took := ours.send(b, b.N)
			b.StopTimer()
			least += floor.send(b, b.N)
			b.ReportMetric(float64(b.N)/took.Seconds(), "req/s")
			b.ReportMetric(ours.percentile(b.N, 99).Seconds()*1000, "p99-ms")
			b.ReportMetric(2*took.Seconds()/least.Seconds(), "x-floor")
		})
	}
}

// floorHandler parses a request and does nothing of this project.
func floorHandler(b *testing.B, s *service, provider bool) http.Handler {
	b.Helper()
	refresh := func(context.Context) error { return nil }
	if provider {
		refresh = directRefresh(b, s)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req map[string]any
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if err := refresh(r.Context()); err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}`))
	})
}

// directRefresh logs in at the provider and returns a function that refreshes an access
// token.
func directRefresh(b *testing.B, s *service) func(context.Context) error {
	b.Helper()
	cfg := s.Provider.ClientConfig("http://localhost/redirect")
	cfg.Clock = s.Clock.Now
	upstream, err := oidcupstream.New(cfg)
	require.NoError(b, err)
	verifier := strings.Repeat("v", 43)
	target, err := upstream.AuthorizationURL(b.Context(), oidcupstream.AuthorizationRequest{State: strings.Repeat("s", 32), Nonce: "n", Verifier: verifier})
	require.NoError(b, err)
	back, err := optest.Login(b.Context(), target, "bench")
	require.NoError(b, err)
	u, err := url.Parse(back)
	require.NoError(b, err)
	tokens, err := upstream.Exchange(b.Context(), oidcupstream.ExchangeRequest{Code: u.Query().Get("code"), Verifier: verifier, Nonce: "n"})
	require.NoError(b, err)
	return func(ctx context.Context) error {
		_, err := upstream.Refresh(ctx, oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken, Scopes: tokens.Scopes})
		return err
	}
}

// load is traffic over keep-alive connections. Each has a body of its own.
type load struct {
	address string
	bodies  [][]byte
	client  *http.Client
	mu      sync.Mutex
	took    []time.Duration
}

func newLoad(address string, bodies [][]byte) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	return &load{address: address, bodies: bodies, client: &http.Client{Transport: transport}}
}

func (l *load) close() { l.client.CloseIdleConnections() }

// send sends n requests over all connections and returns how long that took.
func (l *load) send(b *testing.B, n int) time.Duration {
	b.Helper()
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	start := time.Now()
	for i := range connections {
		wg.Go(func() {
			var own []time.Duration
			for next.Add(1) <= int64(n) {
				began := time.Now()
				if err := l.one(l.bodies[i%len(l.bodies)]); err != nil {
					b.Error(err)
					return
				}
				own = append(own, time.Since(began))
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.took = append(l.took, own...)
		})
	}
	wg.Wait()
	return time.Since(start)
}

func (l *load) one(body []byte) error {
	resp, err := l.client.Post(l.address, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", resp.Status, text)
	}
	return err
}

// percentile returns the time within which a share of the last n requests was answered.
func (l *load) percentile(n, percent int) time.Duration {
	last := slices.Sorted(slices.Values(l.took[len(l.took)-n:]))
	return last[(len(last)*percent-1)/100]
}
