package storetest

import (
	"github.com/mytoken-go/sdk/store"
)

func revokeCases() []testCase {
	return []testCase{
		{name: "recursive ends the subtree", run: revokeRecursive},
		{name: "alone spares the children", run: revokeAlone},
		{name: "is raised and never lowered", run: revokeRaised},
		{name: "again is a success", run: revokeAgain},
		{name: "unknown token and bad arguments", run: revokeUnknown},
		{name: "erases short tokens and codes", run: revokeTickets},
		{name: "tells whether a live token is left", run: revokeLiveLeft},
		{name: "finds the one live token among many", run: revokeLiveLeftOfMany},
		{name: "returns what the provider needs", run: revokeRefresh},
		{name: "leaves no survivor of a race", run: revokeRace},
		{name: "ends uses that race it", run: revokeRacingUses},
		{name: "of the last tokens at once tells so", run: revokeLastAtOnce},
	}
}

// proves P6
func revokeRecursive(e *env) {
	root := e.root()
	child := e.child(root)
	grandchild := e.child(child)
	sibling := e.child(root)
	out, err := e.s.Revoke(e.ctx, store.Revocation{Token: child.id(), Recursive: true, Event: event("MT_revoked", t0), Now: t0 + 7})
	e.ok(err, "Revoke")
	e.equal(out.Grant, child.Grant, "grant")
	for _, k := range []*tok{child, grandchild} {
		for range nodes {
			_, err := e.s.Lookup(e.ctx, k.Presented, t0)
			e.fails(err, store.ErrRevoked, "Lookup")
		}
		e.equal(e.info(k.id()).Live, false, "live")
	}
	e.equal(e.info(child.id()).Revoked, t0+7, "the tombstone of the token")
	e.equal(e.info(grandchild.id()).Revoked, store.Micros(0), "a tombstone of its descendant")
	for _, k := range []*tok{root, sibling} {
		_, err := e.s.Lookup(e.ctx, k.Presented, t0)
		e.ok(err, "Lookup of a token that is not below")
		e.equal(e.info(k.id()).Live, true, "live")
	}
	e.equal(e.history(child.id()), []string{"MT_revoked"}, "history")
	e.equal(e.history(grandchild.id(), root.id(), sibling.id()), []string(nil), "other histories")
	late := e.newChild(grandchild)
	_, err = e.s.CreateChild(e.ctx, grandchild.Presented, e.uncounted(), late)
	e.fails(err, store.ErrRevoked, "CreateChild below a revoked token")
}

// proves P6
func revokeAlone(e *env) {
	root := e.root()
	child := e.child(root)
	grandchild := e.child(child)
	e.equal(e.revoke(child.id(), false), true, "a live token is left")
	_, err := e.s.Lookup(e.ctx, child.Presented, t0)
	e.fails(err, store.ErrRevoked, "Lookup of the token")
	_, err = e.s.Lookup(e.ctx, grandchild.Presented, t0)
	e.ok(err, "Lookup of its child")
	e.equal(e.info(grandchild.id()).Ancestors, []store.TokenID{child.id(), root.id()}, "ancestors of its child")
	e.child(grandchild)

	// It still lives below the token's ancestors.
	e.revoke(root.id(), true)
	_, err = e.s.Lookup(e.ctx, grandchild.Presented, t0)
	e.fails(err, store.ErrRevoked, "Lookup of its child, root revoked")
}

// proves P6
func revokeRaised(e *env) {
	root := e.root()
	child := e.child(root)
	e.revoke(root.id(), false)
	_, err := e.s.Lookup(e.ctx, child.Presented, t0)
	e.ok(err, "Lookup of the child")
	e.revoke(root.id(), true)
	_, err = e.s.Lookup(e.ctx, child.Presented, t0)
	e.fails(err, store.ErrRevoked, "Lookup of the child after it was raised")
	e.revoke(root.id(), false)
	_, err = e.s.Lookup(e.ctx, child.Presented, t0)
	e.fails(err, store.ErrRevoked, "Lookup of the child: it is never lowered")
}

// proves P8
func revokeAgain(e *env) {
	root := e.root()
	child := e.child(root)
	r := store.Revocation{Token: root.id(), Event: event("MT_revoked", t0), Now: t0 + 7}
	for i := range nodes {
		r.Now = t0 + 7 + store.Micros(i)
		out, err := e.s.Revoke(e.ctx, r)
		e.ok(err, "Revoke")
		e.equal(out.LiveLeft, true, "a live token is left")
	}
	e.equal(e.info(root.id()).Revoked, t0+7, "the first tombstone stays")
	e.equal(e.history(root.id()), []string{"MT_revoked"}, "history")
	e.revoke(child.id(), true)
	out, err := e.s.Revoke(e.ctx, r)
	e.ok(err, "Revoke")
	e.equal(out.LiveLeft, false, "a live token is left, reported afresh")
}

func revokeUnknown(e *env) {
	_, err := e.s.Revoke(e.ctx, store.Revocation{Token: e.tokenID(), Recursive: true, Now: t0})
	e.fails(err, store.ErrNotFound, "an unknown token")
	_, err = e.s.Revoke(e.ctx, store.Revocation{Now: t0})
	e.refused(err, "no token")
	root := e.root()
	_, err = e.s.Revoke(e.ctx, store.Revocation{Token: root.id()})
	e.refused(err, "no instant")
	e.equal(e.info(root.id()).Live, true, "live")
}

// proves P6, P7
func revokeTickets(e *env) {
	root := e.root()
	child := e.child(root)
	sibling := e.child(root)
	code, short, below, spared := e.newCode(root), e.newShort(root), e.newShort(child), e.newShort(sibling)
	spared.Token = e.root().id()
	free := e.newTicket(store.TicketPolling)
	e.put(code, short, below, spared, free)
	e.revoke(root.id(), true)
	for _, t := range []store.Ticket{code, short, below} {
		e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "a ticket of a revoked token")
		err := e.s.ChangeTickets(e.ctx, store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{t.TicketRef}}, t0)
		e.fails(err, store.ErrTicketNotFound, "Consume")
	}
	e.fails(e.s.TakeTicket(e.ctx, code.TicketRef, e.useID(), store.Event{}, t0), store.ErrTicketNotFound, "TakeTicket")
	e.equal(e.resolve(spared.TicketRef), spared, "the short token of another token")
	e.equal(e.resolve(free.TicketRef), free, "a ticket of no token")
}

func revokeLiveLeft(e *env) {
	// Single tokens.
	e.equal(e.revoke(e.root().id(), true), false, "the only token")
	root := e.root()
	a, b := e.child(root), e.child(root)
	c := e.child(b)
	e.root() // another grant's
	e.equal(e.revoke(a.id(), true), true, "root and b live")
	e.equal(e.revoke(root.id(), false), true, "b and c live")
	e.equal(e.revoke(b.id(), false), true, "c lives")
	e.equal(e.revoke(c.id(), false), false, "nothing lives")

	// Expired tokens are not alive.
	expiring := e.root()
	short := e.newChild(expiring)
	short.Expires = t0 + minute
	_, err := e.s.CreateChild(e.ctx, expiring.Presented, e.uncounted(), short)
	e.ok(err, "CreateChild")
	for _, x := range []struct {
		now  store.Micros
		want bool
	}{{t0, true}, {t0 + hour, false}} {
		out, err := e.s.Revoke(e.ctx, store.Revocation{Token: expiring.id(), Now: x.now})
		e.ok(err, "Revoke")
		e.equal(out.LiveLeft, x.want, "a live token is left at %d", x.now)
	}

	// What counts is the expiry of the current generation; none is never.
	rotating := e.root()
	forever := e.newChild(rotating)
	forever.Expires = t0 + minute
	_, err = e.s.CreateChild(e.ctx, rotating.Presented, e.uncounted(), forever)
	e.ok(err, "CreateChild")
	r := e.rotation(&tok{forever, present(forever)}, grace)
	r.Expires = 0
	_, err = e.s.Rotate(e.ctx, r)
	e.ok(err, "Rotate")
	out, err := e.s.Revoke(e.ctx, store.Revocation{Token: rotating.id(), Now: t0 + 1000*day})
	e.ok(err, "Revoke")
	e.equal(out.LiveLeft, true, "a token without expiry is left")

	// A descendant that died with an ancestor is not alive.
	top := e.root()
	e.child(e.child(top))
	e.equal(e.revoke(top.id(), true), false, "the whole tree")
}

func revokeLiveLeftOfMany(e *env) {
	const many = 110
	root := e.root()
	var children []*tok
	for range many {
		children = append(children, e.child(root))
	}
	e.revoke(root.id(), false)
	for i, k := range children[:many-1] {
		if !e.revoke(k.id(), false) {
			e.Fatalf("no live token is left after %d of %d were revoked", i+2, many+1)
		}
	}
}

func revokeRefresh(e *env) {
	root := e.root()
	child, other := e.child(root), e.root()
	lease := e.leaseID()
	commits := []store.Commit{
		{Grant: root.Grant, Lease: lease, Generation: 1, Token: e.sealed(), Now: t0},
		{Grant: root.Grant, Lease: e.leaseID(), Generation: 1, Token: e.sealed(), Now: t0},
	}
	for _, c := range commits {
		e.ok(e.s.CommitRefresh(e.ctx, c), "CommitRefresh")
	}
	want := store.RefreshState{
		Generation: 2, Token: commits[0].Token, Spares: []store.Spare{{Generation: 2, Token: commits[1].Token}},
		Scope: grantScope, Audience: grantAudience,
	}
	revokeBy := func(by store.Presented) store.Revoked {
		e.Helper()
		out, err := e.s.Revoke(e.ctx, store.Revocation{Token: child.id(), Recursive: true, By: by, Now: t0})
		e.ok(err, "Revoke")
		e.equal(out.Grant, root.Grant, "grant")
		e.equal(out.Refresh, want, "refresh token")
		return out
	}
	e.equal(revokeBy(store.Presented{}).Key, store.Sealed(nil), "key without authorising token")
	e.equal(revokeBy(root.Presented).Key, root.Key, "key for the authorising token")
	e.equal(revokeBy(child.Presented).Key, child.Key, "key for the revoked token itself")
	e.equal(revokeBy(other.Presented).Key, store.Sealed(nil), "key for a token of another grant")
	forged := root.Presented
	forged.Sum = e.sum()
	e.equal(revokeBy(forged).Key, store.Sealed(nil), "key for a forged token")
	ahead := root.Presented
	ahead.Seq++
	e.equal(revokeBy(ahead).Key, store.Sealed(nil), "key for a generation to come")
	unknown := root.Presented
	unknown.ID = e.tokenID()
	e.equal(revokeBy(unknown).Key, store.Sealed(nil), "key for an unknown token")
	next, r := e.rotate(root, grace)
	e.equal(revokeBy(root.Presented).Key, store.Sealed(nil), "key for an outdated token")
	e.equal(revokeBy(next.Presented).Key, r.Key, "key for the successor")
}

// proves P6: children that are made while an ancestor is being revoked are
// refused or die with it, whatever the store was doing in between.
func revokeRace(e *env) {
	for round := range e.rounds {
		const callers, each = 2 * nodes, 3
		root := e.root(store.Clause{AT: 50, Other: store.Unlimited, Draws: store.NoClause})
		middle := e.child(root, store.Clause{AT: 50, Other: 50, Draws: 0})
		parents := []*tok{root, middle, e.child(middle, store.Clause{AT: 50, Other: 50, Draws: 0})}
		revoked := parents[round%2]
		var (
			children [callers][each]store.Token
			uses     [callers][each]store.Use
			errs     [callers][each]error
			after    [callers][each]error // Lookup after Revoke has returned
			done     = make(chan struct{})
			revErr   error
		)
		for i := range children {
			for j := range each {
				// The first below an old token, the others below the one before.
				parent := parents[max(i%3, round%2)]
				children[i][j] = e.newChild(parent, store.Clause{AT: 50, Other: 50, Draws: 0})
				uses[i][j] = e.use(store.UseOther, 0)
			}
		}
		e.parallel(callers+1, func(i int, s store.Store) {
			if i == callers {
				_, revErr = s.Revoke(e.ctx, store.Revocation{Token: revoked.id(), Recursive: true, Now: t0})
				close(done)
				return
			}
			parent := parents[max(i%3, round%2)].Presented
			for j := range each {
				_, errs[i][j] = s.CreateChild(e.ctx, parent, uses[i][j], children[i][j])
				if errs[i][j] == nil {
					parent = present(children[i][j])
				}
			}
			<-done
			for j := range each {
				_, after[i][j] = s.Lookup(e.ctx, present(children[i][j]), t0)
			}
		})
		e.ok(revErr, "Revoke")
		made := 0
		for i := range children {
			for j := range each {
				if errs[i][j] != nil {
					e.fails(errs[i][j], store.ErrRevoked, "CreateChild that lost the race")
					e.fails(after[i][j], store.ErrNotFound, "Lookup of a child that was refused")
					continue
				}
				made++
				e.fails(after[i][j], store.ErrRevoked, "Lookup of a child made during the revocation")
				_, err := e.s.Spend(e.ctx, present(children[i][j]), e.use(store.UseAT, 0))
				e.fails(err, store.ErrRevoked, "Spend of a child made during the revocation")
			}
		}
		survivors := 0
		for _, info := range collect(e, func(p store.Page) ([]store.TokenInfo, string, error) { return e.s.Subtree(e.ctx, revoked.id(), p) }, 100) {
			if info.Live {
				survivors++
			}
		}
		e.equal(survivors, 0, "live tokens in the revoked subtree")
		e.equal(len(e.list(root.Owner)), 3+made, "tokens")
	}
}

// proves P6: no use that begins after Revoke has returned succeeds.
func revokeRacingUses(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root(at(store.Unlimited, store.NoClause))
		child := e.child(root, at(store.Unlimited, 0))
		var (
			during, later [callers]store.Use
			errs, late    [callers]error
			done          = make(chan struct{})
			revErr        error
		)
		for i := range during {
			during[i], later[i] = e.use(store.UseAT, 0), e.use(store.UseAT, 0)
		}
		e.parallel(callers+1, func(i int, s store.Store) {
			if i == callers {
				_, revErr = s.Revoke(e.ctx, store.Revocation{Token: root.id(), Recursive: true, Now: t0})
				close(done)
				return
			}
			_, errs[i] = s.Spend(e.ctx, child.Presented, during[i])
			<-done
			_, late[i] = s.Spend(e.ctx, child.Presented, later[i])
		})
		e.ok(revErr, "Revoke")
		delivered := int64(0)
		for i := range errs {
			if errs[i] == nil {
				delivered++
			} else {
				e.fails(errs[i], store.ErrRevoked, "Spend during the revocation")
			}
			e.fails(late[i], store.ErrRevoked, "Spend after the revocation")
		}
		e.equal(e.used(child), []int64{delivered}, "uses")
	}
}

// proves P6: somebody learns that the refresh token is not needed any more.
func revokeLastAtOnce(e *env) {
	for round := range e.rounds {
		root := e.root()
		last := []*tok{root, e.child(root), e.child(root)}
		var (
			out  [3]store.Revoked
			errs [3]error
		)
		e.parallel(3, func(i int, s store.Store) {
			out[i], errs[i] = s.Revoke(e.ctx, store.Revocation{Token: last[i].id(), Recursive: round%2 == 1, Now: t0})
		})
		none := false
		for i, err := range errs {
			e.ok(err, "Revoke")
			none = none || !out[i].LiveLeft
		}
		if !none {
			e.Errorf("three revocations that left no live token all report that one may be left")
		}
	}
}
