package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// leasing returns a use that asks for a lease.
func leasing() store.Use {
	u := newUse()
	fresh(u.Lease.ID[:])
	u.Lease.TTL = time.Hour
	return u
}

// relaxedEnd returns the end of the lease that a use has taken.
func relaxedEnd(c *call) store.End {
	return store.End{
		Grant: c.spent.Grant, Lease: c.use.Lease.ID, Generation: c.spent.Refresh.Generation,
		Outcome: store.RefreshDone, Worked: "openid", Relaxed: true, Now: c.use.Now,
	}
}

// leased spends with a lease and returns the call.
func (st *stage) leased(t *testing.T) *call {
	t.Helper()
	c := st.start(t.Context(), leasing())
	granted(t, c)
	require.NotNil(t, c.spent.Refresh, "the lease is free")
	return c
}

// ending starts an end of a lease.
func (st *stage) ending(ctx context.Context, e store.End) *call {
	return begin(store.Use{}, func() (store.Spent, error) { return store.Spent{}, st.EndRefresh(ctx, e) })
}

// occupy keeps uses of other tokens under way until no batch can start.
func (st *stage) occupy(t *testing.T, s site) []*call {
	t.Helper()
	slots := 2
	if s.dialect == sqlstore.SQLite {
		slots = 1
	}
	mine := st.token
	defer func() { st.token = mine }()
	var calls []*call
	for range slots {
		other, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		st.token = other
		calls = append(calls, st.startHeld(t))
	}
	return calls
}

// effects counts what may take effect: transactions, and statements that write outside of
// one. open is how many transactions are under way before.
func effects(said []statement, open int) (n, left int) {
	for _, s := range said {
		compound := s.is("BEGIN NOT ATOMIC")
		switch {
		case s.is("BEGIN") && !compound:
			open++
		case s.is("COMMIT"):
			open--
			n++
		case open == 0 && (compound || strings.Contains(s.text, "UPDATE") || strings.Contains(s.text, "INSERT")):
			n++
		}
	}
	return n, open
}

// Relaxed ends that wait go with the next batch of uses, in its one transaction. A use of
// the same grant that waits with the end takes the lease that the end frees.
//
// proves P5
func TestBatchEndsLeasesBeforeItTakesThem(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000) // one is spent
		held := st.leased(t)
		mine := st.token
		var err error
		st.token, err = newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		elsewhere := st.leased(t)
		st.token = mine
		st.spy.taken()
		first := st.occupy(t, s)
		_, open := effects(st.spy.taken(), 0)
		apart := st.waiting(t, func() *call { return st.ending(t.Context(), relaxedEnd(elsewhere)) })
		end := st.waiting(t, func() *call { return st.ending(t.Context(), relaxedEnd(held)) })
		next := st.startWaiting(t, t.Context(), leasing())
		late := st.startWaiting(t, t.Context(), leasing())
		for range first {
			st.release <- nil
		}
		granted(t, append(first, apart, end, next, late)...)
		n, _ := effects(st.spy.taken(), open)
		assert.Equal(t, open+1, n, "the ends and the uses that waited take effect at once")
		require.NotNil(t, next.spent.Refresh, "the end came first")
		assert.Equal(t, "openid", next.spent.Refresh.Worked)
		assert.Nil(t, late.spent.Refresh, "somebody else has the lease")
		st.mustHaveUsed(t, 4)
	})
}

// Ends of several grants wait together, without uses. All of them are made. The one whose
// grant has a spare is made by reading, so that the spare goes that its lease was shown.
//
// proves P5
func TestBatchOfEndsAlone(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		held := st.leasedOthers(t, 3)
		first := st.occupy(t, s)
		var ends []*call
		for _, h := range held {
			ends = append(ends, st.waiting(t, func() *call { return st.ending(t.Context(), relaxedEnd(h)) }))
		}
		for range first {
			st.release <- nil
		}
		granted(t, append(first, ends...)...)
		for i, h := range held {
			r, err := st.BeginRefresh(t.Context(), store.Begin{Grant: h.spent.Grant, Lease: store.LeaseID{9}, Now: h.use.Now, TTL: time.Second})
			require.NoError(t, err, "the lease of grant %d is free", i)
			assert.Empty(t, r.Doubts)
			assert.Equal(t, "openid", r.Worked)
			assert.Empty(t, r.Spares, "grant %d", i)
		}
	})
}

// leasedOthers takes the leases of the grants of new tokens. The last grant has a spare.
func (st *stage) leasedOthers(t *testing.T, n int) (held []*call) {
	t.Helper()
	for range n {
		other, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		st.token = other
		held = append(held, st.leased(t))
	}
	st.showSpare(t, held[n-1])
	return held
}

// showSpare ends a lease, adds a spare to its grant, and takes the lease again.
func (st *stage) showSpare(t *testing.T, held *call) {
	t.Helper()
	require.NoError(t, st.EndRefresh(t.Context(), relaxedEnd(held)))
	for i, lease := range []store.LeaseID{{7}, {8}} {
		require.NoError(t, st.CommitRefresh(t.Context(), store.Commit{Grant: held.spent.Grant, Lease: lease, Generation: 1, Token: store.Sealed{byte(i)}, Now: 1}))
	}
	r, err := st.BeginRefresh(t.Context(), held.use.Lease.Begin(held.spent.Grant, held.use.Now))
	require.NoError(t, err)
	require.Len(t, r.Spares, 1)
	held.spent.Refresh = &r
}

// Uses of several tokens wait with ends of other leases. One of these grants has a spare,
// so that its end needs to read the grant. All ends are made.
//
// proves P5
func TestBatchEndsSomeLeases(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		held := st.leasedOthers(t, 2)
		var tokens []store.Presented
		for range 2 {
			p, err := newRoot(t.Context(), st, 5)
			require.NoError(t, err)
			tokens = append(tokens, p)
		}
		first := st.occupy(t, s)
		var all []*call
		for _, h := range held {
			all = append(all, st.waiting(t, func() *call { return st.ending(t.Context(), relaxedEnd(h)) }))
		}
		for _, p := range tokens {
			st.token = p
			all = append(all, st.startWaiting(t, t.Context(), leasing()))
		}
		for range first {
			st.release <- nil
		}
		granted(t, append(first, all...)...)
		for i, h := range held {
			r, err := st.BeginRefresh(t.Context(), store.Begin{Grant: h.spent.Grant, Lease: store.LeaseID{9}, Now: h.use.Now, TTL: time.Second})
			require.NoError(t, err, "the lease of grant %d is free", i)
			assert.Empty(t, r.Spares, "grant %d", i)
			assert.NotNil(t, all[2+i].spent.Refresh, "use %d takes the lease", i)
		}
	})
}

// If a batch fails as a whole, its ends are made one by one, like its uses.
func TestBatchThatFailsEndsLeasesAlone(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		held := st.leased(t)
		first := st.occupy(t, s)
		end := st.waiting(t, func() *call { return st.ending(t.Context(), relaxedEnd(held)) })
		next := st.startWaiting(t, t.Context(), newUse())
		var failed atomic.Bool
		for range first {
			st.release <- nil
		}
		st.spy.hook(func(_ context.Context, s statement) error {
			if isCharge(s) && !failed.Swap(true) {
				return errors.New("the disk is on fire")
			}
			return nil
		}, nil)
		granted(t, append(first, end, next)...)
		again := st.start(t.Context(), leasing())
		granted(t, again)
		assert.NotNil(t, again.spent.Refresh, "the lease is free")
	})
}

// Another lease is taken between reading the grant and writing it. The use is charged once,
// and does not have the lease.
//
// proves P3, P5
func TestLeaseTakenMeanwhile(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000) // one is spent
		other := s.on(t, s.connect(t))
		info, err := st.Token(t.Context(), st.token.ID)
		require.NoError(t, err)
		var raced atomic.Bool
		st.spy.hook(nil, func(ctx context.Context, said statement) error {
			if !said.is("SELECT") || !strings.Contains(said.text, "lease_id") || raced.Swap(true) {
				return nil
			}
			_, err := other.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: store.LeaseID{1}, Now: 1, TTL: time.Hour})
			return err
		})
		u := leasing()
		st.slow(&u)
		got, err := st.Spend(t.Context(), st.token, u)
		require.NoError(t, err)
		require.True(t, raced.Load())
		assert.Nil(t, got.Refresh)
		st.mustHaveUsed(t, 2)
		require.NoError(t, other.EndRefresh(t.Context(), store.End{Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Outcome: store.RefreshNotSent, Now: 1}))
	})
}

// slow makes a use one that no engine grants with one query: it returns a ticket that it
// puts.
func (st *stage) slow(u *store.Use) {
	k := newTicket(st.token.ID)
	k.Expires = u.Now - 1 // so that it is not returned
	u.Tickets.Put, u.Fetch = []store.Ticket{k}, k.TicketRef
}

// The holder asks for its lease again, for a shorter time. It keeps the longer one.
//
// proves P5
func TestHolderKeepsLongerLease(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		first := st.leased(t)
		again := newUse()
		again.Lease = first.use.Lease
		again.Lease.TTL = time.Second
		got, err := st.Spend(t.Context(), st.token, again)
		require.NoError(t, err)
		require.NotNil(t, got.Refresh)
		assert.Equal(t, first.spent.Refresh.Until, got.Refresh.Until)
	})
}

// The user logs in again while a lease is held. Its end says nothing about the new login.
func TestBatchEndsLeaseOfEarlierLogin(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		held := st.leased(t)
		var err error
		st.token, err = newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		other := st.leased(t)
		grant := held.spent.Grant
		require.NoError(t, st.ReplaceGrant(t.Context(), store.Replacement{
			Grant: grant, Owner: held.spent.Owner, Lease: store.LeaseID{7}, Generation: 1, Token: store.Sealed("new"), Scope: "email", Now: 2,
		}))
		require.NoError(t, st.EndTogether(t.Context(), relaxedEnd(held), relaxedEnd(other)))
		for g, worked := range map[store.GrantID]string{grant: "", other.spent.Grant: "openid"} {
			r, err := st.BeginRefresh(t.Context(), store.Begin{Grant: g, Lease: store.LeaseID{9}, Now: held.use.Now, TTL: time.Second})
			require.NoError(t, err, "the lease is free")
			assert.Equal(t, worked, r.Worked)
		}
	})
}

// An answer of the provider ends the suspicion, also if the lease ends with others. The
// next refusal is the first one again.
//
// proves P5
func TestBatchEndsSuspicion(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		held := st.leased(t)
		grant, now := held.spent.Grant, held.use.Now
		refused := relaxedEnd(held)
		refused.Outcome, refused.AskAfter, refused.Worked = store.RefreshRefused, now+1, ""
		require.NoError(t, st.EndRefresh(t.Context(), refused))
		state, err := st.Grant(t.Context(), grant)
		require.NoError(t, err)
		require.Equal(t, store.Suspicion{Refusals: 1, AskAfter: now + 1}, state.Suspect)
		_, err = st.BeginRefresh(t.Context(), held.use.Lease.Begin(grant, now+2))
		require.NoError(t, err)
		st.token, err = newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		require.NoError(t, st.EndTogether(t.Context(), relaxedEnd(held), relaxedEnd(st.leased(t))))
		state, err = st.Grant(t.Context(), grant)
		require.NoError(t, err)
		assert.Equal(t, store.Suspicion{}, state.Suspect)
		_, err = st.BeginRefresh(t.Context(), held.use.Lease.Begin(grant, now+2))
		require.NoError(t, err, "the lease is free")
		require.NoError(t, st.EndRefresh(t.Context(), refused))
		state, err = st.Grant(t.Context(), grant)
		require.NoError(t, err)
		assert.Equal(t, 1, state.Suspect.Refusals)
		assert.False(t, s.holds(t, st.db, "grants", "dead = 1"))
	})
}

// Something has arrived since the refusal, so the suspicion is void and not in the way of
// a use. An earlier version leaves such a row, because it does not know suspicions: it
// drops the spare that has arrived, and nothing else.
//
// proves P5
func TestUseTakesLeaseAfterVoidSuspicion(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		for _, c := range []struct{ arrivals, refused int }{{1, 1}, {2, 1}} {
			s.run(t, st.db, fmt.Sprintf("UPDATE %s SET refusals = 1, refused_generation = generation, arrivals = %d, refused_arrivals = %d", s.table("grants"), c.arrivals, c.refused))
			spent, err := st.Spend(t.Context(), st.token, leasing())
			require.NoError(t, err)
			assert.Equal(t, c.arrivals > c.refused, spent.Refresh != nil, "%+v", c)
		}
	})
}

// A batch ends no lease of somebody else, and none in a grant with a doubt: that needs to
// read the grant.
//
// proves P5
func TestBatchLeavesOtherLeases(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		before := st.leased(t)
		end := relaxedEnd(before)
		require.NoError(t, st.EndRefresh(t.Context(), end))
		st.leased(t)
		var err error
		st.token, err = newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		lapsed := st.leased(t)
		begin := lapsed.use.Lease.Begin(lapsed.spent.Grant, lapsed.use.Now.Add(2*time.Hour))
		begin.Lease = store.LeaseID{7}
		r, err := st.BeginRefresh(t.Context(), begin)
		require.NoError(t, err)
		require.Len(t, r.Doubts, 1)
		doubtful := relaxedEnd(lapsed)
		doubtful.Lease = begin.Lease
		require.NoError(t, st.EndTogether(t.Context(), end, doubtful))
		for g, now := range map[store.GrantID]store.Micros{end.Grant: end.Now, begin.Grant: begin.Now} {
			_, err := st.BeginRefresh(t.Context(), store.Begin{Grant: g, Lease: store.LeaseID{9}, Now: now, TTL: time.Second})
			var busy *store.BusyError
			assert.ErrorAs(t, err, &busy)
		}
	})
}

// Two uses that ask for the same lease wait together. The lease lasts as long as the
// later one asks, as if BeginRefresh had prolonged it.
//
// proves P5
func TestBatchAsksTwiceForOneLease(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		first := st.occupy(t, s)
		u, again := leasing(), newUse()
		again.Lease, again.Now = u.Lease, u.Now.Add(time.Second)
		one := st.startWaiting(t, t.Context(), u)
		two := st.startWaiting(t, t.Context(), again)
		for range first {
			st.release <- nil
		}
		granted(t, append(first, one, two)...)
		require.NotNil(t, one.spent.Refresh)
		require.NotNil(t, two.spent.Refresh)
		assert.Equal(t, again.Now.Add(u.Lease.TTL), two.spent.Refresh.Until)
		_, err := st.BeginRefresh(t.Context(), store.Begin{Grant: two.spent.Grant, Lease: store.LeaseID{1}, Now: again.Now.Add(u.Lease.TTL), TTL: time.Second})
		var busy *store.BusyError
		require.ErrorAs(t, err, &busy)
		assert.Equal(t, again.Now.Add(u.Lease.TTL), busy.Until)
	})
}
