package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// steps returns the steps of the store that have begun, except heartbeats.
func (w *world) steps(t *testing.T) (out []string) {
	t.Helper()
	waitUntil(t, "leases end", func() bool { return w.issuer.Ends() == 0 })
	for _, c := range w.store.Trace() {
		if c.Before && !ofHeartbeat(c) {
			out = append(out, c.Method)
		}
	}
	return out
}

// An access token costs one step of the store before the provider is asked. A new refresh
// token is kept in one step, and the answer is confirmed in one. A request with an ID takes
// one more, and its repetition takes one alone.
func TestStepsOfAnAccessToken(t *testing.T) {
	for name, c := range map[string]struct {
		rotation optest.Rotation
		upstream func(*oidcupstream.Config)
		steps    []string // of the second request
	}{
		"the refresh token stays":   {optest.RotateOff, nil, []string{"Spend", "EndRefresh", "Token"}},
		"the refresh token rotates": {optest.RotateStrict, nil, []string{"Spend", "CommitRefresh", "Token"}},
		"it never rotates":          {optest.RotateOff, refreshNeverRotates, []string{"Spend", "Grant", "Token"}},
	} {
		for _, id := range []store.UseID{{}, issuer.NewUseID()} {
			t.Run(fmt.Sprintf("%s/id=%t", name, !id.IsZero()), func(t *testing.T) {
				w := newWorld(t, c.rotation, worldOptions{limit: 9, upstream: c.upstream})
				for range 2 {
					w.store.Reset(nil)
					_, err := w.request(t.Context(), w.issuer, store.UseID{})
					require.NoError(t, err)
					require.ElementsMatch(t, c.steps, w.steps(t))
				}
				w.store.Reset(nil)
				_, err := w.request(t.Context(), w.issuer, id)
				require.NoError(t, err)
				if id.IsZero() {
					require.ElementsMatch(t, c.steps, w.steps(t))
					return
				}
				require.ElementsMatch(t, append([]string{"ChangeTickets"}, c.steps...), w.steps(t))
				w.store.Reset(nil)
				_, err = w.request(t.Context(), w.issuer, id)
				require.NoError(t, err)
				require.Equal(t, []string{"Spend"}, w.steps(t))
				w.requireCharged(t, 3)
			})
		}
	}
}

// recorder keeps the uses that a store sees.
type recorder struct {
	store.Store
	mu   sync.Mutex
	uses []store.Use
}

func (r *recorder) Spend(ctx context.Context, token store.Presented, use store.Use) (store.Spent, error) {
	r.mu.Lock()
	r.uses = append(r.uses, use)
	r.mu.Unlock()
	return r.Store.Spend(ctx, token, use)
}

// leases returns how many uses asked for the lease.
func (r *recorder) leases() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, use := range r.uses {
		if use.Lease != (store.LeaseRequest{}) {
			n++
		}
	}
	return n
}

// A use asks for the lease only if it will need it.
func TestUseAsksForTheLeaseItNeeds(t *testing.T) {
	var r *recorder
	record := func(c *issuer.Config) {
		r = &recorder{Store: c.Store}
		c.Store = r
	}
	w := newWorld(t, optest.RotateOff, worldOptions{upstream: refreshNeverRotates, config: record})
	_, err := w.request(t.Context(), w.issuer, store.UseID{})
	require.NoError(t, err)
	require.Zero(t, r.leases(), "the provider never rotates")

	w = newWorld(t, optest.RotateOff, worldOptions{config: record})
	gate, first := w.holdFirst(t, optest.Fault{})
	require.Equal(t, 1, r.leases())
	require.Equal(t, 12*time.Second, r.uses[0].Lease.TTL)
	require.NotZero(t, r.uses[0].Lease.Process)
	joins := w.start(t.Context(), w.issuer, refreshFirst)
	waits := w.start(t.Context(), w.issuer, refreshSecond)
	waitUntil(t, "both wait", func() bool { return w.issuer.Waiters() == 3 })
	require.Equal(t, 1, r.leases(), "a flight of the token is under way")
	gate.open()
	for _, r := range []<-chan accessResult{first, joins, waits} {
		require.NoError(t, await(t, r).err)
	}
	_, err = w.issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: w.token, Client: client})
	require.NoError(t, err)
	require.Equal(t, 1, r.leases())
	require.NoError(t, w.issuer.Close(t.Context()))
	_, err = w.request(t.Context(), w.issuer, store.UseID{})
	require.ErrorIs(t, err, issuer.ErrClosed)
	require.Equal(t, 1, r.leases(), "nobody would end it")
}

// The client gets its answer while the store is still busy with the end of the lease. The
// next request of this process needs the lease, and waits for that end alone.
//
// proves P5
func TestEndOfALeaseIsNotWaitedFor(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	gate := newGate(t)
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.Before("EndRefresh", 1) {
			gate.wait(context.Background())
		}
		return nil
	})
	require.NoError(t, await(t, w.start(t.Context(), w.issuer, refreshFirst)).err)
	gate.await(t)
	next := w.start(t.Context(), w.issuer, refreshFirst)
	waitUntil(t, "it waits", func() bool { return w.issuer.Waiters() == 1 })
	require.Len(t, w.events(optest.Refreshed), 1)
	gate.open()
	require.NoError(t, await(t, next).err)
	require.Equal(t, 1, w.store.Calls("BeginRefresh"), "it does not try in vain")
}

// Two requests of one login come at once. The use of the second one gets the lease, and the
// first one starts the flight: it takes that lease, and the other request shares the
// answer.
//
// proves P3, P5
func TestLeaseReachesTheFlightThatStarts(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	gate := newGate(t)
	granted := 0
	w.store.Reset(func(c storetest.Call) error {
		switch {
		case c == storetest.After("Spend", 1):
			gate.wait(context.Background())
		case c.Method == "BeginRefresh" && !c.Before && c.Err == nil:
			granted++
		case c.Method == "BeginRefresh" && !c.Before:
			gate.open()
		}
		return nil
	})
	answer := newGate(t)
	w.failOnce(optest.Fault{Wait: answer.wait})
	owner := w.start(t.Context(), w.issuer, refreshFirst) // the store's answer is late
	gate.await(t)
	starts := w.start(t.Context(), w.issuer, refreshFirst)
	waitUntil(t, "both wait for the provider", func() bool { return w.issuer.Waiters() == 2 })
	answer.open()
	require.NoError(t, await(t, starts).err)
	require.NoError(t, await(t, owner).err)
	w.requireCharged(t, 2)
	require.Zero(t, granted, "the flight took the lease of the other use")
	require.Zero(t, w.reuses())
	w.requireFree(t)
}

// requireFree checks that another process gets the lease, although the time of the store
// stands still.
func (w *world) requireFree(t *testing.T) {
	t.Helper()
	info, err := w.inner.Token(t.Context(), w.id)
	require.NoError(t, err)
	var held store.Refresh
	waitUntil(t, "the lease is free", func() bool {
		held, err = w.inner.BeginRefresh(t.Context(), store.Begin{Grant: info.Grant, Lease: store.LeaseID{1}, Now: store.At(w.clock.Now()), TTL: time.Second})
		return err == nil
	})
	require.Empty(t, held.Doubts)
	require.NoError(t, w.inner.EndRefresh(t.Context(), store.End{
		Grant: info.Grant, Lease: store.LeaseID{1}, Generation: held.Generation, Outcome: store.RefreshNotSent, Now: store.At(w.clock.Now()),
	}))
}

// A use gets the lease, and its request asks nobody: it leaves, it is refused, or its
// answer is the kept one of a parallel call. The lease is ended.
//
// proves P5
func TestLeaseThatNobodyNeedsIsEnded(t *testing.T) {
	for name, run := range map[string]func(*testing.T, *world){
		"the client leaves": func(t *testing.T, w *world) {
			ctx, cancel := context.WithCancel(t.Context())
			w.store.Reset(func(c storetest.Call) error {
				if c == storetest.After("Spend", 1) {
					cancel()
				}
				return nil
			})
			_, err := w.request(ctx, w.issuer, store.UseID{})
			if err == nil {
				return // it was faster
			}
			require.ErrorIs(t, err, context.Canceled)
		},
		"the provider refused that before": func(t *testing.T, w *world) {
			refused := issuer.AccessTokenRequest{Token: w.token, Scopes: []string{"storage.read"}, Client: client}
			w.failOnce(optest.Fault{Refuse: "invalid_grant"})
			for range 2 {
				_, err := w.issuer.AccessToken(t.Context(), refused)
				require.Equal(t, "invalid_scope", errAs[*issuer.UpstreamError](t, err).Code)
				require.Len(t, w.events(optest.Refreshed), 1, "the provider is asked for what works, once")
			}
		},
		"the issuer is closed": func(t *testing.T, w *world) {
			over, cancel := context.WithCancel(t.Context())
			cancel()
			w.store.Reset(func(c storetest.Call) error {
				if c == storetest.After("Spend", 1) {
					_ = w.issuer.Close(over)
				}
				return nil
			})
			_, err := w.request(t.Context(), w.issuer, store.UseID{})
			require.ErrorIs(t, err, issuer.ErrClosed)
			require.NoError(t, w.issuer.Close(t.Context()))
		},
		"the step is repeated": func(t *testing.T, w *world) {
			w.store.Reset(failFirst("Spend", 2, false))
			_, err := w.request(t.Context(), w.issuer, store.UseID{})
			require.NoError(t, err)
		},
		"the outcome is not known": func(t *testing.T, w *world) {
			w.store.Reset(failFirst("Spend", 3, false))
			_, err := w.request(t.Context(), w.issuer, store.UseID{})
			errAs[*issuer.StoreError](t, err)
		},
		"the outcome is not known, nor the grant": func(t *testing.T, w *world) {
			w.store.Reset(func(c storetest.Call) error {
				if !c.Before && (c.Method == "Spend" || c.Method == "Token") && c.N <= 3 {
					return storetest.ErrFault
				}
				return nil
			})
			_, err := w.request(t.Context(), w.issuer, store.UseID{})
			errAs[*issuer.StoreError](t, err)
			require.NoError(t, w.issuer.Close(t.Context())) // or the next heartbeat
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
			run(t, w)
			w.requireFree(t)
		})
	}
}

// The machine sleeps after a use has got a lease that lasts for minutes, and its heartbeat
// lapses. Another process takes the lease over and refreshes. The first one asks the store
// before it asks the provider, and does not present what the other one has replaced.
//
// proves P5
func TestLeaseOfAUseIsTakenOver(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) { c.Lease = 10 * time.Minute }})
	other, err := w.node(nil)
	require.NoError(t, err)
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.After("Spend", 1) {
			w.clock.Advance(25 * time.Second)
			_, err := other.AccessToken(context.WithoutCancel(t.Context()), issuer.AccessTokenRequest{Token: w.token, Client: client})
			require.NoError(t, err)
		}
		return nil
	})
	_, err = w.request(t.Context(), w.issuer, store.UseID{})
	require.NoError(t, err)
	require.Len(t, w.events(optest.Refreshed), 2)
	require.Zero(t, w.reuses())
	w.requireCharged(t, 2)
	require.NoError(t, other.Close(t.Context()))
}

// The issuer is closed while a use is charged and gets the lease. Close ends that lease
// before it settles the process.
//
// proves P5
func TestCloseWaitsForTheLeaseOfAUse(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 99})
	gate := newGate(t)
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.After("Spend", 1) {
			gate.wait(context.Background())
		}
		return nil
	})
	held := w.start(t.Context(), w.issuer, refreshFirst)
	gate.await(t)
	closed := make(chan error, 1)
	go func() { closed <- w.close(context.Background()) }()
	for refused := 0; refused < 20; { // meanwhile Close would settle the process
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := w.request(ctx, w.issuer, store.UseID{})
		cancel()
		require.Error(t, err)
		if errors.Is(err, issuer.ErrClosed) {
			refused++
		} // or else Close has not begun, and the lease is not free
	}
	require.Zero(t, w.store.Calls("Settle"))
	gate.open()
	require.ErrorIs(t, await(t, held).err, issuer.ErrClosed)
	require.NoError(t, <-closed)
	require.Equal(t, 1, w.store.Calls("Settle"))
	w.requireFree(t)
}

// Requests for two tokens of one login wait for each other. The second one takes the lease
// of the first one over if the store would learn nothing from its end.
//
// proves P5
func TestLeaseIsHandedOn(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	_, err := w.request(t.Context(), w.issuer, store.UseID{}) // from now on the store knows which scopes work
	require.NoError(t, err)
	child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: client})
	require.NoError(t, err)
	w.requireFree(t)
	w.store.Reset(nil)
	gate, first := w.holdFirst(t, optest.Fault{})
	second := w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: child.Token, Scopes: []string{"compute"}})
	waitUntil(t, "the second waits", func() bool { return w.issuer.Waiters() == 2 })
	gate.open()
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, second).err)
	w.requireFree(t)
	require.Zero(t, w.store.Calls("BeginRefresh"))
	require.Equal(t, 1, w.store.Calls("EndRefresh"))

	// Other scopes have worked: that is kept before the next one asks.
	w.store.Reset(nil)
	gate = newGate(t)
	w.failOnce(optest.Fault{Wait: gate.wait})
	first = w.start(t.Context(), w.issuer, refreshSecond)
	gate.await(t)
	second = w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: child.Token, Scopes: []string{"storage.read"}})
	waitUntil(t, "the second waits", func() bool { return w.issuer.Waiters() == 2 })
	gate.open()
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, second).err)
	w.requireFree(t)
	require.Equal(t, 1, w.store.Calls("BeginRefresh"))
	require.Equal(t, 2, w.store.Calls("EndRefresh"))
}

// This process has had the lease for more than two seconds, and its requests do not end.
// It leaves the lease to other processes for a moment, instead of handing it on.
//
// proves P5
func TestLeaseIsNotHandedOnForEver(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	_, err := w.request(t.Context(), w.issuer, store.UseID{})
	require.NoError(t, err)
	child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: client})
	require.NoError(t, err)
	w.requireFree(t)
	ended := make(chan struct{})
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.After("EndRefresh", 1) {
			close(ended)
		}
		return nil
	})
	gate, first := w.holdFirst(t, optest.Fault{})
	second := w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: child.Token, Scopes: []string{"compute"}})
	waitUntil(t, "the second waits", func() bool { return w.issuer.Waiters() == 2 })
	w.clock.Advance(3 * time.Second)
	gate.open()
	<-ended
	info, err := w.inner.Token(t.Context(), w.id)
	require.NoError(t, err)
	_, err = w.inner.BeginRefresh(t.Context(), store.Begin{Grant: info.Grant, Lease: store.LeaseID{1}, Now: store.At(w.clock.Now()), TTL: time.Hour})
	require.NoError(t, err, "another process gets it")
	require.Len(t, w.events(optest.Refreshed), 2)
	require.NoError(t, w.inner.EndRefresh(t.Context(), store.End{
		Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Outcome: store.RefreshNotSent, Now: store.At(w.clock.Now()),
	}))
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, second).err)
	w.requireFree(t)
}

// A process dies right after it has answered, before the store has the end of its lease.
// The lease lapses and leaves a doubt. The process that follows it on the node settles that,
// and nobody waits. If a new refresh token came with the answer, the lease has ended with
// it.
//
// proves P5
func TestProcessDiesAfterTheAnswer(t *testing.T) {
	for name, rotation := range map[string]optest.Rotation{"off": optest.RotateOff, "strict": optest.RotateStrict} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := newWorld(t, rotation, worldOptions{limit: 9, config: func(c *issuer.Config) {
				c.SpillDir, c.Lease = dir, 10*time.Minute
			}})
			var mu sync.Mutex
			gone := false
			w.store.Reset(func(c storetest.Call) error {
				mu.Lock()
				defer mu.Unlock()
				if gone = gone || c == storetest.Before("EndRefresh", 1); gone && (ofHeartbeat(c) || slices.Contains([]string{"EndRefresh", "Settle"}, c.Method)) {
					return storetest.ErrFault
				}
				return nil
			})
			_, err := w.request(t.Context(), w.issuer, store.UseID{})
			require.NoError(t, err)
			mu.Lock()
			gone = true
			mu.Unlock()
			require.NoError(t, w.close(t.Context())) // its lock is free, as if it had been killed
			w.store.Reset(nil)

			other, err := w.node(func(c *issuer.Config) { c.SpillDir = t.TempDir() })
			require.NoError(t, err)
			if rotation == optest.RotateOff {
				impatient, err := w.node(func(c *issuer.Config) {
					c.SpillDir = t.TempDir()
					leaseImpatient(c)
				})
				require.NoError(t, err)
				_, err = w.request(t.Context(), impatient, store.UseID{})
				errAs[*issuer.BusyError](t, err) // its heartbeat is in force
				require.NoError(t, impatient.Close(t.Context()))
				w.lapse()
				requireInDoubt(t, w, other)
			}
			restarted, err := w.node(nil)
			require.NoError(t, err)
			require.NoError(t, restarted.Recover(t.Context()))
			for _, i := range []*issuer.Issuer{other, restarted, other} {
				_, err = w.request(t.Context(), i, store.UseID{})
				require.NoError(t, err)
			}
			w.requireCharged(t, 4)
			require.Zero(t, w.reuses())
			require.NoError(t, other.Close(t.Context()))
			require.NoError(t, restarted.Close(t.Context()))
		})
	}
}
