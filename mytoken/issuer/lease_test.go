package issuer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// leaseImpatient makes an issuer give up soon, for tests in which it waits in vain.
func leaseImpatient(c *issuer.Config) { c.WaitLimit = 100 * time.Millisecond }

// The store grants the lease, along with the use or after it, and its answer is lost each
// time. The lease is given back, and nobody has to wait until it lapses.
//
// proves P5
func TestLeaseOfUnknownOutcomeIsGivenBack(t *testing.T) {
	for _, method := range []string{"Spend", "BeginRefresh"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, apart: method == "BeginRefresh"})
			w.store.Reset(failFirst(method, 3, false))
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			errAs[*issuer.StoreError](t, err)
			require.Empty(t, w.events(optest.Refreshed), "no lease, no call")
			w.requireCharged(t, 0)
			other, err := w.node(leaseImpatient)
			require.NoError(t, err)
			_, err = w.request(t.Context(), other, issuer.NewUseID())
			require.NoError(t, err)
			require.NoError(t, other.Close(t.Context()))
		})
	}
}

// A store that lets the time run out makes the request busy, and nothing else. After a
// [*issuer.StoreError] callers would repeat at once.
//
// proves P5
func TestLeaseThatTimesOutIsBusy(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, apart: true})
	w.store.Reset(func(c storetest.Call) error {
		if c.Method == "BeginRefresh" && c.Before {
			return context.DeadlineExceeded
		}
		return nil
	})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	errAs[*issuer.BusyError](t, err)
	require.False(t, is[*issuer.StoreError](err), "%v", err)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	w.requireCharged(t, 0)
}

// The same, but the store does not take the use back either. A [*issuer.BusyError] would
// say that the request does not count.
//
// proves P3
func TestBusyThatStaysCharged(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, apart: true})
	w.store.Reset(func(c storetest.Call) error {
		switch {
		case c.Method == "BeginRefresh" && c.Before:
			return context.DeadlineExceeded
		case c.Method == "Refund" && c.Before, c.Method == "ChangeTickets" && c.Before:
			return storetest.ErrFault
		}
		return nil
	})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.False(t, errAs[*issuer.StoreError](t, err).Repeatable())
	require.False(t, is[*issuer.BusyError](err), "%v", err)
	w.store.Reset(nil)
	w.requireCharged(t, 1)
}

// The store takes so long to grant the lease that it could lapse before the provider
// answers. The lease is prolonged first.
//
// proves P5
func TestLeaseOutlastsTheProvider(t *testing.T) {
	for method, steps := range map[string]int{"Spend": 1, "BeginRefresh": 2} {
		w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, apart: method == "BeginRefresh"})
		w.store.Reset(func(c storetest.Call) error {
			if c == storetest.After(method, 1) {
				w.clock.Advance(9 * time.Second) // of 12; the provider may take 8
			}
			return nil
		})
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err)
		require.Equal(t, steps, w.store.Calls("BeginRefresh"), "%s", method)
		info, err := w.inner.Token(t.Context(), w.id)
		require.NoError(t, err)
		_, err = w.inner.BeginRefresh(t.Context(), store.Begin{Grant: info.Grant, Lease: store.LeaseID{1}, Now: store.At(w.clock.Now()), TTL: time.Second})
		require.NoError(t, err, "it was the same lease, which is over")
	}

	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, apart: true})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	w.store.Reset(func(c storetest.Call) error {
		if c.Method == "BeginRefresh" && !c.Before {
			w.clock.Advance(9 * time.Second)
		}
		return nil
	})
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	errAs[*issuer.StoreError](t, err)
	require.Len(t, w.events(optest.Refreshed), 1, "the provider is not asked under such a lease")
	w.requireCharged(t, 1)
}

// proves P5
func TestLeaseOfAnotherProcess(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	other, err := w.node(leaseImpatient)
	require.NoError(t, err)
	gate, first := w.holdFirst(t, optest.Fault{})

	// Nobody else asks the provider meanwhile. A request that cannot wait is not charged.
	_, err = w.request(t.Context(), other, issuer.NewUseID())
	errAs[*issuer.BusyError](t, err)
	w.requireCharged(t, 1)

	// A request that can wait is answered after the lease.
	patient, err := w.node(nil)
	require.NoError(t, err)
	waits := w.start(t.Context(), patient, refreshSecond)
	waitUntil(t, "it waits", func() bool { return patient.Waiters() == 1 })
	gate.open()
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, waits).err)
	require.Zero(t, w.reuses())
	w.requireCharged(t, 2)
}

// refuseCurrent makes the provider refuse the refresh token that it sees next: both what is
// asked for with it, and what worked last.
func (w *world) refuseCurrent() {
	var calls atomic.Int64
	w.fault(func(at optest.FaultPoint) optest.Fault {
		if calls.Add(1) <= 2 {
			return optest.Fault{Refuse: "invalid_grant"}
		}
		return optest.Fault{}
	})
}

// leaseLapses leaves the grant in the state in which a process leaves it that stops
// before its commit. The commit waits at the gate.
func (w *world) leaseLapses(t *testing.T) (commit *testGate, dead <-chan accessResult) {
	t.Helper()
	commit = newGate(t)
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.Before("CommitRefresh", 1) {
			commit.wait(t.Context())
		}
		return nil
	})
	dead = w.start(t.Context(), w.issuer, refreshFirst)
	commit.await(t)
	w.lapse()
	return commit, dead
}

// A lease lapsed, because its holder on another machine is late. The next holder waits,
// and so does not present a refresh token that is used up.
//
// proves P5
func TestLateCommitResolvesTheDoubt(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) { c.SpillDir = t.TempDir() }})
	commit, dead := w.leaseLapses(t)
	next, err := w.node(func(c *issuer.Config) {
		c.InDoubtWait, c.SpillDir = soon, t.TempDir()
		c.Store = storetest.NewFaulty(w.store, func(call storetest.Call) error {
			if call == storetest.After("BeginRefresh", 2) { // it waits
				commit.open()
				await(t, dead)
			}
			return nil
		})
	})
	require.NoError(t, err)
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.reuses())
	require.Len(t, w.events(optest.Refreshed), 2)
}

// Nobody knows what happened under the lapsed lease, and waiting does not help. Providers
// that forgive go on. The late refresh token is kept as a spare for when the current one
// is refused.
//
// proves P5
func TestLateCommitBecomesASpare(t *testing.T) {
	w := newWorld(t, optest.RotateGrace, worldOptions{limit: 9})
	commit, dead := w.leaseLapses(t)
	next, err := w.node(func(c *issuer.Config) { c.InDoubtWait = time.Millisecond })
	require.NoError(t, err)
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	require.NoError(t, err)
	commit.open()
	await(t, dead)
	info, err := w.inner.Token(t.Context(), w.id)
	require.NoError(t, err)
	state, err := w.inner.Grant(t.Context(), info.Grant)
	require.NoError(t, err)
	require.Len(t, state.Spares, 1)
	require.EqualValues(t, 2, state.Generation)

	w.refuseCurrent()
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	require.NoError(t, err)
	state, err = w.inner.Grant(t.Context(), info.Grant)
	require.NoError(t, err)
	require.Empty(t, state.Spares)
	require.EqualValues(t, 4, state.Generation, "the spare was rotated, and then what it was rotated to")
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.told(issuer.NoticeGrantDead))
}

// A spare works, and the provider gives no other refresh token for it. The spare becomes
// the current one, because a success drops all spares.
//
// proves P5
func TestSpareBecomesTheCurrentOne(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	w.failOnce(optest.Fault{Rotate: true})
	commit, dead := w.leaseLapses(t)
	leaseReconnect(t, t.Context(), w) // moves the grant on
	commit.open()
	require.NoError(t, await(t, dead).err)
	w.refuseCurrent()
	for range 3 {
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err)
	}
	info, err := w.inner.Token(t.Context(), w.id)
	require.NoError(t, err)
	state, err := w.inner.Grant(t.Context(), info.Grant)
	require.NoError(t, err)
	require.EqualValues(t, 3, state.Generation)
	require.Empty(t, state.Spares)
	used := w.events(optest.Refreshed)
	require.Equal(t, 1, used[len(used)-1].Grant, "that of the first login")
}

// The provider does not forgive, so the login counts as ended. The late refresh token
// revives it.
//
// proves P5
func TestLateCommitRevivesTheGrant(t *testing.T) {
	w := newWorld(t, optest.RotateOn, worldOptions{limit: 9})
	commit, dead := w.leaseLapses(t)
	next, err := w.node(nil)
	require.NoError(t, err)
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	requireSuspect(t, err, 10*time.Second)
	w.clock.Advance(11 * time.Second)
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	errAs[*issuer.ReconnectError](t, err)
	commit.open()
	await(t, dead)
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	require.NoError(t, err)
}

// A spare cannot be opened. The other spares are still tried, and the login can still
// end.
//
// proves P5
func TestUnreadableSpare(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	info, err := w.inner.Token(t.Context(), w.id)
	require.NoError(t, err)
	w.failOnce(optest.Fault{Rotate: true})
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.NoError(t, w.inner.CommitRefresh(t.Context(), store.Commit{
		Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("not sealed"), Now: store.At(w.clock.Now()),
	}))
	w.endLogin(t)
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	errAs[*issuer.ReconnectError](t, err)
}

// endLogin ends the login at the provider, and makes a request that has to wait. The next
// request learns that the login has ended.
func (w *world) endLogin(t *testing.T) {
	t.Helper()
	w.site.op.EndGrants(w.subject)
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	requireSuspect(t, err, 10*time.Second)
	w.clock.Advance(11 * time.Second)
}

// proves P5
func TestRefusedForGood(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	w.endLogin(t)
	for range 3 {
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		errAs[*issuer.ReconnectError](t, err)
	}
	require.Len(t, w.events(optest.Refused), 4, "each time what was asked for and what worked; a dead login is not tried again")
	require.Equal(t, 1, w.told(issuer.NoticeGrantSuspect))
	require.Equal(t, 1, w.told(issuer.NoticeGrantDead))
	w.requireCharged(t, 0)
	info, err := w.issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: w.token, Client: mytokentest.Client})
	require.NoError(t, err)
	require.True(t, info.Reconnect)

	leaseReconnect(t, t.Context(), w)
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	w.requireCharged(t, 1)
}

// leaseReconnect logs the user in again.
func leaseReconnect(t *testing.T, ctx context.Context, w *world) {
	t.Helper()
	login, err := w.issuer.StartReconnect(ctx, issuer.ReconnectRequest{Token: w.token, Client: mytokentest.Client})
	require.NoError(t, err)
	redirect, err := optest.Login(ctx, login.URL, w.subject)
	require.NoError(t, err)
	result, err := w.issuer.FinishLogin(ctx, issuer.FinishRequest{Path: "/redirect", Query: queryOf(t, redirect), Client: mytokentest.Client})
	require.NoError(t, err)
	require.True(t, result.Reconnected)
}

// The user logs in again while the provider refuses the old refresh token. The new one is
// used at once, is not overwritten, and the login has not ended.
//
// proves P5
func TestReconnectOvertakesARefusal(t *testing.T) {
	for _, spare := range []bool{false, true} {
		t.Run(fmt.Sprintf("spare=%t", spare), func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
			if spare {
				info, err := w.inner.Token(t.Context(), w.id)
				require.NoError(t, err)
				_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
				require.NoError(t, err)
				require.NoError(t, w.inner.CommitRefresh(t.Context(), store.Commit{
					Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("of old"), Now: store.At(w.clock.Now()),
				}))
			}
			w.site.op.EndGrants(w.subject)
			w.failOnce(optest.Fault{Wait: func(ctx context.Context) { leaseReconnect(t, ctx, w) }})
			for range 2 {
				_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
				require.NoError(t, err)
			}
			require.Zero(t, w.told(issuer.NoticeGrantDead))
			require.Zero(t, w.reuses())
		})
	}
}

// A refusal of the request alone does not end the login. The status says whether the
// client or the user can do something about it.
func TestRefusalsThatDoNotEndTheLogin(t *testing.T) {
	for code, status := range map[string]int{
		"invalid_scope": 400, "invalid_target": 400, "invalid_resource": 400, "invalid_request": 400, "access_denied": 400, "mfa_required": 400,
		"invalid_client": 502, "unauthorized_client": 502, "server_error": 502, "temporarily_unavailable": 503,
	} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
			w.failOnce(optest.Fault{Refuse: code})
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			upstream := errAs[*issuer.UpstreamError](t, err)
			require.Equal(t, code, upstream.Code)
			require.Equal(t, status, upstream.Status)
			require.False(t, upstream.Charged)
			w.requireCharged(t, 0)
			_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.NoError(t, err)
		})
	}
}
