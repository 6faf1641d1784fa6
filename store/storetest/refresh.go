package storetest

import (
	"time"

	"github.com/mytoken-go/sdk/store"
)

func refreshCases() []testCase {
	return []testCase{
		{name: "unknown grant", run: refreshUnknown},
		{name: "bad arguments are refused", run: refreshArguments},
		{name: "lease keeps others out", run: refreshLease},
		{name: "holder prolongs its lease", run: refreshProlong},
		{name: "commit moves the grant on", run: refreshCommit},
		{name: "lapsed lease leaves a doubt", run: refreshDoubt},
		{name: "late commit resolves the doubt", run: refreshLateCommit},
		{name: "late end does not touch the next lease", run: refreshLateEnd},
		{name: "parallel leases have one holder", run: refreshParallel},
	}
}

func (e *env) begin(g store.GrantID, l store.LeaseID, now store.Micros) store.Refresh {
	e.Helper()
	r, err := e.s.BeginRefresh(e.ctx, g, l, now, ttl)
	e.ok(err, "BeginRefresh")
	return r
}

func (e *env) commit(g store.GrantID, l store.LeaseID, generation uint64) store.Commit {
	e.Helper()
	c := store.Commit{Grant: g, Lease: l, Generation: generation, Token: e.sealed(), Now: t0}
	e.ok(e.s.CommitRefresh(e.ctx, c), "CommitRefresh")
	return c
}

func (e *env) end(g store.GrantID, l store.LeaseID, generation uint64, o store.Outcome) {
	e.Helper()
	e.ok(e.s.EndRefresh(e.ctx, g, l, generation, o, t0), "EndRefresh")
}

func (e *env) grantState(g store.GrantID) store.RefreshState {
	e.Helper()
	s, err := e.s.Grant(e.ctx, g)
	e.ok(err, "Grant")
	return s
}

func (e *env) deadFor(k *tok) bool {
	e.Helper()
	s, err := e.s.Lookup(e.ctx, k.Presented, t0)
	e.ok(err, "Lookup")
	return s.Dead
}

func refreshUnknown(e *env) {
	g, l := e.grantID(), e.leaseID()
	_, err := e.s.BeginRefresh(e.ctx, g, l, t0, ttl)
	e.fails(err, store.ErrNotFound, "BeginRefresh")
	err = e.s.CommitRefresh(e.ctx, store.Commit{Grant: g, Lease: l, Generation: 1, Token: e.sealed(), Now: t0})
	e.fails(err, store.ErrNotFound, "CommitRefresh")
	e.fails(e.s.EndRefresh(e.ctx, g, l, 1, store.RefreshDone, t0), store.ErrNotFound, "EndRefresh")
	_, err = e.s.Grant(e.ctx, g)
	e.fails(err, store.ErrNotFound, "Grant")
	err = e.s.ReplaceGrant(e.ctx, store.Replacement{Grant: g, Owner: e.ownerID(), Lease: l, Generation: 1, Token: e.sealed(), Now: t0})
	e.fails(err, store.ErrNotFound, "ReplaceGrant")
}

func refreshArguments(e *env) {
	g := e.root().Grant
	before := e.grantState(g)
	_, err := e.s.BeginRefresh(e.ctx, g, store.LeaseID{}, t0, ttl)
	e.refused(err, "BeginRefresh without lease")
	_, err = e.s.BeginRefresh(e.ctx, g, e.leaseID(), t0, 0)
	e.refused(err, "BeginRefresh without duration")
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
	_, err = e.s.BeginRefresh(e.ctx, g, e.leaseID(), t0, ttl)
	e.busy(err, t0.Add(ttl), "the lease, still in force")
	e.equal(e.grantState(g), before, "grant")
}

// proves P5
func refreshLease(e *env) {
	root := e.root()
	lease, other := e.leaseID(), e.leaseID()
	want := store.Refresh{RefreshState: e.grantState(root.Grant), Until: t0.Add(ttl)}
	e.equal(e.begin(root.Grant, lease, t0), want, "BeginRefresh")
	for _, now := range []store.Micros{t0, want.Until} {
		_, err := e.s.BeginRefresh(e.ctx, root.Grant, other, now, ttl)
		e.busy(err, want.Until, "another lease at %d", now)
	}
	e.equal(e.grantState(root.Grant), want.RefreshState, "Grant takes no lease and needs none")
	e.end(root.Grant, lease, 1, store.RefreshNotSent)
	want.Until = want.Until + 1
	e.equal(e.begin(root.Grant, other, t0+1), want, "BeginRefresh after the end")

	// An end is repeated without harm to the next lease.
	e.end(root.Grant, lease, 1, store.RefreshNotSent)
	_, err := e.s.BeginRefresh(e.ctx, root.Grant, e.leaseID(), t0, ttl)
	e.busy(err, want.Until, "a third lease")

	// Other grants are not concerned.
	e.begin(e.root().Grant, e.leaseID(), t0)
}

func refreshProlong(e *env) {
	root := e.root()
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	for i := range nodes {
		now := t0 + store.Micros(i)*second
		got := e.begin(root.Grant, lease, now)
		e.equal(got.Until, now.Add(ttl), "prolonged until")
		e.equal(got.InDoubt, false, "in doubt")
		_, err := e.s.BeginRefresh(e.ctx, root.Grant, e.leaseID(), got.Until, ttl)
		e.busy(err, got.Until, "another lease")
	}
	c := e.commit(root.Grant, lease, 1)
	got := e.begin(root.Grant, lease, t0+minute)
	e.equal(got, store.Refresh{RefreshState: store.RefreshState{Generation: 2, Token: c.Token, Scope: grantScope, Audience: grantAudience}, Until: (t0 + minute).Add(ttl)}, "BeginRefresh after the commit")
}

// proves P5, P8
func refreshCommit(e *env) {
	root := e.root()
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	c := e.commit(root.Grant, lease, 1)
	want := store.RefreshState{Generation: 2, Token: c.Token, Scope: grantScope, Audience: grantAudience}
	for range nodes {
		e.equal(e.grantState(root.Grant), want, "Grant")
		e.ok(e.s.CommitRefresh(e.ctx, c), "the same commit again")
	}
	e.end(root.Grant, lease, 1, store.RefreshDone)
	for range 2 {
		e.ok(e.s.CommitRefresh(e.ctx, c), "the same commit again, after the end")
	}
	e.equal(e.grantState(root.Grant), want, "Grant")
	ahead := store.Commit{Grant: root.Grant, Lease: e.leaseID(), Generation: 3, Token: e.sealed(), Now: t0}
	e.fails(e.s.CommitRefresh(e.ctx, ahead), store.ErrConflict, "a generation that the grant has not reached")
	e.equal(e.grantState(root.Grant), want, "Grant")

	// One lease, several refreshes; the first commit again is still a repeat.
	second := e.leaseID()
	for i := range 3 {
		r := e.begin(root.Grant, second, t0+store.Micros(i))
		e.equal(r.Generation, uint64(2+i), "generation")
		e.equal(r.InDoubt, false, "in doubt")
		want.Token, want.Generation = e.commit(root.Grant, second, r.Generation).Token, r.Generation+1
	}
	e.ok(e.s.CommitRefresh(e.ctx, c), "the first commit again")
	e.equal(e.grantState(root.Grant), want, "Grant")
}

// proves P5
func refreshDoubt(e *env) {
	root := e.root()
	lapsed, next := e.leaseID(), e.leaseID()
	until := e.begin(root.Grant, lapsed, t0).Until
	r := e.begin(root.Grant, next, until+1)
	e.equal(r, store.Refresh{RefreshState: e.grantState(root.Grant), Until: (until + 1).Add(ttl), InDoubt: true, Doubt: until}, "BeginRefresh after a lease lapsed")
	e.equal(e.begin(root.Grant, next, until+2).InDoubt, true, "in doubt, asked again")

	// What changes nothing does not change the doubt either.
	for i, o := range []store.Outcome{store.RefreshNotSent, store.RefreshUnknown} {
		e.end(root.Grant, next, 1, o)
		next = e.leaseID()
		r := e.begin(root.Grant, next, until+store.Micros(i)+3)
		e.equal(r.InDoubt, true, "in doubt after outcome %d", o)
		e.equal(r.Doubt, until, "doubt since, after outcome %d", o)
	}
	e.end(root.Grant, next, 1, store.RefreshDone)
	r = e.begin(root.Grant, e.leaseID(), until+10)
	e.equal(r.InDoubt, false, "in doubt after a refresh was done")

	// Of several, the last one.
	r = e.begin(root.Grant, e.leaseID(), r.Until+1)
	first := r.Doubt
	e.equal(r.InDoubt, true, "in doubt")
	second := r.Until
	r = e.begin(root.Grant, e.leaseID(), r.Until+1)
	e.equal(r.Doubt, second, "doubt since")
	if second <= first {
		e.Errorf("the second lease lapsed at %d, the first at %d", second, first)
	}
}

// proves P5
func refreshLateCommit(e *env) {
	root := e.root()
	lapsed, next := e.leaseID(), e.leaseID()
	until := e.begin(root.Grant, lapsed, t0).Until
	e.equal(e.begin(root.Grant, next, until+1).InDoubt, true, "in doubt")
	late := e.commit(root.Grant, lapsed, 1)
	r := e.begin(root.Grant, next, until+2)
	e.equal(r, store.Refresh{RefreshState: store.RefreshState{Generation: 2, Token: late.Token, Scope: grantScope, Audience: grantAudience}, Until: (until + 2).Add(ttl)}, "the holder asks again")
	_, err := e.s.BeginRefresh(e.ctx, root.Grant, e.leaseID(), until+2, ttl)
	e.busy(err, r.Until, "another lease: the late commit ended none")

	// Nobody has followed yet: the commit leaves no doubt.
	alone := e.root()
	until = e.begin(alone.Grant, lapsed, t0).Until
	late = e.commit(alone.Grant, lapsed, 1)
	e.end(alone.Grant, lapsed, 1, store.RefreshDone)
	r = e.begin(alone.Grant, next, until+1)
	e.equal(r.InDoubt, false, "in doubt after commit and end")
	e.equal(r.Token, late.Token, "token")

	// Another lease's commit does not resolve the doubt that this one left.
	two := e.root()
	until = e.begin(two.Grant, lapsed, t0).Until
	e.begin(two.Grant, next, until+1)
	e.commit(two.Grant, e.leaseID(), 1)
	e.equal(e.begin(two.Grant, next, until+2).InDoubt, true, "in doubt after an unrelated commit")
}

func refreshLateEnd(e *env) {
	for _, o := range []store.Outcome{store.RefreshDone, store.RefreshNotSent, store.RefreshUnknown, store.RefreshRefused} {
		root := e.root()
		lapsed, next := e.leaseID(), e.leaseID()
		until := e.begin(root.Grant, lapsed, t0).Until
		r := e.begin(root.Grant, next, until+1)
		e.end(root.Grant, lapsed, 1, o)
		_, err := e.s.BeginRefresh(e.ctx, root.Grant, e.leaseID(), until+1, ttl)
		e.busy(err, r.Until, "a third lease after the late end with outcome %d", o)
		e.equal(e.begin(root.Grant, next, until+1), r, "what the holder is told after the late end with outcome %d", o)
		e.equal(e.deadFor(root), false, "dead after a late end with outcome %d", o)

		// A lease that merely lapsed is ended as if it were in force.
		alone := e.root()
		until = e.begin(alone.Grant, lapsed, t0).Until
		e.ok(e.s.EndRefresh(e.ctx, alone.Grant, lapsed, 1, o, until+minute), "EndRefresh")
		if o == store.RefreshRefused {
			e.equal(e.deadFor(alone), true, "dead after the refusal of a lapsed lease")
			continue
		}
		e.equal(e.begin(alone.Grant, next, until+minute).InDoubt, false, "in doubt after a late end with outcome %d", o)
	}
}

// proves P5
func refreshParallel(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root()
		now := t0
		for range 2 { // the second time after a lease lapsed
			var (
				leases [callers]store.LeaseID
				got    [callers]store.Refresh
				errs   [callers]error
			)
			for i := range leases {
				leases[i] = e.leaseID()
			}
			e.parallel(callers, func(i int, s store.Store) { got[i], errs[i] = s.BeginRefresh(e.ctx, root.Grant, leases[i], now, ttl) })
			held := 0
			for i, err := range errs {
				if err == nil {
					held++
					e.equal(got[i].Until, now.Add(ttl), "until")
					e.equal(got[i].InDoubt, now != t0, "in doubt")
					continue
				}
				e.busy(err, now.Add(ttl), "BeginRefresh that lost")
			}
			e.equal(held, 1, "leases in force")
			now = now.Add(ttl + time.Second)
		}
	}
}
