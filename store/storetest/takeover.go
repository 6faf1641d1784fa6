package storetest

import "github.com/mytoken-go/sdk/store"

// left returns the doubt that a lease of a process has left.
func left(p store.Process, l store.LeaseID, lapsed store.Micros, settled bool) store.Doubt {
	return store.Doubt{Lease: l, Process: p.ID, Node: p.Node, Lapsed: lapsed, Settled: settled}
}

// nodeTakeOver: the lease of a process that is silent is free at once, and leaves a doubt.
//
// proves P5
func nodeTakeOver(e *env) {
	const alive = t0 + 5*second
	p := e.alive(alive)
	g, lease := e.root().Grant, e.leaseID()
	until := e.beginAs(p.ID, g, lease, t0).Until
	for _, now := range []store.Micros{t0, alive} {
		e.busy(e.beginErr(g, e.leaseID(), now), until, "the lease of a process that lives, at %d", now)
	}
	next := e.leaseID()
	r := e.begin(g, next, alive+1)
	e.equal(r.Until, (alive + 1).Add(ttl), "until")
	e.wantDoubts(r, left(p, lease, alive+1, false))
	e.busy(e.beginErr(g, lease, alive+1), r.Until, "the lease before, for its holder")
	e.end(g, next, 1, store.RefreshNotSent)
	e.wantDoubts(e.begin(g, next, alive+2), left(p, lease, alive+1, false))

	// A process that nobody knows may live.
	for _, silent := range []store.ProcessID{{}, e.processID()} {
		g, lease := e.root().Grant, e.leaseID()
		until := e.beginAs(silent, g, lease, t0).Until
		e.busy(e.beginErr(g, e.leaseID(), until), until, "a lease whose process has no heartbeat")
		e.wantDoubts(e.begin(g, e.leaseID(), until+1), store.Doubt{Lease: lease, Process: silent, Lapsed: until})
	}

	// A lease that lapses does so whether or not its process lives.
	q := e.alive(t0 + day)
	g, lease = e.root().Grant, e.leaseID()
	until = e.beginAs(q.ID, g, lease, t0).Until
	e.busy(e.beginErr(g, e.leaseID(), until), until, "the lease of a process that lives")
	e.wantDoubts(e.begin(g, e.leaseID(), until+1), left(q, lease, until, false))
}

// nodeSettled: the lease of a settled process is free at once, and its doubts are settled.
//
// proves P5
func nodeSettled(e *env) {
	p := e.alive(t0 + day)
	g, other, lease, next := e.root().Grant, e.root().Grant, e.leaseID(), e.leaseID()
	until := e.beginAs(p.ID, other, lease, t0).Until
	e.wantDoubts(e.begin(other, next, until+1), left(p, lease, until, false))

	e.beginAs(p.ID, g, lease, t0)
	e.busy(e.beginErr(g, next, t0), until, "the lease of a process that lives")
	e.settle(p)
	e.wantDoubts(e.begin(g, next, t0+1), left(p, lease, t0+1, true))
	for _, l := range []store.LeaseID{next, e.leaseID()} { // its holder asks again, and so does the next one
		e.wantDoubts(e.begin(other, l, until+2), left(p, lease, until, true))
		e.end(other, l, 1, store.RefreshUnknown)
	}
}

// nodeVolatile: nothing is left of a volatile process once its heartbeat has lapsed. As
// long as it lives, something may arrive.
//
// proves P5
func nodeVolatile(e *env) {
	const alive = t0 + 5*second
	v := e.newVolatile()
	e.beat(v, alive)
	g, lease, next := e.root().Grant, e.leaseID(), e.leaseID()
	e.beginAs(v.ID, g, lease, t0)
	e.wantDoubts(e.begin(g, next, alive+1), left(v, lease, alive+1, true))
	e.beat(v, t0+hour) // it lives after all
	e.wantDoubts(e.begin(g, next, alive+2), left(v, lease, alive+1, false))
	e.wantDoubts(e.begin(g, next, t0+hour), left(v, lease, alive+1, false))
	e.wantDoubts(e.begin(g, next, t0+hour+1), left(v, lease, alive+1, true))
}

// nodeArrives: whatever the holder of a lease that was taken over still brings is kept.
//
// proves P5
func nodeArrives(e *env) {
	for _, dead := range []func(store.Process){func(p store.Process) { e.settle(p) }, func(store.Process) {}} {
		p := e.alive(t0 + second)
		g, lease, next := e.root().Grant, e.leaseID(), e.leaseID()
		e.beginAs(p.ID, g, lease, t0)
		dead(p)
		now := t0 + 2*second
		e.equal(len(e.begin(g, next, now).Doubts), 1, "doubts")
		late := e.commit(g, lease, 1)
		r := e.begin(g, next, now)
		e.wantDoubts(r)
		e.equal(r.RefreshState, granted(2, late.Token), "what the holder is told")
		e.end(g, lease, 1, store.RefreshDone) // ends nothing
		e.held(g, now, r.Until, "another lease")
	}
	// It had got nothing, and says so.
	p := e.alive(t0 + second)
	g, lease, next := e.root().Grant, e.leaseID(), e.leaseID()
	e.beginAs(p.ID, g, lease, t0)
	e.begin(g, next, t0+2*second)
	e.end(g, lease, 1, store.RefreshUnknown)
	e.wantDoubts(e.begin(g, next, t0+2*second))
}

// nodeProlong: a lease belongs to the process that took or prolonged it last.
func nodeProlong(e *env) {
	p, q := e.alive(t0+hour), e.alive(t0+hour)
	g, lease := e.root().Grant, e.leaseID()
	e.beginAs(p.ID, g, lease, t0)
	e.beginAs(q.ID, g, lease, t0)
	e.settle(p)
	e.held(g, t0, t0.Add(ttl), "a lease that another process has prolonged")
	e.settle(q)
	e.wantDoubts(e.begin(g, e.leaseID(), t0), left(q, lease, t0, true))

	// A caller without a process takes a lease: the one before does not matter any more.
	third := e.alive(t0 + hour)
	g, lease = e.root().Grant, e.leaseID()
	e.beginAs(third.ID, g, lease, t0)
	e.end(g, lease, 1, store.RefreshDone)
	e.begin(g, lease, t0)
	e.settle(third)
	e.held(g, t0, t0.Add(ttl), "the lease of a caller without a process")
}

// proves P5
func nodeTakeOverParallel(e *env) {
	for round := range e.rounds {
		p := e.alive(t0 + second)
		if round%2 == 0 {
			e.settle(p)
			p = e.alive(t0 + second)
		}
		g, dead, now := e.root().Grant, e.leaseID(), t0+2*second
		e.beginAs(p.ID, g, dead, t0)
		leases := several(callers, e.leaseID)
		var got [callers]store.Refresh
		errs := e.atOnce(callers, func(i int, s store.Store) (err error) {
			got[i], err = s.BeginRefresh(e.ctx, beginning(g, leases[i], now))
			return err
		})
		won := got[e.onlyOne(winners(errs, func(err error) { e.busy(err, now.Add(ttl), "BeginRefresh that lost") }), "BeginRefresh")]
		e.wantDoubts(won, left(p, dead, now, false))
	}
}

// nodeLeaseRace: a process is settled while it takes leases, with a use or without one.
// It may still get them, but keeps nobody out: they have ended, and their doubts are
// settled.
//
// proves P5
func nodeLeaseRace(e *env) {
	for range e.rounds {
		p := e.alive(t0 + day)
		roots := several(callers, func() *tok { return e.root(at(unlimited, none)) })
		uses := several(callers, func() store.Use {
			u := e.leasing(e.leaseID(), 0)
			u.Lease.Process, u.Now = p.ID, t0
			return u
		})
		var got [callers]bool
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			switch {
			case i == callers:
				return s.Settle(e.ctx, []store.ProcessID{p.ID}, t0)
			case i%2 == 0:
				spent, err := s.Spend(e.ctx, roots[i].Presented, uses[i])
				got[i] = spent.Refresh != nil
				return err
			}
			b := beginning(roots[i].Grant, uses[i].Lease.ID, t0)
			b.Process = p.ID
			_, err := s.BeginRefresh(e.ctx, b)
			got[i] = err == nil
			return err
		})
		for i, k := range roots {
			if i%2 == 1 && !got[i] {
				e.fails(errs[i], store.ErrConflict, "BeginRefresh of a process that was settled")
			} else {
				e.ok(errs[i], "a step beside Settle")
			}
			var want []store.Doubt
			if got[i] {
				want = append(want, left(p, uses[i].Lease.ID, t0+1, true))
			}
			e.wantDoubts(e.begin(k.Grant, e.leaseID(), t0+1), want...)
		}
		e.ok(errs[callers], "Settle")
	}
}
