package storetest

import "github.com/mytoken-go/sdk/store"

// leaseRelaxedEnd: once it has returned, a relaxed end is seen as any other.
//
// proves P5
func leaseRelaxedEnd(e *env) {
	for _, o := range outcomes {
		root := e.root(at(unlimited, none))
		for range nodes {
			u := e.leasing(e.leaseID(), 0)
			if got := e.charge(root.Presented, u); got.Refresh == nil {
				e.Fatalf("after a relaxed end with outcome %d: the use has not taken the lease", o)
			}
			end := ending(root.Grant, u.Lease.ID, 1, o)
			if o == store.RefreshDone {
				end.Worked = "openid"
			}
			end.Relaxed = true
			e.endWith(end)
			if o == store.RefreshRefused {
				e.equal(e.grantState(root.Grant).Suspect.Refusals, 1, "refusals")
				break
			}
			if o == store.RefreshDone {
				e.equal(e.grantState(root.Grant).Worked, "openid", "scopes that worked")
			}
		}
	}

	// A late one resolves its doubt, and frees nobody else's lease.
	root, lapsed, next, r := e.followed()
	late := ending(root.Grant, lapsed, 1, store.RefreshDone)
	late.Relaxed = true
	for range 2 {
		e.endWith(late)
		e.held(root.Grant, t0.Add(ttl)+1, r.Until, "another lease after a late relaxed end")
	}
	e.wantDoubts(e.begin(root.Grant, next, t0.Add(ttl)+1))
	late.Grant = e.grantID()
	e.fails(e.s.EndRefresh(e.ctx, late), store.ErrNotFound, "EndRefresh of an unknown grant")

	// Nor does one that ends a lease which a use has taken after another one ended.
	root = e.root(at(unlimited, none))
	first, second := e.leasing(e.leaseID(), 0), e.leasing(e.leaseID(), 0)
	e.charge(root.Presented, first)
	end := ending(root.Grant, first.Lease.ID, 1, store.RefreshDone)
	end.Relaxed = true
	e.endWith(end)
	until := e.charge(root.Presented, second).Refresh.Until
	e.endWith(end)
	e.held(root.Grant, second.Now, until, "another lease after a repeated relaxed end")
}

// leaseCommitEnds: a commit may end its lease in the same step.
//
// proves P5, P8
func leaseCommitEnds(e *env) {
	root := e.root()
	g := root.Grant
	e.commit(g, e.leaseID(), 1) // moves the grant on
	e.commit(g, e.leaseID(), 1) // leaves a spare
	lapsed, lease := e.leaseID(), e.leaseID()
	until := e.begin(g, lapsed, t0).Until
	e.wantDoubts(e.begin(g, lease, until+1), doubted(lapsed, until))
	c := e.newCommit(g, lease, 2)
	c.Ends, c.Worked = true, "openid email"
	want := granted(3, c.Token)
	want.Worked = c.Worked
	for range nodes {
		e.recommit(c, "again")
		e.wantGrant(g, want) // neither spares nor doubts
	}
	next := e.leaseID()
	r := e.begin(g, next, until+2)
	e.equal(r, store.Refresh{RefreshState: want, Until: (until + 2).Add(ttl)}, "the next lease")
	e.recommit(c, "again, during another lease")
	e.held(g, until+2, r.Until, "a lease after a repeated commit")

	// A commit that did not say so may say so when it is repeated.
	c = e.commit(g, next, 3)
	e.held(g, until+2, r.Until, "a lease after a commit")
	c.Ends = true
	e.recommit(c, "now with an end")
	third := e.leaseID()
	r = e.begin(g, third, until+2)
	e.wantDoubts(r)
	e.equal(r.Generation, uint64(4), "generation")

	// One that comes late ends nobody else's lease.
	root, lapsed, next, r = e.followed()
	c = e.newCommit(root.Grant, lapsed, 1)
	c.Ends = true
	e.recommit(c, "late")
	e.held(root.Grant, t0.Add(ttl)+1, r.Until, "another lease after a late commit")
	r = e.begin(root.Grant, next, t0.Add(ttl)+1)
	e.wantDoubts(r)
	e.equal(r.Token, c.Token, "token")

	// One that brings an older refresh token ends the lease, too.
	root, lapsed, next, _ = e.followed()
	newer := e.commit(root.Grant, lapsed, 1)
	c = e.newCommit(root.Grant, next, 1)
	c.Ends = true
	for range nodes {
		e.recommit(c, "overtaken")
	}
	fourth := e.leaseID()
	r = e.begin(root.Grant, fourth, t0.Add(ttl)+2)
	e.wantDoubts(r)
	e.equal(r.Token, newer.Token, "token after an overtaken commit")
	e.equal(len(r.Spares), 1, "spares after an overtaken commit")

	// One that a new login has overtaken ends the lease, and says nothing about that login.
	other, held := e.root(), e.leaseID()
	e.begin(other.Grant, held, t0)
	login := e.replacement(other, 1)
	e.replace(login)
	c = e.newCommit(other.Grant, held, 1)
	c.Ends, c.Worked = true, "openid"
	e.recommit(c, "of the login before")
	after := e.begin(other.Grant, e.leaseID(), t0)
	e.wantDoubts(after)
	e.equal(after.Token, login.Token, "token of the new login")
	e.equal(after.Worked, "", "scopes that worked for the new login")

	// One that fails does not end the lease.
	c = e.newCommit(root.Grant, fourth, r.Generation+1)
	c.Ends = true
	e.fails(e.s.CommitRefresh(e.ctx, c), store.ErrConflict, "CommitRefresh of a generation to come")
	e.held(root.Grant, t0.Add(ttl)+2, r.Until, "another lease after a commit that failed")

	c = e.newCommit(g, third, 4)
	c.Worked = "openid"
	e.refused(e.s.CommitRefresh(e.ctx, c), "CommitRefresh with scopes that worked and without an end")
}
