package rest_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// repeated is background traffic on several connections.
type repeated struct {
	wg    sync.WaitGroup
	ended atomic.Bool
}

// repeat calls f again and again on n goroutines. It returns when each of them has
// finished a call.
func repeat(n int, f func()) *repeated {
	r := new(repeated)
	var once sync.WaitGroup
	once.Add(n)
	for range n {
		r.wg.Go(func() {
			f()
			once.Done()
			for !r.ended.Load() {
				f()
			}
		})
	}
	once.Wait()
	return r
}

func (r *repeated) end() {
	r.ended.Store(true)
	r.wg.Wait()
}

// neighbour sends introspections one after the other and returns the median of their
// times. It starts other requests before each one, and waits for them after it.
func (l *load) neighbour(b *testing.B, others ...func()) time.Duration {
	b.Helper()
	for range b.N {
		var wg sync.WaitGroup
		for _, f := range others {
			wg.Go(f)
		}
		began := time.Now()
		if err := l.one(l.bodies[0]); err != nil {
			b.Fatal(err)
		}
		l.took = append(l.took, time.Since(began))
		wg.Wait()
	}
	return l.percentile(b.N, 50)
}

func newNeighbour(s *service) *load {
	body := encode(s.t, m{"action": "introspect", "mytoken": s.tokenOf("bob", mytoken.Properties{})})
	return newLoad(s.URL+"/api/v0/tokeninfo", [][]byte{[]byte(body)})
}

// BenchmarkSlowProvider measures introspections of a token while 32 connections request
// access tokens with another one, at a provider that takes 50 ms. x-idle compares their
// median with that of an idle service before and after, in the same run.
func BenchmarkSlowProvider(b *testing.B) {
	s := start(b, func(o *setup) {
		o.Clock, o.rest.Logger = mytokentest.NewClock(time.Now()), slog.New(slog.DiscardHandler)
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if p.Endpoint != optest.EndpointRefresh {
				return optest.Fault{}
			}
			return optest.Fault{Wait: func(ctx context.Context) {
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
			}}
		}
	})
	slow := newLoad(s.URL+"/api/v0/token/access", [][]byte{[]byte(encode(b, m{"grant_type": "mytoken", "mytoken": s.token(mytoken.Properties{})}))})
	defer slow.close()
	quick := newNeighbour(s)
	defer quick.close()
	b.Run("introspect", func(b *testing.B) {
		idle := quick.neighbour(b)
		others := repeat(connections, func() {
			if err := slow.one(slow.bodies[0]); err != nil {
				b.Error(err)
			}
		})
		b.ResetTimer()
		loaded := quick.neighbour(b)
		b.StopTimer()
		others.end()
		idle += quick.neighbour(b)
		b.ReportMetric(2*loaded.Seconds()/idle.Seconds(), "x-idle")
	})
}

// BenchmarkFlood measures introspections that each compete with 4 requests of 50,000
// clauses. x-floor compares their median with that of a handler that only reads the
// bodies and checks their syntax, before and after, in the same run.
func BenchmarkFlood(b *testing.B) {
	s := start(b, func(o *setup) { o.rest.Logger = slog.New(slog.DiscardHandler) })
	floor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if data, err := io.ReadAll(r.Body); err != nil || !json.Valid(data) {
			b.Errorf("%v", err)
		}
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer floor.Close()
	body := `{"grant_type":"mytoken","restrictions":[` + strings.Repeat(`{"exp":4102444800},`, 50_000) + `{}]}`
	flood := func(address string) []func() {
		return slices.Repeat([]func(){func() {
			resp, err := http.Post(address, "application/json", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				b.Errorf("%s", resp.Status)
			}
		}}, 4)
	}
	quick := newNeighbour(s)
	defer quick.close()
	b.Run("introspect", func(b *testing.B) {
		least := quick.neighbour(b, flood(floor.URL)...)
		b.ResetTimer()
		took := quick.neighbour(b, flood(s.URL+"/api/v0/token/my")...)
		b.StopTimer()
		least += quick.neighbour(b, flood(floor.URL)...)
		b.ReportMetric(2*took.Seconds()/least.Seconds(), "x-floor")
	})
}
