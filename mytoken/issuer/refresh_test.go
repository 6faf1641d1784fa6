package issuer_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Requests with different scopes do not share a call to the provider.
var (
	refreshFirst  = issuer.AccessTokenRequest{Scopes: []string{"compute"}}
	refreshSecond = issuer.AccessTokenRequest{Scopes: []string{"storage.read"}}
)

// holdFirst starts a request and holds it at the provider.
func (w *world) holdFirst(t *testing.T, fault optest.Fault) (gate *testGate, first <-chan accessResult) {
	t.Helper()
	gate = newGate(t)
	fault.Wait = gate.wait
	w.failOnce(fault)
	first = w.start(t.Context(), w.issuer, refreshFirst)
	gate.await(t)
	return gate, first
}

// holdImpatient does what holdFirst does, for an issuer that does not wait long. It
// returns false if the request ended before the provider was asked.
func (w *world) holdImpatient(t *testing.T, i *issuer.Issuer) (gate *testGate, first <-chan accessResult, held bool) {
	t.Helper()
	gate = newGate(t)
	w.failOnce(optest.Fault{Wait: gate.wait})
	first = w.start(t.Context(), i, refreshFirst)
	select {
	case <-gate.arrived:
		return gate, first, true
	case r := <-first:
		require.Error(t, r.err)
		return gate, nil, false
	}
}

// proves P3
func TestSharedFlightIsChargedForEach(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 20})
	gate, first := w.holdFirst(t, optest.Fault{})
	var others []<-chan accessResult
	for range 9 {
		others = append(others, w.start(t.Context(), w.issuer, refreshFirst))
	}
	waitUntil(t, "ten wait for one flight", func() bool { return w.issuer.Waiters() == 10 })
	w.requireCharged(t, 10)
	gate.open()

	r := await(t, first)
	require.NoError(t, r.err)
	var mutate sync.WaitGroup
	for _, other := range others {
		o := await(t, other)
		require.NoError(t, o.err)
		require.Equal(t, r.at.Token.Reveal(), o.at.Token.Reveal())
		mutate.Go(func() { o.at.Scopes[0], o.at.Audiences[0] = "mine", "mine" }) // a race if they were shared
	}
	mutate.Wait()
	require.Equal(t, []string{"compute"}, r.at.Scopes)
	require.Len(t, w.events(optest.Refreshed), 1)
	w.requireCharged(t, 10)
}

// Two lists that look alike when joined are different requests.
//
// proves P1
func TestFlightsAreNotConfused(t *testing.T) {
	site := newSite(t, optest.Options{})
	w, err := site.world(t.Context(), worldOptions{})
	require.NoError(t, err)
	service := &mytokentest.Service{Issuer: w.issuer, Provider: site.op, Clock: w.clock}
	free, err := service.Login(t.Context(), w.subject, mytoken.Properties{})
	require.NoError(t, err)

	gate := newGate(t)
	w.failOnce(optest.Fault{Wait: gate.wait})
	one := w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: free.Token, Audiences: []string{"https://a.example.org", "https://b.example.org"}})
	gate.await(t)
	other := w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: free.Token, Audiences: []string{"https://a.example.org https://b.example.org"}})
	waitUntil(t, "both wait", func() bool { return w.issuer.Waiters() == 2 })
	require.Equal(t, 2, w.issuer.Flights())
	gate.open()
	require.NoError(t, await(t, one).err)
	await(t, other)
}

// proves P3
func TestCancelledWaiterLeavesTheQueue(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	gate, first := w.holdFirst(t, optest.Fault{})

	ctx, cancel := context.WithCancel(t.Context())
	gone := w.start(ctx, w.issuer, refreshSecond)
	waitUntil(t, "the second waits", func() bool { return w.issuer.Waiters() == 2 })
	w.requireCharged(t, 2)
	cancel()
	require.ErrorIs(t, await(t, gone).err, context.Canceled)
	w.requireCharged(t, 1)

	// A later request does not join the cancelled flight.
	again := w.start(t.Context(), w.issuer, refreshSecond)
	waitUntil(t, "the third waits", func() bool { return w.issuer.Waiters() == 2 })
	gate.open()
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, again).err)
	require.Len(t, w.events(optest.Refreshed), 2)
	require.Equal(t, 1, w.store.Calls("BeginRefresh"), "who left does not take a turn")
	w.requireCharged(t, 2)
	require.Zero(t, w.reuses())
}

// The last waiter leaves after the lease was taken and before the provider is asked. The
// provider is not asked, and the lease is given back.
//
// proves P3
func TestCancelledBeforeTheProviderIsAsked(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, apart: true})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan struct{})
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.After("BeginRefresh", 1) {
			cancel()
			<-left
		}
		return nil
	})
	require.ErrorIs(t, await(t, w.start(ctx, w.issuer, refreshFirst)).err, context.Canceled)
	close(left)
	require.NoError(t, await(t, w.start(t.Context(), w.issuer, refreshSecond)).err)
	require.Len(t, w.events(optest.Refreshed), 1)
	w.requireCharged(t, 1)
}

// proves P3
func TestOneOfTwoWaitersLeaves(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	gate, first := w.holdFirst(t, optest.Fault{})
	ctx, cancel := context.WithCancel(t.Context())
	gone := w.start(ctx, w.issuer, refreshSecond)
	stays := w.start(t.Context(), w.issuer, refreshSecond)
	waitUntil(t, "both wait", func() bool { return w.issuer.Waiters() == 3 })
	cancel()
	require.ErrorIs(t, await(t, gone).err, context.Canceled)
	gate.open()
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, stays).err)
	w.requireCharged(t, 2)
}

// A caller goes away while the provider is asked. The outcome at the provider decides
// about the charge. The refresh token is kept in any case.
//
// proves P3, P5
func TestCallerLeavesWhileTheProviderIsAsked(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   optest.Fault
		charged int64
	}{
		{"answered", optest.Fault{}, 0}, // nobody got it
		{"refused", optest.Fault{Refuse: "temporarily_unavailable"}, 0},
		{"unknown", optest.Fault{FailBefore: 502}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
			gate := newGate(t)
			c.fault.Wait = gate.wait
			w.failOnce(c.fault)
			ctx, cancel := context.WithCancel(t.Context())
			gone := w.start(ctx, w.issuer, refreshFirst)
			gate.await(t)
			cancel()
			require.ErrorIs(t, await(t, gone).err, context.Canceled)
			w.requireCharged(t, 1) // still in flight
			gate.open()

			require.NoError(t, await(t, w.start(t.Context(), w.issuer, refreshSecond)).err) // comes after it
			require.NoError(t, w.close(t.Context()))                                        // which waits for the settlement
			w.requireCharged(t, c.charged+1)
			require.Zero(t, w.reuses())
		})
	}
}

// A caller goes away and the token is revoked, while the provider is asked. Nobody can
// use the new refresh token, so it is revoked.
//
// proves P6
func TestNobodyIsLeftForTheAnswer(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	gate := newGate(t)
	w.failOnce(optest.Fault{WaitAfter: gate.wait})
	ctx, cancel := context.WithCancel(t.Context())
	gone := w.start(ctx, w.issuer, refreshFirst)
	gate.await(t)
	cancel()
	require.Error(t, await(t, gone).err)
	_, err := w.issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: w.token, Recursive: true, Client: mytokentest.Client})
	require.NoError(t, err)
	gate.open()
	require.NoError(t, w.close(t.Context()))
	revoked := w.events(optest.Revoked)
	require.NotEmpty(t, revoked)
	require.Equal(t, 2, revoked[len(revoked)-1].Generation)
}

// proves P3
func TestWaitersGiveUp(t *testing.T) {
	// On a busy machine the wait may end before the provider is asked.
	var w *world
	var gate *testGate
	var first <-chan accessResult
	for limit, held := 50*time.Millisecond, false; !held; limit *= 2 {
		w = newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) { c.WaitLimit = limit }})
		gate, first, held = w.holdImpatient(t, w.issuer)
	}

	// A request in the queue is refunded.
	busy := errAs[*issuer.BusyError](t, await(t, w.start(t.Context(), w.issuer, refreshSecond)).err)
	require.Positive(t, busy.RetryAfter)

	// The provider was asked: nobody knows the outcome yet.
	late := errAs[*issuer.UpstreamError](t, await(t, first).err)
	require.True(t, late.Charged)
	require.Equal(t, http.StatusServiceUnavailable, late.Status)
	w.requireCharged(t, 1)

	gate.open()
	require.NoError(t, w.close(t.Context()))
	w.requireCharged(t, 0) // nobody got it
	require.Len(t, w.events(optest.Refreshed), 1)
	require.Equal(t, 1, w.told(issuer.NoticeRefreshTokenStored))
}

func TestClosedIssuer(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	gate, first := w.holdFirst(t, optest.Fault{})
	queued := w.start(t.Context(), w.issuer, refreshSecond)
	waitUntil(t, "both wait", func() bool { return w.issuer.Waiters() == 2 })

	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, w.issuer.Close(over), context.Canceled)
	require.ErrorIs(t, await(t, w.start(t.Context(), w.issuer, refreshSecond)).err, issuer.ErrClosed)
	w.requireCharged(t, 2)

	// A flight that has asked ends well. One that has not asked does not ask after Close
	// gave up.
	gate.open()
	require.NoError(t, await(t, first).err)
	require.ErrorIs(t, await(t, queued).err, issuer.ErrClosed)
	require.NoError(t, w.close(t.Context()))
	require.Len(t, w.events(optest.Refreshed), 1)
	w.requireCharged(t, 1)
}

// proves P3
func TestOutcomeDecidesTheCharge(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   optest.Fault
		down    bool
		status  int
		charged int64
	}{
		{"unreachable", optest.Fault{}, true, 503, 0},
		{"refused", optest.Fault{Refuse: "unsupported_grant_type"}, false, 502, 0},
		{"busy", optest.Fault{Refuse: "temporarily_unavailable"}, false, 503, 0},
		{"throttled", optest.Fault{Throttle: time.Second}, false, 503, 0},
		{"bad scope", optest.Fault{Refuse: "invalid_scope"}, false, 400, 0},
		{"failed before", optest.Fault{FailBefore: 503}, false, 502, 1},
		{"failed after", optest.Fault{FailAfter: 503}, false, 502, 1},
		{"request lost", optest.Fault{LoseRequest: true}, false, 502, 1},
		{"answer lost", optest.Fault{LoseAnswer: true}, false, 502, 1},
		{"no access token", optest.Fault{EmptyAccessToken: true}, false, 502, 1},
		{"not authorised", optest.Fault{FailBefore: 401}, false, 503, 0},
		{"redirected", optest.Fault{RedirectTo: "https://elsewhere.example.org/token"}, false, 503, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID()) // knows the provider's metadata now
			require.NoError(t, err)
			w.down.Store(c.down)
			w.failOnce(c.fault)
			_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
			upstream := errAs[*issuer.UpstreamError](t, err)
			require.Equal(t, c.charged == 1, upstream.Charged)
			require.Equal(t, c.status, upstream.Status)
			w.requireCharged(t, 1+c.charged)
		})
	}
}

// The answer is longer than anybody reads to the end, but the refresh token has arrived.
//
// proves P5
func TestRefreshTokenOfAnEndlessAnswer(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	w.failOnce(optest.Fault{Edit: func(answer map[string]any) { answer["status"] = strings.Repeat("x", 2<<20) }}) // comes last
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.True(t, errAs[*issuer.UpstreamError](t, err).Charged)
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.reuses())
	w.requireCharged(t, 2)
}

// The provider does not answer in time, and nobody knows what it did. The lease was long
// enough, and is given back.
//
// proves P3, P5
func TestProviderTimesOut(t *testing.T) {
	var w *world
	timeout := 50 * time.Millisecond
	impatient := func(lease time.Duration) (*issuer.Issuer, error) {
		up := w.site.op.ClientConfig(mytokentest.IssuerURL + "/redirect")
		up.Clock, up.Timeout = w.clock.Now, timeout
		upstream, err := oidcupstream.New(up)
		require.NoError(t, err)
		return w.node(func(c *issuer.Config) { c.Providers, c.Lease = []issuer.Provider{{Upstream: upstream}}, lease })
	}
	var first <-chan accessResult
	for held := false; !held; { // on a busy machine the time may be over before the provider is asked
		timeout *= 2
		w = newWorld(t, optest.RotateOff, worldOptions{limit: 9})
		node, err := impatient(0)
		require.NoError(t, err)
		_, first, held = w.holdImpatient(t, node)
	}
	require.True(t, errAs[*issuer.UpstreamError](t, await(t, first).err).Charged)
	w.requireCharged(t, 1)
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	w.requireCharged(t, 2)

	_, err = impatient(2*time.Second + timeout)
	require.ErrorContains(t, err, "Lease")
	_, err = impatient(2*time.Second + timeout + 1)
	require.NoError(t, err)
}

func TestUnsendableRequestIsTheClientsFault(t *testing.T) {
	s := start(t, mytokentest.Options{})
	token := login(t, s, mytoken.Properties{})
	_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token, Scopes: []string{"a\"b"}, Client: mytokentest.Client})
	upstream := errAs[*issuer.UpstreamError](t, err)
	require.Equal(t, http.StatusBadRequest, upstream.Status)
	require.False(t, upstream.Charged)
}

func refreshNeverRotates(c *oidcupstream.Config) { c.RefreshTokensNeverRotate = true }

// proves P5
func TestProviderThatNeverRotates(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{upstream: refreshNeverRotates, apart: true})
	for range 2 {
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err)
	}
	require.Zero(t, w.store.Calls("BeginRefresh"))

	// The same refresh token in the answer is no rotation.
	w.failOnce(optest.Fault{SameRefreshToken: true})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.store.Calls("CommitRefresh"))
	require.Zero(t, w.told(issuer.NoticeUnexpectedRotation))

	// The provider rotates all the same. The refresh token is kept, the operator is told,
	// and the lease is used from then on.
	w.failOnce(optest.Fault{Rotate: true})
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.Equal(t, 1, w.store.Calls("CommitRefresh"))
	require.Equal(t, 1, w.told(issuer.NoticeUnexpectedRotation))
	for n := range 2 {
		_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err)
		require.Equal(t, n+1, w.store.Calls("BeginRefresh"))
	}
	require.Zero(t, w.reuses())
}

// Another process meets an unexpected rotation after this one has read the store, and
// before it asks the provider.
//
// proves P5
func TestNeverRotatesAndAnotherProcess(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9, upstream: refreshNeverRotates})
	other, err := w.node(nil)
	require.NoError(t, err)
	var once sync.Once
	w.fault(func(optest.FaultPoint) (f optest.Fault) {
		once.Do(func() {
			f.Wait = func(ctx context.Context) {
				w.failOnce(optest.Fault{Rotate: true})
				_, err := other.AccessToken(ctx, issuer.AccessTokenRequest{Token: w.token, Scopes: []string{"compute"}, Client: mytokentest.Client})
				require.NoError(t, err)
			}
		})
		return f
	})
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.told(issuer.NoticeGrantDead))
	w.requireCharged(t, 2)
}

func TestNeverRotatesAndTheLoginEnds(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9, upstream: refreshNeverRotates})
	w.endLogin(t)
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	errAs[*issuer.ReconnectError](t, err)
	require.Equal(t, 1, w.told(issuer.NoticeGrantDead))
	info, err := w.issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: w.token, Client: mytokentest.Client})
	require.NoError(t, err)
	require.True(t, info.Reconnect)
	w.requireCharged(t, 0)
}

// proves P5
func TestUnexpectedRotationSurvivesACrash(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, optest.RotateStrict, worldOptions{upstream: refreshNeverRotates, config: func(c *issuer.Config) { c.SpillDir = dir }})
	second := w.crashAtCommit(t)
	require.NoError(t, second.Recover(t.Context()))
	_, err := w.request(t.Context(), second, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.reuses())
}
