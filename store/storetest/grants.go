package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

func grantCases() []testCase {
	return []testCase{
		{name: "overtaken commit becomes a spare", run: refreshSpare},
		{name: "shown spares are dropped in the end", run: refreshSparesDropped},
		{name: "refusal kills the grant", run: refreshDead},
		{name: "refusal of an old generation does not", run: refreshRefusedLate},
		{name: "spare revives a dead grant", run: refreshRevived},
		{name: "revoked tokens do not stop a commit", run: refreshRevoked},
		{name: "replacement", run: refreshReplace},
		{name: "replacement refused", run: refreshReplaceRefused},
		{name: "parallel commits lose no token", run: refreshParallelCommits},
		{name: "parallel replacements have one winner", run: refreshParallelReplacements},
		{name: "refusal that races a commit", run: refreshRefusalRace},
	}
}

// proves P5
func refreshSpare(e *env) {
	root := e.root()
	lapsed, next := e.leaseID(), e.leaseID()
	until := e.begin(root.Grant, lapsed, t0).Until
	e.begin(root.Grant, next, until+1)
	current := e.commit(root.Grant, next, 1)
	late := e.commit(root.Grant, lapsed, 1)
	want := store.RefreshState{
		Generation: 2, Token: current.Token, Spares: []store.Spare{{Generation: 2, Token: late.Token}}, Scope: grantScope, Audience: grantAudience,
	}
	for range nodes {
		e.equal(e.grantState(root.Grant), want, "Grant")
		e.ok(e.s.CommitRefresh(e.ctx, late), "the late commit again")
		e.ok(e.s.CommitRefresh(e.ctx, current), "the other commit again")
	}
	r := e.begin(root.Grant, next, until+1)
	e.equal(r.RefreshState, want, "what the holder is told")
	e.equal(r.InDoubt, false, "in doubt")
	e.end(root.Grant, next, 1, store.RefreshNotSent)

	// Newest first; at least MaxSpares are kept.
	var spares []store.Spare
	for range store.MaxSpares - 1 {
		spares = append(spares, store.Spare{Generation: 2, Token: e.commit(root.Grant, e.leaseID(), 1).Token})
	}
	slices.Reverse(spares)
	want.Spares = append(spares, want.Spares...)
	e.equal(e.grantState(root.Grant), want, "Grant")
	newest := e.commit(root.Grant, e.leaseID(), 1)
	got := e.grantState(root.Grant)
	want.Spares = append([]store.Spare{{Generation: 2, Token: newest.Token}}, want.Spares...)
	if len(got.Spares) < store.MaxSpares {
		e.Fatalf("%d spares are kept, want %d at least", len(got.Spares), store.MaxSpares)
	}
	want.Spares = want.Spares[:len(got.Spares)]
	e.equal(got, want, "Grant")
}

// proves P5
func refreshSparesDropped(e *env) {
	for _, o := range []store.Outcome{store.RefreshDone, store.RefreshNotSent, store.RefreshUnknown, store.RefreshRefused} {
		root := e.root()
		e.commit(root.Grant, e.leaseID(), 1)
		shown := e.commit(root.Grant, e.leaseID(), 1)
		lease := e.leaseID()
		e.equal(len(e.begin(root.Grant, lease, t0).Spares), 1, "spares shown")
		unseen := e.commit(root.Grant, e.leaseID(), 1)
		e.end(root.Grant, lease, 2, o)
		want := []store.Spare{{Generation: 2, Token: unseen.Token}}
		if o == store.RefreshNotSent || o == store.RefreshUnknown {
			want = append(want, store.Spare{Generation: 2, Token: shown.Token})
		}
		e.equal(e.grantState(root.Grant).Spares, want, "spares after outcome %d", o)

		// What was dropped does not come back with a repeated commit.
		e.ok(e.s.CommitRefresh(e.ctx, shown), "CommitRefresh again")
		e.equal(e.grantState(root.Grant).Spares, want, "spares after outcome %d and a repeated commit", o)

		// A spare that was not shown yet keeps the grant alive.
		e.equal(e.deadFor(root), false, "dead with an untried spare after outcome %d", o)
		e.equal(e.begin(root.Grant, e.leaseID(), t0).Spares, want, "spares shown next after outcome %d", o)
	}
}

// proves P5
func refreshDead(e *env) {
	root := e.root()
	child := e.child(root)
	lease := e.leaseID()
	before := e.begin(root.Grant, lease, t0).RefreshState
	e.equal(e.deadFor(root), false, "dead")
	for range 2 {
		e.end(root.Grant, lease, 1, store.RefreshRefused)
		for _, l := range []store.LeaseID{e.leaseID(), lease} {
			_, err := e.s.BeginRefresh(e.ctx, root.Grant, l, t0+hour, ttl)
			e.fails(err, store.ErrDead, "BeginRefresh")
		}
	}
	e.equal(e.deadFor(child), true, "dead, as any token of the grant sees it")
	e.equal(e.grantState(root.Grant), before, "Grant of a dead grant")
	e.equal(e.deadFor(e.root()), false, "another grant")
	_, err := e.s.Spend(e.ctx, child.Presented, e.uncounted())
	e.ok(err, "Spend: its tokens still live")

	moved := e.commit(root.Grant, lease, 1)
	e.equal(e.deadFor(root), false, "dead after a commit that moved the grant on")
	e.equal(e.begin(root.Grant, e.leaseID(), t0).Token, moved.Token, "token")
}

// proves P5
func refreshRefusedLate(e *env) {
	root := e.root()
	lapsed, next := e.leaseID(), e.leaseID()
	until := e.begin(root.Grant, lapsed, t0).Until
	e.begin(root.Grant, next, until+1)
	late := e.commit(root.Grant, lapsed, 1)
	e.end(root.Grant, next, 1, store.RefreshRefused)
	e.equal(e.deadFor(root), false, "dead after the refusal of what is not current any more")
	r := e.begin(root.Grant, e.leaseID(), t0)
	e.equal(r.Token, late.Token, "token")
	e.equal(r.InDoubt, false, "in doubt")
}

// proves P5
func refreshRevived(e *env) {
	root := e.root()
	slow := e.leaseID()
	until := e.begin(root.Grant, slow, t0).Until
	lease := e.leaseID()
	e.begin(root.Grant, lease, until+1)
	e.commit(root.Grant, lease, 1)
	e.end(root.Grant, lease, 1, store.RefreshDone)
	lease = e.leaseID()
	e.begin(root.Grant, lease, until+2)
	e.end(root.Grant, lease, 2, store.RefreshRefused)
	e.equal(e.deadFor(root), true, "dead")
	late := e.commit(root.Grant, slow, 1)
	e.equal(e.deadFor(root), false, "dead after the late commit")
	r := e.begin(root.Grant, e.leaseID(), until+3)
	e.equal(r.Spares, []store.Spare{{Generation: 2, Token: late.Token}}, "spares")
	e.equal(r.Generation, uint64(2), "generation")
}

// proves P5
func refreshRevoked(e *env) {
	root := e.root()
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	e.revoke(root.id(), true)
	c := e.commit(root.Grant, lease, 1)
	out, err := e.s.Revoke(e.ctx, store.Revocation{Token: root.id(), Recursive: true, By: root.Presented, Now: t0})
	e.ok(err, "Revoke")
	e.equal(out.Refresh.Token, c.Token, "the refresh token to be revoked at the provider")
	e.equal(out.Key, root.Key, "key")
	e.end(root.Grant, lease, 1, store.RefreshDone)
}

// proves P5, P8
func refreshReplace(e *env) {
	root := e.root()
	e.commit(root.Grant, e.leaseID(), 1)
	e.commit(root.Grant, e.leaseID(), 1) // a spare
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	e.end(root.Grant, lease, 2, store.RefreshRefused)
	e.equal(e.deadFor(root), true, "dead")
	state := e.newTicket(store.TicketState)
	short := e.newShort(root)
	e.put(state)
	r := store.Replacement{
		Grant: root.Grant, Owner: root.Owner, Lease: e.leaseID(), Generation: 2, Token: e.sealed(), Scope: "openid", Audience: "urn:example:c", Now: t0,
		Tickets: store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{state.TicketRef}, Put: []store.Ticket{short}},
	}
	want := store.RefreshState{Generation: 3, Token: r.Token, Scope: "openid", Audience: "urn:example:c"}
	for range nodes {
		e.ok(e.s.ReplaceGrant(e.ctx, r), "ReplaceGrant")
		e.equal(e.grantState(root.Grant), want, "Grant")
		e.equal(e.deadFor(root), false, "dead")
	}
	e.unresolved(state.TicketRef, t0, store.ErrTicketTaken, "the consumed state")
	e.equal(e.resolve(short.TicketRef), short, "the ticket that was put")
	_, err := e.s.Lookup(e.ctx, root.Presented, t0)
	e.ok(err, "Lookup: the tree lives on")

	// It is repeated even when the grant has moved on, and drops spares.
	spare := e.commit(root.Grant, e.leaseID(), 2)
	want.Spares = []store.Spare{{Generation: 3, Token: spare.Token}}
	e.ok(e.s.ReplaceGrant(e.ctx, r), "ReplaceGrant again")
	e.equal(e.grantState(root.Grant), want, "Grant")
	r2 := r
	r2.Lease, r2.Generation, r2.Token, r2.Tickets = e.leaseID(), 3, e.sealed(), store.TicketChanges{}
	r2.Scope, r2.Audience = "openid profile", ""
	e.ok(e.s.ReplaceGrant(e.ctx, r2), "another ReplaceGrant")
	want = store.RefreshState{Generation: 4, Token: r2.Token, Scope: "openid profile"}
	e.equal(e.grantState(root.Grant), want, "Grant")
	e.ok(e.s.ReplaceGrant(e.ctx, r), "the first ReplaceGrant again")
	e.equal(e.grantState(root.Grant), want, "Grant")

	// There is no doubt about a token that is not needed any more.
	until := e.begin(root.Grant, e.leaseID(), t0).Until
	lease = e.leaseID()
	e.equal(e.begin(root.Grant, lease, until+1).InDoubt, true, "in doubt")
	r3 := r2
	r3.Lease, r3.Generation, r3.Token = e.leaseID(), 4, e.sealed()
	e.ok(e.s.ReplaceGrant(e.ctx, r3), "a third ReplaceGrant")
	e.equal(e.begin(root.Grant, lease, until+1).InDoubt, false, "in doubt after a replacement")
}

func refreshReplaceRefused(e *env) {
	root := e.root()
	before := e.grantState(root.Grant)
	ticket := e.newTicket(store.TicketState)
	try := func(spoil func(*store.Replacement)) error {
		r := store.Replacement{
			Grant: root.Grant, Owner: root.Owner, Lease: e.leaseID(), Generation: 1, Token: e.sealed(), Now: t0,
			Tickets: store.TicketChanges{Put: []store.Ticket{ticket}},
		}
		spoil(&r)
		return e.s.ReplaceGrant(e.ctx, r)
	}
	e.refused(try(func(r *store.Replacement) { r.Owner = e.ownerID() }), "another owner")
	e.fails(try(func(r *store.Replacement) { r.Generation = 2 }), store.ErrConflict, "a generation to come")
	e.refused(try(func(r *store.Replacement) { r.Lease = store.LeaseID{} }), "no lease")
	e.refused(try(func(r *store.Replacement) { r.Token = nil }), "no token")
	e.refused(try(func(r *store.Replacement) { r.Generation = 0 }), "no generation")
	e.fails(try(func(r *store.Replacement) {
		r.Tickets.By, r.Tickets.Consume = e.useID(), []store.TicketRef{{Kind: store.TicketState, ID: e.ticketID()}}
	}), store.ErrTicketNotFound, "a missing ticket")
	e.equal(e.grantState(root.Grant), before, "Grant")
	e.unresolved(ticket.TicketRef, t0, store.ErrTicketNotFound, "the ticket of a refused replacement")
	e.commit(root.Grant, e.leaseID(), 1)
	e.fails(try(func(*store.Replacement) {}), store.ErrConflict, "an old generation")
}

// proves P5: nothing that a provider answered with is overwritten.
func refreshParallelCommits(e *env) {
	for range e.rounds {
		const callers = nodes
		root := e.root()
		var (
			commits [callers]store.Commit
			errs    [2 * callers]error
		)
		for i := range commits {
			commits[i] = store.Commit{Grant: root.Grant, Lease: e.leaseID(), Generation: 1, Token: e.sealed(), Now: t0}
		}
		e.parallel(2*callers, func(i int, s store.Store) { errs[i] = s.CommitRefresh(e.ctx, commits[i/2]) })
		for _, err := range errs {
			e.ok(err, "CommitRefresh")
		}
		got := e.grantState(root.Grant)
		e.equal(got.Generation, uint64(2), "generation")
		kept := []string{string(got.Token)}
		for _, s := range got.Spares {
			kept = append(kept, string(s.Token))
			e.equal(s.Generation, uint64(2), "generation of a spare")
		}
		var want []string
		for _, c := range commits {
			want = append(want, string(c.Token))
		}
		slices.Sort(kept)
		slices.Sort(want)
		e.equal(kept, want, "tokens that are kept")
	}
}

func refreshParallelReplacements(e *env) {
	for range e.rounds {
		const callers = nodes
		root := e.root()
		var (
			replacements [callers]store.Replacement
			errs         [callers]error
		)
		for i := range replacements {
			replacements[i] = store.Replacement{Grant: root.Grant, Owner: root.Owner, Lease: e.leaseID(), Generation: 1, Token: e.sealed(), Now: t0}
		}
		e.parallel(callers, func(i int, s store.Store) { errs[i] = s.ReplaceGrant(e.ctx, replacements[i]) })
		e.oneWinner(errs[:], store.ErrConflict, "ReplaceGrant")
		got := e.grantState(root.Grant)
		e.equal(got.Generation, uint64(2), "generation")
		for i, err := range errs {
			if err == nil {
				e.equal(got.Token, replacements[i].Token, "the winner's token")
			}
		}
	}
}

// proves P5: a refresh token that arrives while another one is refused keeps
// the grant alive, whoever comes first.
func refreshRefusalRace(e *env) {
	for round := range e.rounds {
		root := e.root()
		lapsed, holder := e.leaseID(), e.leaseID()
		until := e.begin(root.Grant, lapsed, t0).Until
		generation := uint64(1)
		if round%2 == 0 { // the late token becomes a spare
			e.commit(root.Grant, e.leaseID(), 1)
			generation = 2
		}
		e.begin(root.Grant, holder, until+1)
		late := store.Commit{Grant: root.Grant, Lease: lapsed, Generation: 1, Token: e.sealed(), Now: t0}
		var errs [2]error
		e.parallel(2, func(i int, s store.Store) {
			if i == 0 {
				errs[i] = s.CommitRefresh(e.ctx, late)
				return
			}
			errs[i] = s.EndRefresh(e.ctx, root.Grant, holder, generation, store.RefreshRefused, t0)
		})
		e.ok(errs[0], "CommitRefresh")
		e.ok(errs[1], "EndRefresh")
		r := e.begin(root.Grant, e.leaseID(), until+1)
		if generation == 1 {
			e.equal(r.Token, late.Token, "token")
		} else {
			e.equal(r.Spares, []store.Spare{{Generation: 2, Token: late.Token}}, "spares")
		}
	}
}
