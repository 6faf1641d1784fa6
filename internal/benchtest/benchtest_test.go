package benchtest

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Compare does b.N pieces of everything, each once, and each caller begins with one of its
// own. No caller does two pieces at once.
func TestCompare(t *testing.T) {
	const callers, n = 3, 25
	type counts struct {
		pieces  [n]atomic.Int64
		working [callers]atomic.Bool
	}
	var floor, work, part counts
	do := func(c *counts) Do {
		return func(caller, piece int) error {
			if c.working[caller].Swap(true) {
				return errors.New("a caller does two pieces at once")
			}
			defer c.working[caller].Store(false)
			time.Sleep(time.Millisecond) // of the bubble: the callers take turns
			c.pieces[piece].Add(1)
			return nil
		}
	}
	result := bench(t, n, func(b *testing.B) {
		Compare(b, "pieces", Sides{Callers: callers, Floor: do(&floor), Work: do(&work), Parts: []Part{{"part", do(&part)}}})
	})
	for _, c := range []*counts{&floor, &work, &part} {
		for i := range c.pieces {
			want := int64(1)
			if i < callers {
				want = 2 // its caller began with it
			}
			require.Equal(t, want, c.pieces[i].Load(), "piece %d", i)
		}
	}
	require.InDelta(t, 1, result.Extra["x-floor"], 1e-9)
}

// x-floor is the time of the work divided by that of the floor. The times are those of a
// bubble, so they are exact.
func TestRatio(t *testing.T) {
	const n = 20
	spend := func(d time.Duration) Do {
		return func(int, int) error {
			time.Sleep(d)
			return nil
		}
	}
	result := bench(t, n, func(b *testing.B) {
		Compare(b, "pieces", Sides{
			Callers: 1, Floor: spend(2 * time.Millisecond), Work: spend(6 * time.Millisecond),
			Parts: []Part{{"part", spend(time.Millisecond)}},
		})
	})
	require.InDelta(t, 3, result.Extra["x-floor"], 1e-9)
	require.InDelta(t, 6e6, result.Extra["ns/op"], 1)
	require.InDelta(t, 1e6, result.Extra["part-ns/op"], 1)
	require.InDelta(t, 1000.0/6, result.Extra["pieces/s"], 1e-6)
}

// bench runs a benchmark with a chosen b.N, in a bubble, and returns its result.
func bench(t *testing.T, n int, f func(*testing.B)) testing.BenchmarkResult {
	t.Helper()
	benchtime := flag.Lookup("test.benchtime").Value
	before := benchtime.String()
	require.NoError(t, benchtime.Set(fmt.Sprintf("%dx", n)))
	defer func() { require.NoError(t, benchtime.Set(before)) }()
	return testing.Benchmark(func(b *testing.B) {
		if b.N == n { // not the first run, which finds out how long it takes
			synctest.Test(t, func(*testing.T) { f(b) })
		}
	})
}

// provider rotates refresh tokens and refuses all but the latest.
type provider struct {
	mu       sync.Mutex
	current  int
	requests int
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	id, secret, _ := r.BasicAuth()
	if r.PostFormValue("refresh_token") != fmt.Sprint(p.current) || r.PostFormValue("scope") != "compute" || id != "client" || secret != "%2B" {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	p.current++
	fmt.Fprintf(w, `{"access_token":"a","refresh_token":"%d"}`, p.current)
}

func newRefresh(t *testing.T, p *provider) *Refresh {
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return &Refresh{
		Client: server.Client(), Endpoint: server.URL, ID: "client", Secret: "+",
		Form: url.Values{"refresh_token": {"0"}, "scope": {"compute"}},
	}
}

// Post keeps each new refresh token, and reports a refusal.
func TestRefreshPost(t *testing.T) {
	p := &provider{}
	r := newRefresh(t, p)
	for range 3 {
		require.NoError(t, r.Post(t.Context()))
	}
	require.Equal(t, 3, p.current)
	r.Form.Set("refresh_token", "0")
	require.ErrorContains(t, r.Post(t.Context()), "400")
}

// roundTrip is a transport in the process.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// All who wait share one request. Whoever comes later makes another one.
func TestRefreshShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, open := &provider{}, make(chan struct{})
		r := &Refresh{ID: "client", Secret: "+", Form: url.Values{"refresh_token": {"0"}, "scope": {"compute"}}}
		r.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-open
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			return w.Result(), nil
		})}
		errs := make(chan error, 8)
		for range cap(errs) {
			go func() { errs <- r.Shared(t.Context()) }()
		}
		synctest.Wait() // they all wait
		close(open)
		for range cap(errs) {
			require.NoError(t, <-errs)
		}
		require.Equal(t, 1, p.requests)
		require.NoError(t, r.Shared(t.Context()))
		require.Equal(t, 2, p.requests)
	})
}
