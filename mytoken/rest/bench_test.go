package rest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/benchtest"
	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// connections is the largest number of keep-alive connections of the benchmarks, and the
// number of tokens.
const connections = 32

// BenchmarkREST measures requests over real HTTP on each store, with the test provider
// and the load client in the same process. Mytokens are signed with the default
// algorithm.
//
// x-floor compares with a handler that does nothing of this project. It parses the same
// JSON. For an access token it makes a bare POST to the provider, which it shares as the
// issuer does. For a subtoken it makes one signature. The provider hands out prepared
// tokens.
//
// client-ns/op is the time of the same load at a handler that only reads the request.
// provider-ns/op is that of the provider, for bare POSTs that as many callers share in the
// same way.
func BenchmarkREST(b *testing.B) {
	key, err := mytoken.GenerateKey("") // the default algorithm
	require.NoError(b, err)
	keys, err := mytoken.NewKeys(key)
	require.NoError(b, err)
	sign := signature(b, key.Algorithm())
	for _, engine := range enginetest.All {
		b.Run(engine.Name, func(b *testing.B) {
			s := start(b, func(o *setup) {
				o.Clock, o.rest.Logger = mytokentest.NewClock(time.Now()), slog.New(slog.DiscardHandler)
				o.Store = open(b, engine)
				o.Provider.PreparedTokens = true
				o.Config = func(c *issuer.Config) { c.Keys = keys }
			})
			newRESTBench(b, s).run(b, sign)
		})
	}
}

// restBench is a service with tokens, and what its requests are compared with.
type restBench struct {
	*service
	tokens  []string
	refresh []*benchtest.Refresh // one for each token
	idle    *httptest.Server     // only reads requests
}

func newRESTBench(b *testing.B, s *service) *restBench {
	b.Helper()
	r := &restBench{service: s, idle: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answerFloor(w)
	}))}
	b.Cleanup(r.idle.Close)
	client := benchtest.NewClient(b, connections)
	for range connections {
		r.tokens = append(r.tokens, s.token(mytoken.Properties{}))
		refresh, err := s.RefreshToken(b.Context(), "floor")
		require.NoError(b, err)
		r.refresh = append(r.refresh, &benchtest.Refresh{
			Client: client, Endpoint: s.Provider.Issuer() + "/token", ID: optest.DefaultClientID, Secret: optest.DefaultClientSecret,
			Form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}},
		})
	}
	return r
}

// restCase is a kind of request.
type restCase struct {
	name, path string
	tokens     int // how many tokens the requests use
	callers    []int
	body       m
	floor      func(ctx context.Context, slot int) error // after parsing; slot is the number of the token
	provider   bool                                      // requests reach the provider
	rotation   optest.Rotation
}

func (r *restBench) run(b *testing.B, sign func() error) {
	shared := func(ctx context.Context, slot int) error { return r.refresh[slot].Shared(ctx) }
	access := m{"grant_type": "mytoken"}
	for _, c := range []restCase{
		{"access/one-token", "/api/v0/token/access", 1, []int{32}, access, shared, true, optest.RotateOff},
		{"access/32-tokens", "/api/v0/token/access", 32, []int{1, 8, 32}, access, shared, true, optest.RotateOff},
		{"access/strict", "/api/v0/token/access", 1, []int{32}, access, shared, true, optest.RotateStrict},
		{"introspect", "/api/v0/tokeninfo", 32, []int{32}, m{"action": "introspect"}, nil, false, optest.RotateOff},
		{"derive", "/api/v0/token/my", 32, []int{1, 32}, m{
			"grant_type": "mytoken", "capabilities": []string{"AT"}, "restrictions": []m{{"exp": 4102444800}},
		}, func(context.Context, int) error { return sign() }, false, optest.RotateOff},
	} {
		for _, callers := range c.callers {
			b.Run(fmt.Sprintf("%s/callers=%d", c.name, callers), func(b *testing.B) {
				r.Provider.SetRotation(c.rotation)
				r.compare(b, c, callers)
			})
		}
	}
	require.Zero(b, r.Provider.Reuses())
}

// compare measures one kind of request.
func (r *restBench) compare(b *testing.B, c restCase, callers int) {
	bodies := make([][]byte, c.tokens)
	for i := range bodies {
		body := maps.Clone(c.body)
		body["mytoken"] = r.tokens[i]
		bodies[i] = []byte(encode(b, body))
	}
	floor := httptest.NewServer(r.floorHandler(c))
	defer floor.Close()
	loads := make([]*load, 3)
	for i, address := range []string{floor.URL, r.URL + c.path, r.idle.URL} {
		loads[i] = newLoad(address, bodies)
		defer loads[i].close()
	}
	took := make([][]time.Duration, callers)
	sides := benchtest.Sides{
		Callers: callers,
		Floor:   func(_, n int) error { return loads[0].one(bodies[n%len(bodies)]) },
		Work: func(caller, n int) error {
			began := time.Now()
			err := loads[1].one(bodies[n%len(bodies)])
			took[caller] = append(took[caller], time.Since(began))
			return err
		},
		Parts: []benchtest.Part{{Name: "client", Do: func(_, n int) error { return loads[2].one(bodies[n%len(bodies)]) }}},
	}
	if c.provider {
		sides.Parts = append(sides.Parts, benchtest.Part{Name: "provider", Do: func(_, n int) error { return c.floor(b.Context(), n%c.tokens) }})
	}
	benchtest.Compare(b, "req", sides)
	if b.Failed() {
		return // some requests are missing
	}
	for _, own := range took {
		loads[1].took = append(loads[1].took, own[1:]...) // the first one only made the connection
	}
	b.ReportMetric(loads[1].percentile(b.N, 99).Seconds()*1000, "p99-ms")
}

// floorHandler parses a request, does what a case needs at least, and answers.
func (r *restBench) floorHandler(c restCase) http.Handler {
	slots := map[string]int{}
	for i, token := range r.tokens {
		slots[token] = i
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		token, _ := body["mytoken"].(string)
		slot, known := slots[token]
		if !known {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if c.floor != nil {
			// Others may share the call: it must not end with this request.
			if err := c.floor(context.WithoutCancel(req.Context()), slot); err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
		}
		answerFloor(w)
	})
}

func answerFloor(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"ok":true}`))
}

// signature returns a function that makes one signature.
func signature(b *testing.B, algorithm mytoken.Algorithm) func() error {
	b.Helper()
	curve, known := map[mytoken.Algorithm]elliptic.Curve{
		mytoken.ES256: elliptic.P256(), mytoken.ES384: elliptic.P384(), mytoken.ES512: elliptic.P521(),
	}[algorithm]
	require.True(b, known, "the default algorithm is %s: say how to sign with it", algorithm)
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(b, err)
	digest := sha512.Sum512([]byte("a mytoken"))
	return func() error {
		_, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		return err
	}
}

// load is traffic over keep-alive connections.
type load struct {
	address string
	bodies  [][]byte
	client  *http.Client
	took    []time.Duration
}

func newLoad(address string, bodies [][]byte) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	return &load{address: address, bodies: bodies, client: &http.Client{Transport: transport}}
}

func (l *load) close() { l.client.CloseIdleConnections() }

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
