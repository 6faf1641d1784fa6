package storetest

import (
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
	e.fails(e.s.EndRefresh(e.ctx, g, l, 1, store.RefreshDone, t0), store.ErrNotFound, "EndRefresh")
	e.fails(errOf(e.s.Grant(e.ctx, g)), store.ErrNotFound, "Grant")
	_, unknown := e.newRoot()
	e.fails(e.s.ReplaceGrant(e.ctx, e.replacement(unknown, 1)), store.ErrNotFound, "ReplaceGrant")
}

func refreshArguments(e *env) {
	g := e.root().Grant
	before := e.grantState(g)
	e.refused(e.beginErr(g, store.LeaseID{}, t0), "BeginRefresh without lease")
	e.refused(errOf(e.s.BeginRefresh(e.ctx, g, e.leaseID(), t0, 0)), "BeginRefresh without duration")
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
	e.refused(e.s.EndRefresh(e.ctx, g, lease, 1, 0, t0), "EndRefresh without outcome")
	e.refused(e.s.EndRefresh(e.ctx, g, lease, 1, 5, t0), "EndRefresh with an unknown outcome")
	e.refused(e.s.EndRefresh(e.ctx, g, lease, 0, store.RefreshDone, t0), "EndRefresh without generation")
	e.refused(e.s.EndRefresh(e.ctx, g, store.LeaseID{}, 1, store.RefreshDone, t0), "EndRefresh without lease")
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
		e.equal(got.InDoubt, false, "in doubt")
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
		e.equal(r.InDoubt, false, "in doubt")
		want = granted(r.Generation+1, e.commit(g, second, r.Generation).Token)
	}
	e.recommit(c, "the first one again")
	e.wantGrant(g, want)
}

// proves P5
func refreshDoubt(e *env) {
	root, _, next, r := e.followed()
	g, until := root.Grant, t0.Add(ttl)
	e.equal(r, store.Refresh{RefreshState: e.grantState(g), Until: (until + 1).Add(ttl), InDoubt: true, Doubt: until}, "BeginRefresh after a lease lapsed")
	e.equal(e.begin(g, next, until+2).InDoubt, true, "in doubt, asked again")

	// These outcomes leave the doubt as it is.
	for i, o := range []store.Outcome{store.RefreshNotSent, store.RefreshUnknown} {
		e.end(g, next, 1, o)
		next = e.leaseID()
		r := e.begin(g, next, until+store.Micros(i)+3)
		e.equal(r.InDoubt, true, "in doubt after outcome %d", o)
		e.equal(r.Doubt, until, "doubt since, after outcome %d", o)
	}
	e.end(g, next, 1, store.RefreshDone)
	r = e.begin(g, e.leaseID(), until+10)
	e.equal(r.InDoubt, false, "in doubt after a refresh was done")

	// The last of several doubts counts.
	first := e.begin(g, e.leaseID(), r.Until+1)
	e.equal(first.InDoubt, true, "in doubt")
	e.equal(e.begin(g, e.leaseID(), first.Until+1).Doubt, first.Until, "doubt since")
	if first.Until <= first.Doubt {
		e.Errorf("the second lease lapsed at %d, the first at %d", first.Until, first.Doubt)
	}
}

// proves P5
func refreshLateCommit(e *env) {
	root, lapsed, next, r := e.followed()
	now := t0.Add(ttl) + 2
	e.equal(r.InDoubt, true, "in doubt")
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
	e.equal(r.InDoubt, false, "in doubt after commit and end")
	e.equal(r.Token, late.Token, "token")

	// Another lease's commit does not resolve the doubt that this one left.
	two, _, next, _ := e.followed()
	e.commit(two.Grant, e.leaseID(), 1)
	e.equal(e.begin(two.Grant, next, now).InDoubt, true, "in doubt after an unrelated commit")
}

func refreshLateEnd(e *env) {
	for _, o := range outcomes {
		root, lapsed, next, r := e.followed()
		now := t0.Add(ttl) + 1
		e.end(root.Grant, lapsed, 1, o)
		e.held(root.Grant, now, r.Until, "a third lease after the late end with outcome %d", o)
		e.equal(e.begin(root.Grant, next, now), r, "what the holder is told after the late end with outcome %d", o)
		e.wantDead(root, false, "a late end with outcome %d", o)

		// A lease that merely lapsed is ended as if it were in force.
		alone := e.root()
		now = e.begin(alone.Grant, lapsed, t0).Until + minute
		e.ok(e.s.EndRefresh(e.ctx, alone.Grant, lapsed, 1, o, now), "EndRefresh")
		if o == store.RefreshRefused {
			e.wantDead(alone, true, "the refusal of a lapsed lease")
			continue
		}
		e.equal(e.begin(alone.Grant, next, now).InDoubt, false, "in doubt after a late end with outcome %d", o)
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
				got[i], err = s.BeginRefresh(e.ctx, g, leases[i], now, ttl)
				return err
			})
			lost := func(err error) { e.busy(err, now.Add(ttl), "BeginRefresh that lost") }
			won := got[e.onlyOne(winners(errs, lost), "BeginRefresh")]
			e.equal(won.Until, now.Add(ttl), "until")
			e.equal(won.InDoubt, now != t0, "in doubt")
			now = now.Add(ttl + time.Second)
		}
	}
}
