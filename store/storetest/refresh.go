package storetest

import (
	"bytes"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/store"
)

var outcomes = []store.Outcome{store.RefreshDone, store.RefreshNotSent, store.RefreshUnknown, store.RefreshRefused}

// followed stores a grant whose first lease has lapsed and been followed by a second one.
func (e *env) followed() (root *tok, lapsed, next store.LeaseID, r store.Refresh) {
	e.Helper()
	root, lapsed, next = e.root(), e.leaseID(), e.leaseID()
	r = e.begin(root.Grant, next, e.begin(root.Grant, lapsed, t0).Until+1)
	return root, lapsed, next, r
}

// held checks that a new lease is refused until an instant.
func (e *env) held(g store.GrantID, now, until store.Micros, what string, args ...any) {
	e.Helper()
	e.busy(e.beginErr(g, e.leaseID(), now), until, what, args...)
}

func refreshUnknown(e *env) {
	g, l := e.grantID(), e.leaseID()
	e.fails(e.beginErr(g, l, t0), store.ErrNotFound, "BeginRefresh")
	e.fails(e.s.CommitRefresh(e.ctx, e.newCommit(g, l, 1)), store.ErrNotFound, "CommitRefresh")
	e.fails(e.s.EndRefresh(e.ctx, ending(g, l, 1, store.RefreshDone)), store.ErrNotFound, "EndRefresh")
	e.fails(errOf(e.s.Grant(e.ctx, g)), store.ErrNotFound, "Grant")
	_, unknown := e.newRoot()
	e.fails(e.s.ReplaceGrant(e.ctx, e.replacement(unknown, 1)), store.ErrNotFound, "ReplaceGrant")
}

func refreshArguments(e *env) {
	g := e.root().Grant
	before := e.grantState(g)
	e.refused(e.beginErr(g, store.LeaseID{}, t0), "BeginRefresh without lease")
	e.refused(errOf(e.s.BeginRefresh(e.ctx, store.Begin{Grant: g, Lease: e.leaseID(), Now: t0})), "BeginRefresh without duration")
	for name, c := range map[string]store.Commit{
		"grant":      {Lease: e.leaseID(), Generation: 1, Token: e.sealed()},
		"lease":      {Grant: g, Generation: 1, Token: e.sealed()},
		"generation": {Grant: g, Lease: e.leaseID(), Token: e.sealed()},
		"token":      {Grant: g, Lease: e.leaseID(), Generation: 1},
	} {
		e.refused(e.s.CommitRefresh(e.ctx, c), "CommitRefresh without %s", name)
	}
	lease := e.leaseID()
	e.begin(g, lease, t0)
	e.refused(e.s.EndRefresh(e.ctx, ending(g, lease, 1, 0)), "EndRefresh without outcome")
	e.refused(e.s.EndRefresh(e.ctx, ending(g, lease, 1, 5)), "EndRefresh with an unknown outcome")
	e.refused(e.s.EndRefresh(e.ctx, ending(g, lease, 0, store.RefreshDone)), "EndRefresh without generation")
	e.refused(e.s.EndRefresh(e.ctx, ending(g, store.LeaseID{}, 1, store.RefreshDone)), "EndRefresh without lease")
	e.held(g, t0, t0.Add(ttl), "the lease, still in force")
	e.wantGrant(g, before)
}

// proves P5
func refreshLease(e *env) {
	g := e.root().Grant
	lease, other := e.leaseID(), e.leaseID()
	want := store.Refresh{RefreshState: e.grantState(g), Until: t0.Add(ttl)}
	e.equal(e.begin(g, lease, t0), want, "BeginRefresh")
	for _, now := range []store.Micros{t0, want.Until} {
		e.busy(e.beginErr(g, other, now), want.Until, "another lease at %d", now)
	}
	e.wantGrant(g, want.RefreshState) // which takes no lease and needs none
	e.end(g, lease, 1, store.RefreshNotSent)
	want.Until++
	e.equal(e.begin(g, other, t0+1), want, "BeginRefresh after the end")

	// Repeating an end does not harm the next lease.
	e.end(g, lease, 1, store.RefreshNotSent)
	e.held(g, t0, want.Until, "a third lease")

	// Other grants are not affected.
	e.begin(e.root().Grant, e.leaseID(), t0)
}

func refreshProlong(e *env) {
	g, lease := e.root().Grant, e.leaseID()
	e.begin(g, lease, t0)
	for i := range nodes {
		now := t0 + store.Micros(i)*second
		got := e.begin(g, lease, now)
		e.equal(got.Until, now.Add(ttl), "prolonged until")
		e.wantDoubts(got)
		e.held(g, got.Until, got.Until, "another lease")
	}
	want := store.Refresh{RefreshState: granted(2, e.commit(g, lease, 1).Token), Until: (t0 + minute).Add(ttl)}
	e.equal(e.begin(g, lease, t0+minute), want, "BeginRefresh after the commit")
}

// proves P5, P8
func refreshCommit(e *env) {
	g, lease, second := e.root().Grant, e.leaseID(), e.leaseID()
	e.begin(g, lease, t0)
	c := e.commit(g, lease, 1)
	want := granted(2, c.Token)
	for range nodes {
		e.wantGrant(g, want)
		e.recommit(c, "again")
	}
	e.end(g, lease, 1, store.RefreshDone)
	for range 2 {
		e.recommit(c, "again, after the end")
	}
	e.wantGrant(g, want)
	e.fails(e.s.CommitRefresh(e.ctx, e.newCommit(g, e.leaseID(), 3)), store.ErrConflict, "a generation that the grant has not reached")
	e.wantGrant(g, want)

	// One lease covers several refreshes. Making the first commit again is still a
	// repeat.
	for i := range 3 {
		r := e.begin(g, second, t0+store.Micros(i))
		e.equal(r.Generation, uint64(2+i), "generation")
		e.wantDoubts(r)
		want = granted(r.Generation+1, e.commit(g, second, r.Generation).Token)
	}
	e.recommit(c, "the first one again")
	e.wantGrant(g, want)
}

// doubted returns the doubt that the lease of a caller without a process has left.
func doubted(l store.LeaseID, lapsed store.Micros) store.Doubt {
	return store.Doubt{Lease: l, Lapsed: lapsed}
}

// proves P5
func refreshDoubt(e *env) {
	root, lapsed, next, r := e.followed()
	g, until := root.Grant, t0.Add(ttl)
	left := []store.Doubt{doubted(lapsed, until)}
	e.equal(r, store.Refresh{RefreshState: e.grantState(g), Until: (until + 1).Add(ttl), Doubts: left}, "BeginRefresh after a lease lapsed")
	e.equal(e.begin(g, next, until+2).Doubts, left, "doubts, asked again")

	// These outcomes leave the doubt as it is.
	for i, o := range []store.Outcome{store.RefreshNotSent, store.RefreshUnknown} {
		e.end(g, next, 1, o)
		next = e.leaseID()
		e.equal(e.begin(g, next, until+store.Micros(i)+3).Doubts, left, "doubts after outcome %d", o)
	}
	e.end(g, next, 1, store.RefreshDone)
	last := e.leaseID()
	r = e.begin(g, last, until+10)
	e.equal(len(r.Doubts), 0, "doubts after a refresh was done")

	// Each of several leases leaves one.
	left = nil
	for range 3 {
		left = append(left, doubted(last, r.Until))
		last = e.leaseID()
		r = e.begin(g, last, r.Until+1)
		e.wantDoubts(r, left...)
	}
}

// wantDoubts compares the doubts of a lease, in any order.
func (e *env) wantDoubts(r store.Refresh, want ...store.Doubt) {
	e.Helper()
	byLease := func(a, b store.Doubt) int { return bytes.Compare(a.Lease[:], b.Lease[:]) }
	e.equal(slices.SortedFunc(slices.Values(r.Doubts), byLease), slices.SortedFunc(slices.Values(want), byLease), "doubts")
}

// proves P5
func refreshLateCommit(e *env) {
	root, lapsed, next, r := e.followed()
	now := t0.Add(ttl) + 2
	e.wantDoubts(r, doubted(lapsed, t0.Add(ttl)))
	late := e.commit(root.Grant, lapsed, 1)
	want := store.Refresh{RefreshState: granted(2, late.Token), Until: now.Add(ttl)}
	e.equal(e.begin(root.Grant, next, now), want, "the holder asks again")
	e.held(root.Grant, now, want.Until, "another lease: the late commit ended none")

	// Nobody has followed yet: the commit leaves no doubt.
	alone := e.root().Grant
	until := e.begin(alone, lapsed, t0).Until
	late = e.commit(alone, lapsed, 1)
	e.end(alone, lapsed, 1, store.RefreshDone)
	r = e.begin(alone, next, until+1)
	e.wantDoubts(r)
	e.equal(r.Token, late.Token, "token")

	// Another lease's commit does not resolve the doubt that this one left.
	two, lapsed, next, _ := e.followed()
	e.commit(two.Grant, e.leaseID(), 1)
	e.wantDoubts(e.begin(two.Grant, next, now), doubted(lapsed, t0.Add(ttl)))
}

// proves P5
func refreshLateEnd(e *env) {
	for _, o := range outcomes {
		// The holder of a lease that was followed says that it has nothing: its doubt is
		// resolved, and nothing else changes.
		root, lapsed, next, r := e.followed()
		now := t0.Add(ttl) + 1
		before := e.grantState(root.Grant)
		e.wantDoubts(r, doubted(lapsed, t0.Add(ttl)))
		late := ending(root.Grant, lapsed, 1, o)
		if o == store.RefreshDone {
			late.Worked = "openid"
		}
		for range 2 {
			e.endWith(late)
			e.held(root.Grant, now, r.Until, "a third lease after the late end with outcome %d", o)
			e.wantGrant(root.Grant, before)
		}
		r.Doubts = nil
		e.equal(e.begin(root.Grant, next, now), r, "what the holder is told after the late end with outcome %d", o)
		e.wantDead(root, false, "a late end with outcome %d", o)

		// So is it when the next lease has ended too. A doubt of another lease stays.
		root, lapsed, next, _ = e.followed()
		third := e.leaseID()
		e.begin(root.Grant, third, now.Add(ttl)+1)
		e.end(root.Grant, third, 1, store.RefreshNotSent)
		e.endWith(ending(root.Grant, lapsed, 1, o))
		e.wantDoubts(e.begin(root.Grant, e.leaseID(), now.Add(ttl)+2), doubted(next, now.Add(ttl)))

		// A lease that merely lapsed is ended as if it were in force.
		alone := e.root()
		now = e.begin(alone.Grant, lapsed, t0).Until + minute
		e.end(alone.Grant, lapsed, 1, o)
		if o == store.RefreshRefused {
			e.equal(e.grantState(alone.Grant).Suspect.Refusals, 1, "refusals after that of a lapsed lease")
		}
		e.wantDoubts(e.begin(alone.Grant, next, now))
	}
}

// proves P5
func refreshParallel(e *env) {
	for range e.rounds {
		g, now := e.root().Grant, t0
		for range 2 { // the second time after a lease lapsed
			leases := several(callers, e.leaseID)
			var got [callers]store.Refresh
			errs := e.atOnce(callers, func(i int, s store.Store) (err error) {
				got[i], err = s.BeginRefresh(e.ctx, beginning(g, leases[i], now))
				return err
			})
			lost := func(err error) { e.busy(err, now.Add(ttl), "BeginRefresh that lost") }
			won := got[e.onlyOne(winners(errs, lost), "BeginRefresh")]
			e.equal(won.Until, now.Add(ttl), "until")
			e.equal(len(won.Doubts) > 0, now != t0, "in doubt")
			now = now.Add(ttl + time.Second)
		}
	}
}
