package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// proves P5
func refreshSpare(e *env) {
	root, lapsed, next, r := e.followed()
	g, now := root.Grant, t0.Add(ttl)+1
	current, late := e.commit(g, next, 1), e.commit(g, lapsed, 1)
	want := granted(2, current.Token, store.Spare{Generation: 2, Token: late.Token})
	for range nodes {
		e.wantGrant(g, want)
		e.recommit(late, "the late one again")
		e.recommit(current, "the other one again")
	}
	r = e.begin(g, next, now)
	e.equal(r.RefreshState, want, "what the holder is told")
	e.wantDoubts(r)
	e.end(g, next, 1, store.RefreshNotSent)

	// Newest first. At least MaxSpares are kept.
	add := func() {
		want.Spares = slices.Insert(want.Spares, 0, store.Spare{Generation: 2, Token: e.commit(g, e.leaseID(), 1).Token})
	}
	for range store.MaxSpares - 1 {
		add()
	}
	e.wantGrant(g, want)
	add()
	got := e.grantState(g)
	if len(got.Spares) < store.MaxSpares {
		e.Fatalf("%d spares are kept, want %d at least", len(got.Spares), store.MaxSpares)
	}
	want.Spares = want.Spares[:len(got.Spares)]
	e.equal(got, want, "Grant")
}

// proves P5: only an answer with tokens, or the last refusal, gives spares up.
func refreshSparesDropped(e *env) {
	for _, o := range outcomes {
		root, lease := e.root(), e.leaseID()
		g := root.Grant
		e.commit(g, e.leaseID(), 1)
		shown := e.commit(g, e.leaseID(), 1)
		e.equal(len(e.begin(g, lease, t0).Spares), 1, "spares shown")
		unseen := e.commit(g, e.leaseID(), 1)
		e.end(g, lease, 2, o)
		want := []store.Spare{{Generation: 2, Token: unseen.Token}}
		if o != store.RefreshDone {
			want = append(want, store.Spare{Generation: 2, Token: shown.Token})
		}
		e.equal(e.grantState(g).Spares, want, "spares after outcome %d", o)

		// A repeated commit does not bring a dropped spare back.
		e.recommit(shown, "again")
		e.equal(e.grantState(g).Spares, want, "spares after outcome %d and a repeated commit", o)

		// A spare that no lease was shown yet keeps the grant alive, and unsuspected.
		e.wantDead(root, false, "outcome %d, with an untried spare", o)
		r := e.begin(g, lease, t0)
		e.equal(r.Spares, want, "spares shown next after outcome %d", o)
		e.equal(r.Suspect, store.Suspicion{}, "suspicion after outcome %d, with an untried spare", o)

		// The first refusal of everything keeps them, the second one does not.
		e.end(g, lease, 2, store.RefreshRefused)
		e.equal(e.grantState(g).Spares, want, "spares of a suspect grant")
		lease = e.leaseID()
		e.begin(g, lease, t0)
		e.end(g, lease, 2, store.RefreshRefused)
		e.wantDead(root, true, "the second refusal")
		e.equal(len(e.grantState(g).Spares), 0, "spares of a dead grant")
		e.recommit(shown, "when the grant is dead")
		e.wantDead(root, true, "a repeated commit")
	}
}

// proves P5
func refreshDead(e *env) {
	root, lease := e.root(), e.leaseID()
	child := e.child(root)
	before := e.begin(root.Grant, lease, t0).RefreshState
	e.wantDead(root, false, "BeginRefresh")
	e.end(root.Grant, lease, 1, store.RefreshRefused)
	e.begin(root.Grant, lease, t0)
	for range 2 {
		e.end(root.Grant, lease, 1, store.RefreshRefused)
		for _, l := range []store.LeaseID{e.leaseID(), lease} {
			e.fails(e.beginErr(root.Grant, l, t0+hour), store.ErrDead, "BeginRefresh")
		}
	}
	e.wantDead(child, true, "the refusals, as any token of the grant sees it")
	e.wantGrant(root.Grant, before)
	e.wantDead(e.root(), false, "the refusals of another grant")
	e.charge(child.Presented, e.uncounted()) // its tokens still live

	moved := e.commit(root.Grant, lease, 1)
	e.wantDead(root, false, "a commit that moved the grant on")
	r := e.begin(root.Grant, e.leaseID(), t0)
	e.equal(r.Token, moved.Token, "token")
	e.equal(r.Suspect, store.Suspicion{}, "suspicion after a commit")
}

// proves P5
func refreshRefusedLate(e *env) {
	root, lapsed, next, _ := e.followed()
	late := e.commit(root.Grant, lapsed, 1)
	e.end(root.Grant, next, 1, store.RefreshRefused)
	e.wantDead(root, false, "the refusal of what is not current any more")
	r := e.begin(root.Grant, e.leaseID(), t0)
	e.equal(r.Token, late.Token, "token")
	e.wantDoubts(r)
}

// proves P5
func refreshRevived(e *env) {
	root, slow, lease, _ := e.followed()
	g, until := root.Grant, t0.Add(ttl)
	e.commit(g, lease, 1)
	e.end(g, lease, 1, store.RefreshDone)
	e.kill(g, 2, until+2)
	e.wantDead(root, true, "the refusals")
	late := e.commit(g, slow, 1)
	e.wantDead(root, false, "the late commit")
	r := e.begin(g, e.leaseID(), until+hour)
	e.equal(r.Spares, []store.Spare{{Generation: 2, Token: late.Token}}, "spares")
	e.equal(r.Generation, uint64(2), "generation")
}

// proves P5
func refreshRevoked(e *env) {
	root, lease := e.root(), e.leaseID()
	e.begin(root.Grant, lease, t0)
	r := store.Revocation{Token: root.id(), Recursive: true, By: root.Presented, Now: t0}
	e.revokeAs(r)
	c := e.commit(root.Grant, lease, 1)
	out := e.revokeAs(r)
	e.equal(out.Refresh.Token, c.Token, "the refresh token to be revoked at the provider")
	e.equal(out.Key, root.Key, "key")
	e.end(root.Grant, lease, 1, store.RefreshDone)
}

// proves P5, P8
func refreshReplace(e *env) {
	root := e.root()
	g := root.Grant
	e.commit(g, e.leaseID(), 1)
	e.commit(g, e.leaseID(), 1) // a spare
	e.kill(g, 2, t0)
	e.wantDead(root, true, "the refusals")
	state, short := e.newTicket(store.TicketState), e.newShort(root)
	e.put(state)
	r := e.replacement(root, 2)
	r.Scope, r.Audience, r.Tickets = "openid", "urn:example:c", e.consuming(state.TicketRef)
	r.Tickets.Put = []store.Ticket{short}
	want := store.RefreshState{Generation: 3, Token: r.Token, Scope: "openid", Audience: "urn:example:c"}
	for range nodes {
		e.replace(r)
		e.wantGrant(g, want)
		e.wantDead(root, false, "the replacement")
	}
	e.unresolved(state.TicketRef, t0, store.ErrTicketTaken, "the consumed state")
	e.wantTicket(short)
	e.lookup(root.Presented, t0) // the tree lives on

	// A repeat succeeds even when the grant has moved on. Another replacement drops the
	// spares.
	want.Spares = []store.Spare{{Generation: 3, Token: e.commit(g, e.leaseID(), 2).Token}}
	e.replace(r)
	e.wantGrant(g, want)
	r2 := e.replacement(root, 3)
	r2.Scope = "openid profile"
	want = store.RefreshState{Generation: 4, Token: r2.Token, Scope: "openid profile"}
	for _, again := range []store.Replacement{r2, r} {
		e.replace(again)
		e.wantGrant(g, want)
	}

	// A replacement ends the doubt: nobody needs the old refresh token any more.
	lease := e.leaseID()
	until := e.begin(g, e.leaseID(), t0).Until
	e.equal(len(e.begin(g, lease, until+1).Doubts), 1, "doubts")
	e.replace(e.replacement(root, 4))
	e.wantDoubts(e.begin(g, lease, until+1))
}

func refreshReplaceRefused(e *env) {
	root := e.root()
	before := e.grantState(root.Grant)
	ticket := e.newTicket(store.TicketState)
	try := func(spoil func(*store.Replacement)) error {
		r := e.replacement(root, 1)
		r.Tickets = putting(ticket)
		spoil(&r)
		return e.s.ReplaceGrant(e.ctx, r)
	}
	e.refused(try(func(r *store.Replacement) { r.Owner = e.ownerID() }), "another owner")
	e.fails(try(func(r *store.Replacement) { r.Generation = 2 }), store.ErrConflict, "a generation to come")
	e.refused(try(func(r *store.Replacement) { r.Lease = store.LeaseID{} }), "no lease")
	e.refused(try(func(r *store.Replacement) { r.Token = nil }), "no token")
	e.refused(try(func(r *store.Replacement) { r.Generation = 0 }), "no generation")
	e.fails(try(func(r *store.Replacement) {
		r.Tickets.By, r.Tickets.Consume = e.useID(), []store.TicketRef{e.unknown(store.TicketState)}
	}), store.ErrTicketNotFound, "a missing ticket")
	e.wantGrant(root.Grant, before)
	e.unresolved(ticket.TicketRef, t0, store.ErrTicketNotFound, "the ticket of a refused replacement")
	e.commit(root.Grant, e.leaseID(), 1)
	e.fails(try(func(*store.Replacement) {}), store.ErrConflict, "an old generation")
}

// proves P5: the store overwrites no refresh token that a provider returned.
func refreshParallelCommits(e *env) {
	for range e.rounds {
		g := e.root().Grant
		commits := several(nodes, func() store.Commit { return e.newCommit(g, e.leaseID(), 1) })
		e.allOK(e.atOnce(2*nodes, func(i int, s store.Store) error { return s.CommitRefresh(e.ctx, commits[i/2]) }), "CommitRefresh")
		got := e.grantState(g)
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
		e.equal(slices.Sorted(slices.Values(kept)), slices.Sorted(slices.Values(want)), "tokens that are kept")
	}
}

func refreshParallelReplacements(e *env) {
	for range e.rounds {
		root := e.root()
		replacements := several(nodes, func() store.Replacement { return e.replacement(root, 1) })
		errs := e.atOnce(nodes, func(i int, s store.Store) error { return s.ReplaceGrant(e.ctx, replacements[i]) })
		won := e.oneWinner(errs, store.ErrConflict, "ReplaceGrant")
		e.wantGrant(root.Grant, store.RefreshState{Generation: 2, Token: replacements[won].Token})
	}
}

// proves P5: a refresh token that arrives while the provider refuses another one keeps
// the grant alive, in either order.
func refreshRefusalRace(e *env) {
	for round := range e.rounds {
		g := e.root().Grant
		lapsed, holder := e.leaseID(), e.leaseID()
		until := e.begin(g, lapsed, t0).Until
		generation := uint64(1)
		if round%2 == 0 { // the late token becomes a spare
			e.commit(g, e.leaseID(), 1)
			generation = 2
		}
		e.begin(g, holder, until+1)
		late := e.newCommit(g, lapsed, 1)
		e.allOK(e.atOnce(2, func(i int, s store.Store) error {
			if i == 0 {
				return s.CommitRefresh(e.ctx, late)
			}
			return s.EndRefresh(e.ctx, ending(g, holder, generation, store.RefreshRefused))
		}), "CommitRefresh and EndRefresh")
		r := e.begin(g, e.leaseID(), until+1)
		if generation == 1 {
			e.equal(r.Token, late.Token, "token")
		} else {
			e.equal(r.Spares, []store.Spare{{Generation: 2, Token: late.Token}}, "spares")
		}
	}
}
