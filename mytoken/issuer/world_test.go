package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
	"github.com/mytoken-go/sdk/store/storetest"
)

// worldAudience is the audience to which the tokens of these tests are limited.
const worldAudience = "https://data.example.org"

// site is a provider that many issuers share. Each issuer of a test has a user of its
// own, and each user has faults of their own.
type site struct {
	op     *optest.Server
	keys   *mytoken.Keys
	ring   *seal.Ring
	faults sync.Map // subject → func(optest.FaultPoint) optest.Fault
	users  atomic.Int64
}

func newSite(t testing.TB, opts optest.Options) *site {
	t.Helper()
	s := &site{}
	if opts.Clock == nil {
		opts.Clock = mytokentest.NewClock(time.Time{}).Now
	}
	opts.Faults = func(at optest.FaultPoint) optest.Fault {
		if f, ok := s.faults.Load(at.Subject); ok {
			return f.(func(optest.FaultPoint) optest.Fault)(at)
		}
		return optest.Fault{}
	}
	var err error
	s.op, err = optest.Start(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.op.Close()) })
	key, err := mytoken.GenerateKey(mytoken.ES256)
	require.NoError(t, err)
	s.keys, err = mytoken.NewKeys(key)
	require.NoError(t, err)
	s.ring, err = seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	require.NoError(t, err)
	return s
}

// world is one user with one token, and the issuers that serve it.
type world struct {
	site    *site
	subject string
	clock   *mytokentest.Clock
	inner   *memstore.Store
	store   *storetest.Faulty
	down    atomic.Bool // the provider cannot be reached
	cfg     issuer.Config
	issuer  *issuer.Issuer

	token mytoken.Secret
	id    mytoken.TokenID

	mu      sync.Mutex
	notices []issuer.Notice
	observe func(issuer.Notice)
}

// worldOptions changes a world.
type worldOptions struct {
	limit    int64 // usages_AT; 0: unlimited
	rotation *mytoken.Rotation
	response mytoken.ResponseType
	upstream func(*oidcupstream.Config)
	config   func(*issuer.Config)
	bare     bool // no faults of the store, no observer
	apart    bool // the store grants no lease along with a use
}

// apart is a store in which something is always in the way of a use that asks for a lease.
type apart struct{ store.Store }

func (a apart) Spend(ctx context.Context, token store.Presented, use store.Use) (store.Spent, error) {
	use.Lease = store.LeaseRequest{}
	return a.Store.Spend(ctx, token, use)
}

// world logs a new user in.
func (s *site) world(ctx context.Context, opts worldOptions) (*world, error) {
	w := &world{
		site: s, subject: fmt.Sprintf("user-%d", s.users.Add(1)),
		clock: mytokentest.NewClock(time.Time{}), inner: memstore.New(),
	}
	w.store = storetest.NewFaulty(w.inner, nil)
	up := s.op.ClientConfig(mytokentest.IssuerURL + "/redirect")
	up.Clock = w.clock.Now
	up.HTTPClient = &http.Client{Transport: &cutTransport{down: &w.down}}
	if opts.upstream != nil {
		opts.upstream(&up)
	}
	upstream, err := oidcupstream.New(up)
	if err != nil {
		return nil, err
	}
	w.cfg = issuer.Config{
		Issuer: mytokentest.IssuerURL, Store: w.store, Seal: s.ring, Keys: s.keys,
		Providers: []issuer.Provider{{Upstream: upstream}},
		Clock:     w.clock.Now, Logger: quiet, WaitLimit: soon, InDoubtWait: -1, Observer: w.notice,
	}
	if opts.apart {
		w.store = storetest.NewFaulty(apart{w.inner}, nil)
		w.cfg.Store = w.store
	}
	if opts.bare {
		w.cfg.Store, w.cfg.Observer = w.inner, nil
	}
	if opts.config != nil {
		opts.config(&w.cfg)
	}
	if w.issuer, err = issuer.New(w.cfg); err != nil {
		return nil, err
	}
	clause := restriction.Clause{Scopes: []string{"compute", "storage.read"}, Audiences: []string{worldAudience}}
	if opts.limit > 0 {
		clause.UsagesAT = restriction.Usages(opts.limit)
	}
	service := &mytokentest.Service{Issuer: w.issuer, Provider: s.op, Clock: w.clock}
	result, err := service.LoginWith(ctx, w.subject, issuer.LoginRequest{
		Client:   mytokentest.Client,
		Response: mytoken.Response{Type: opts.response},
		Properties: mytoken.Properties{
			Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo},
			Restrictions: restriction.List{clause}, Rotation: opts.rotation,
		},
	})
	if err != nil {
		return nil, err
	}
	w.token, w.id = result.Issued.Token, result.Issued.ID
	w.store.Reset(nil)
	return w, nil
}

// newWorld returns a world on a site of its own.
func newWorld(t testing.TB, rotation optest.Rotation, opts worldOptions) *world {
	t.Helper()
	w, err := newSite(t, optest.Options{Rotation: rotation, Grace: time.Minute}).world(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.close(context.Background()))
		require.Zero(t, w.issuer.Flights(), "everything has landed")
	})
	return w
}

// node returns another issuer of the same service: another process.
func (w *world) node(change func(*issuer.Config)) (*issuer.Issuer, error) {
	cfg := w.cfg
	if change != nil {
		change(&cfg)
	}
	return issuer.New(cfg)
}

func (w *world) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	return w.issuer.Close(ctx)
}

func (w *world) notice(_ context.Context, n issuer.Notice) {
	w.mu.Lock()
	w.notices = append(w.notices, n)
	observe := w.observe
	w.mu.Unlock()
	if observe != nil {
		observe(n)
	}
}

// onNotice calls f for each notice from now on.
func (w *world) onNotice(f func(issuer.Notice)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.observe = f
}

// told returns how often the observer was told.
func (w *world) told(kind issuer.NoticeKind) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, notice := range w.notices {
		if notice.Kind == kind {
			n++
		}
	}
	return n
}

// fault makes refreshes of the user fail as f says. Nil: they work again.
func (w *world) fault(f func(optest.FaultPoint) optest.Fault) {
	if f == nil {
		w.site.faults.Delete(w.subject)
		return
	}
	w.site.faults.Store(w.subject, func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint != optest.EndpointRefresh {
			return optest.Fault{}
		}
		return f(at)
	})
}

// failOnce makes the next refresh of the user fail.
func (w *world) failOnce(fault optest.Fault) {
	var used atomic.Bool
	w.fault(func(optest.FaultPoint) optest.Fault {
		if used.Swap(true) {
			return optest.Fault{}
		}
		return fault
	})
}

// request asks an issuer for an access token and follows rotations.
func (w *world) request(ctx context.Context, i *issuer.Issuer, id store.UseID) (*issuer.AccessToken, error) {
	at, err := i.AccessToken(ctx, issuer.AccessTokenRequest{
		Token: w.token, ID: id, Scopes: []string{"compute"}, Client: mytokentest.Client,
	})
	if err == nil && at.Update != nil {
		w.token = at.Update.Token
	}
	return at, err
}

// charged returns the counter of the token's clause.
func (w *world) charged(ctx context.Context) (int64, error) {
	info, err := w.inner.Token(ctx, w.id)
	if err != nil {
		return 0, err
	}
	return info.Counters[0].ATUsed, nil
}

func (w *world) requireCharged(t testing.TB, want int64) {
	t.Helper()
	got, err := w.charged(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got, "charged uses")
}

// events returns what the provider did for the user.
func (w *world) events(kind optest.Kind) []optest.Event {
	return slices.DeleteFunc(w.site.op.Record(), func(e optest.Event) bool { return e.Subject != w.subject || e.Kind != kind })
}

// reuses counts the refresh tokens that were presented after they were used up.
func (w *world) reuses() int {
	return len(slices.DeleteFunc(w.site.op.Record(), func(e optest.Event) bool { return e.Subject != w.subject || !e.Reuse }))
}

// lapse lets every lease and every heartbeat lapse.
func (w *world) lapse() { w.clock.Advance(25 * time.Second) }

// cutTransport is a network that can be cut.
type cutTransport struct{ down *atomic.Bool }

var errNetwork = errors.New("network is unreachable")

func (c *cutTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.down.Load() {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errNetwork
	}
	return http.DefaultTransport.RoundTrip(r)
}

// queryOf reads the parameters of a redirect.
func queryOf(t testing.TB, redirect string) url.Values {
	t.Helper()
	u, err := url.Parse(redirect)
	require.NoError(t, err)
	return u.Query()
}

// ofHeartbeat reports whether a call is part of a heartbeat, which comes at any time.
func ofHeartbeat(c storetest.Call) bool { return c.Method == "Beat" || c.Method == "Doubts" }

// failFirst fails the first n calls of a method, before or after they take effect.
func failFirst(method string, n int, before bool) func(storetest.Call) error {
	return func(c storetest.Call) error {
		if c.Method == method && c.N <= n && c.Before == before {
			return storetest.ErrFault
		}
		return nil
	}
}

// soon bounds how long a test waits for what must happen. The machine may be busy.
const soon = 2 * time.Minute

// waitUntil waits for a state that nothing announces.
func waitUntil(t testing.TB, what string, state func() bool) {
	t.Helper()
	require.Eventually(t, state, soon, time.Millisecond, what)
}

// testGate holds requests back until it is opened.
type testGate struct {
	arrived chan struct{} // one for each that arrives
	opened  chan struct{}
	once    sync.Once
}

func newGate(t testing.TB) *testGate {
	g := &testGate{arrived: make(chan struct{}, 1000), opened: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *testGate) open() { g.once.Do(func() { close(g.opened) }) }

// wait holds a request back. It fits optest.Fault.Wait.
func (g *testGate) wait(ctx context.Context) {
	g.arrived <- struct{}{}
	select {
	case <-g.opened:
	case <-ctx.Done():
	}
}

// await returns when a request waits at the gate.
func (g *testGate) await(t testing.TB) {
	t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(soon):
		require.Fail(t, "nobody came")
	}
}

// accessResult is the outcome of a request that runs on its own goroutine.
type accessResult struct {
	at  *issuer.AccessToken
	err error
}

// start makes a request on its own goroutine.
func (w *world) start(ctx context.Context, i *issuer.Issuer, req issuer.AccessTokenRequest) <-chan accessResult {
	if req.Token.IsEmpty() {
		req.Token = w.token
	}
	req.Client = mytokentest.Client
	out := make(chan accessResult, 1)
	go func() {
		at, err := i.AccessToken(ctx, req)
		out <- accessResult{at, err}
	}()
	return out
}

func await(t testing.TB, c <-chan accessResult) accessResult {
	t.Helper()
	select {
	case r := <-c:
		return r
	case <-time.After(soon):
		require.Fail(t, "the request does not end")
		return accessResult{}
	}
}
