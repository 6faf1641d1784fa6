package refresh

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// endsLedger is a ledger that records the ends of leases.
type endsLedger struct {
	memLedger
	mu   sync.Mutex
	ends []store.End
}

func (l *endsLedger) EndRefresh(ctx context.Context, e store.End) error {
	l.mu.Lock()
	l.ends = append(l.ends, e)
	l.mu.Unlock()
	return l.memLedger.EndRefresh(ctx, e)
}

// requireIdle checks that the refresher works under no lease any more.
func requireIdle(t *testing.T, r *Refresher) {
	t.Helper()
	synctest.Wait()
	require.Empty(t, r.kept.active)
	require.Empty(t, r.idle.grants)
	require.Empty(t, r.idle.tokens)
}

// fly takes the lease as a flight does, and works under it.
func (p *pair) fly(t *testing.T, r *Refresher, work func(*lease, store.RefreshState)) {
	t.Helper()
	r.idle.want(p.grant, p.token)
	l, state, err := r.begin(t.Context(), p.req)
	require.NoError(t, err)
	r.free(t.Context(), r.idle.unwant(p.grant))
	work(l, state)
	if !l.decided {
		r.idle.decided(p.token)
	}
}

// The end of a lease is durable before anybody goes on if it says more than that the lease
// is free.
//
// proves P5
func TestEndsThatAreWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*lease)
		relaxed bool
	}{
		"nothing else":      {func(*lease) {}, true},
		"other scopes":      {func(l *lease) { l.state.Worked = "openid" }, true},
		"a doubt":           {func(l *lease) { l.doubt = true }, false},
		"a spare":           {func(l *lease) { l.state.Spares = []store.Spare{{Generation: 1}} }, false},
		"a suspicion":       {func(l *lease) { l.state.Suspect.Refusals = 1 }, false},
		"a new token, kept": {func(l *lease) { l.committed = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ends *endsLedger
				p := newPair(t, func(l memLedger) Ledger { ends = &endsLedger{memLedger: l}; return ends })
				p.fly(t, p.other, func(l *lease, _ store.RefreshState) {
					c.change(l)
					l.done(t.Context(), nil)
					if !c.relaxed {
						require.Len(t, ends.ends, 1, "it has ended")
						p.other.deactivate(l.id)
					}
				})
				requireIdle(t, p.other)
				require.Len(t, ends.ends, 1)
				require.Equal(t, c.relaxed, ends.ends[0].Relaxed)
				require.Equal(t, store.RefreshDone, ends.ends[0].Outcome)
				p.close(t)
			})
		})
	}
}

// A lease that is handed on stays what it is: the process that holds it, and until when,
// still count.
//
// proves P5
func TestHandedOnLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return l })
		r := p.other
		p.fly(t, r, func(first *lease, state store.RefreshState) {
			r.idle.want(p.grant, store.TokenID{2}) // a flight of another token
			first.done(t.Context(), nil)
			require.True(t, first.passed)
			require.True(t, r.isActive(first.id))
			p.fly(t, r, func(next *lease, again store.RefreshState) {
				require.Equal(t, state, again)
				require.NotSame(t, first, next)
				require.Equal(t, []any{first.id, first.until, first.owner, first.logins, true}, []any{next.id, next.until, next.owner, next.logins, next.taken})
				require.NotZero(t, next.owner)
				r.free(t.Context(), next)
			})
			r.free(t.Context(), r.idle.unwant(p.grant))
			r.idle.decided(store.TokenID{2})
		})
		requireIdle(t, r)
		p.close(t)
	})
}

// Whatever becomes of a use, the process does not take itself for the holder of its lease
// any longer than it is. While it is the holder, its heartbeat does not end the lease.
//
// proves P5
func TestLeaseOfAUseIsActive(t *testing.T) {
	for name, outcome := range map[string]func(*testing.T, *pair, *Wish){
		"lost":    func(t *testing.T, _ *pair, w *Wish) { w.Lost(t.Context()) },
		"refused": func(_ *testing.T, _ *pair, w *Wish) { w.Refused() },
		"without": func(t *testing.T, p *pair, w *Wish) { w.Charged(t.Context(), p.grant, nil) },
		"unneeded": func(t *testing.T, p *pair, w *Wish) {
			w.Charged(t.Context(), p.grant, p.spend(t, w).Refresh)
		},
		"not told": func(*testing.T, *pair, *Wish) {},
		"used": func(t *testing.T, p *pair, w *Wish) {
			w.Charged(t.Context(), p.grant, p.spend(t, w).Refresh)
			require.True(t, p.holder.isActive(w.request.ID))
			l, _, err := p.holder.begin(t.Context(), p.req)
			require.NoError(t, err)
			require.Equal(t, w.request.ID, l.id)
			time.Sleep(13 * time.Second)
			for range 2 {
				p.requireWaits(t)
				awaitBeat()
			}
			p.holder.free(t.Context(), l)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, func(l memLedger) Ledger { return l })
				w := p.holder.Wish(t.Context(), p.token, p.req.Provider)
				outcome(t, p, w)
				w.Close(t.Context())
				requireIdle(t, p.holder)
				require.NoError(t, p.begin(t))
				p.close(t)
			})
		})
	}
}

// A client leaves while its request waits for the outcome of another process. The lease
// that it has taken meanwhile keeps nobody out.
//
// proves P5
func TestLeaseOfAClientThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return l })
		_, _, err := p.holder.begin(t.Context(), p.req)
		require.NoError(t, err)
		time.Sleep(13 * time.Second)
		p.other.InDoubtWait = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = p.other.begin(ctx, p.req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		requireIdle(t, p.other)
		_, err = p.inner.BeginRefresh(t.Context(), store.Begin{Grant: p.grant, Lease: store.LeaseID{1}, Now: store.At(time.Now()), TTL: time.Second})
		require.NoError(t, err)
		p.close(t)
	})
}

// A process that leaves a grant to others for a moment takes leases afterwards as before.
func TestRestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return l })
		require.NoError(t, p.other.rest(t.Context(), p.grant))
		requireIdle(t, p.other)
		p.close(t)
	})
}

// panickyLedger is a ledger whose store panics at a heartbeat.
type panickyLedger struct{ memLedger }

func (panickyLedger) Beat(context.Context, store.Process, store.Micros) error { panic("a heartbeat") }

// The store panics when a use is about to ask for a lease. Close does not wait for that use.
func TestWishThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return panickyLedger{l} })
		require.PanicsWithValue(t, "a heartbeat", func() { p.holder.Wish(t.Context(), p.token, p.req.Provider) })
		requireIdle(t, p.holder)
		p.close(t)
	})
}
