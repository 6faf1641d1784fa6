package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// proves P6
func revokeRecursive(e *env) {
	root := e.root()
	child, sibling := e.child(root), e.child(root)
	grandchild := e.child(child)
	out := e.revokeAs(store.Revocation{Token: child.id(), Recursive: true, Event: event("MT_revoked", t0), Now: t0 + 7})
	e.equal(out.Grant, child.Grant, "grant")
	for _, k := range []*tok{child, grandchild} {
		for range nodes {
			e.fails(e.lookupErr(k.Presented, t0), store.ErrRevoked, "Lookup")
		}
		e.equal(e.info(k.id()).Live, false, "live")
	}
	e.equal(e.info(child.id()).Revoked, t0+7, "the tombstone of the token")
	e.equal(e.info(grandchild.id()).Revoked, store.Micros(0), "a tombstone of its descendant")
	for _, k := range []*tok{root, sibling} {
		e.lookup(k.Presented, t0)
		e.equal(e.info(k.id()).Live, true, "live")
	}
	e.wantHistory([]*tok{child}, "MT_revoked")
	e.wantHistory([]*tok{grandchild, root, sibling})
	e.fails(e.childErr(grandchild.Presented, e.uncounted(), e.newChild(grandchild)), store.ErrRevoked, "CreateChild below a revoked token")
}

// proves P6
func revokeAlone(e *env) {
	root := e.root()
	child := e.child(root)
	grandchild := e.child(child)
	e.equal(e.revoke(child, false), true, "a live token is left")
	e.fails(e.lookupErr(child.Presented, t0), store.ErrRevoked, "Lookup of the token")
	e.lookup(grandchild.Presented, t0)
	e.equal(e.info(grandchild.id()).Ancestors, idsOf(child, root), "ancestors of its child")
	e.child(grandchild)

	// A recursive tombstone of an ancestor still ends it.
	e.revoke(root, true)
	e.fails(e.lookupErr(grandchild.Presented, t0), store.ErrRevoked, "Lookup of its child, root revoked")
}

// proves P6, P7
func revokeListed(e *env) {
	root := e.root(at(5, none))
	child := e.child(root, at(5, 0))
	leaf, spared := e.child(child), e.child(root)
	all := []*tok{root, child, leaf, spared}
	for _, k := range all {
		e.record(k, event("event", t0))
	}
	e.spend(leaf)
	listed := func(when string, now store.Micros, below ...store.TokenID) {
		e.Helper()
		for _, list := range [][]store.TokenInfo{e.list(root.Owner), e.subtree(root.id(), 2)} {
			var ids []store.TokenID
			for n, info := range list {
				ids = append(ids, info.ID)
				e.equal(info.Live, !slices.Contains(below, info.ID), "%s: live", when)
				e.equal(info.About, all[n].About, "%s: description", when)
				e.equal(len(info.Counters), len(all[n].Clauses), "%s: counters", when)
			}
			e.equal(ids, idsOf(all...), "%s: listed", when)
		}
		e.equal(len(e.subtree(child.id(), 1)), 2, "%s: subtree of the child", when)
		e.wantHistory(all, "event", "event", "event", "event")
		for _, k := range all {
			if slices.Contains(below, k.id()) {
				e.hides(k.Key)
			}
		}
		e.sweep(now)
	}
	e.revokeAs(store.Revocation{Token: child.id(), Recursive: true, Now: t0 + hour})
	listed("a branch", t0+hour, child.id(), leaf.id())
	e.revokeAs(store.Revocation{Token: root.id(), Recursive: true, Now: t0 + day})
	listed("the tree", t0+hour+month, idsOf(all...)...)
	listed("until the retention is over", t0+hour+month+1, idsOf(all...)...)
	e.equal(idsOfInfos(e.list(root.Owner)), idsOf(root, spared), "those revoked later")
}

func idsOfInfos(list []store.TokenInfo) (ids []store.TokenID) {
	for _, info := range list {
		ids = append(ids, info.ID)
	}
	return ids
}

// proves P6
func revokeRaised(e *env) {
	root := e.root()
	child := e.child(root)
	e.revoke(root, false)
	e.lookup(child.Presented, t0)
	e.revoke(root, true)
	e.fails(e.lookupErr(child.Presented, t0), store.ErrRevoked, "Lookup of the child after it was raised")
	e.revoke(root, false)
	e.fails(e.lookupErr(child.Presented, t0), store.ErrRevoked, "Lookup of the child: it is never lowered")
}

// proves P8
func revokeAgain(e *env) {
	root := e.root()
	child := e.child(root)
	r := store.Revocation{Token: root.id(), Event: event("MT_revoked", t0)}
	for i := range nodes {
		r.Now = t0 + 7 + store.Micros(i)
		e.equal(e.revokeAs(r).LiveLeft, true, "a live token is left")
	}
	e.equal(e.info(root.id()).Revoked, t0+7, "the first tombstone stays")
	e.wantHistory([]*tok{root}, "MT_revoked")
	e.revoke(child, true)
	e.equal(e.revokeAs(r).LiveLeft, false, "a live token is left, reported afresh")
}

func revokeUnknown(e *env) {
	root := e.root()
	revokeErr := func(r store.Revocation) error { return errOf(e.s.Revoke(e.ctx, r)) }
	e.fails(revokeErr(store.Revocation{Token: e.tokenID(), Recursive: true, Now: t0}), store.ErrNotFound, "an unknown token")
	e.refused(revokeErr(store.Revocation{Now: t0}), "no token")
	e.refused(revokeErr(store.Revocation{Token: root.id()}), "no instant")
	e.equal(e.info(root.id()).Live, true, "live")
}

// proves P6, P7
func revokeTickets(e *env) {
	root := e.root()
	code, short, below := e.newCode(root), e.newShort(root), e.newShort(e.child(root))
	spared, free := e.newShort(e.root()), e.newTicket(store.TicketPolling)
	e.put(code, short, below, spared, free)
	e.revoke(root, true)
	for _, t := range []store.Ticket{code, short, below} {
		e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "a ticket of a revoked token")
		e.fails(e.consumeErr(e.useID(), t.TicketRef), store.ErrTicketNotFound, "Consume")
	}
	e.fails(e.takeErr(code.TicketRef, e.useID()), store.ErrTicketNotFound, "TakeTicket")
	e.wantTicket(spared, free)
}

func revokeLiveLeft(e *env) {
	// Single tokens.
	e.equal(e.revoke(e.root(), true), false, "the only token")
	root := e.root()
	a, b := e.child(root), e.child(root)
	c := e.child(b)
	e.root() // another grant's
	e.equal(e.revoke(a, true), true, "root and b live")
	e.equal(e.revoke(root, false), true, "b and c live")
	e.equal(e.revoke(b, false), true, "c lives")
	e.equal(e.revoke(c, false), false, "nothing lives")

	// Expired tokens do not count as live here.
	leftAt := func(k *tok, now store.Micros, want bool, what string) {
		e.Helper()
		e.equal(e.revokeAs(store.Revocation{Token: k.id(), Now: now}).LiveLeft, want, "a live token is left, %s", what)
	}
	expiring := e.root()
	e.childExpiring(expiring, t0+minute)
	leftAt(expiring, t0, true, "before its expiry")
	leftAt(expiring, t0+hour, false, "after its expiry")

	// The expiry of the current generation counts. Zero means never.
	rotating := e.root()
	r := e.rotation(e.childExpiring(rotating, t0+minute), grace)
	r.Expires = 0
	e.ok(e.rotateErr(r), "Rotate")
	leftAt(rotating, t0+1000*day, true, "without expiry")

	// A descendant that was revoked with an ancestor is not live.
	top := e.root()
	e.child(e.child(top))
	e.equal(e.revoke(top, true), false, "the whole tree")
}

func revokeLiveLeftOfMany(e *env) {
	const many = 110
	root := e.root()
	children := several(many, func() *tok { return e.child(root) })
	e.revoke(root, false)
	for i, k := range children[:many-1] {
		if !e.revoke(k, false) {
			e.Fatalf("no live token is left after %d of %d were revoked", i+2, many+1)
		}
	}
}

func revokeRefresh(e *env) {
	root := e.root()
	child, other := e.child(root), e.root()
	current, spare := e.commit(root.Grant, e.leaseID(), 1), e.commit(root.Grant, e.leaseID(), 1)
	want := granted(2, current.Token, store.Spare{Generation: 2, Token: spare.Token})
	keyFor := func(by store.Presented, key store.Sealed, what string) {
		e.Helper()
		out := e.revokeAs(store.Revocation{Token: child.id(), Recursive: true, By: by, Now: t0})
		e.equal(out, store.Revoked{Grant: root.Grant, LiveLeft: true, Refresh: want, Key: key}, "revoked by %s", what)
	}
	ahead, unknown := root.Presented, root.Presented
	ahead.Seq++
	unknown.ID = e.tokenID()
	keyFor(store.Presented{}, nil, "nobody")
	keyFor(root.Presented, root.Key, "an ancestor")
	keyFor(other.Presented, nil, "a token of another grant")
	keyFor(root.forged(e), nil, "a forged token")
	keyFor(ahead, nil, "a generation to come")
	keyFor(unknown, nil, "an unknown token")
	next, r := e.rotate(root, grace)
	keyFor(root.Presented, nil, "an outdated token")
	keyFor(next.Presented, r.Key, "the successor")
	keyFor(child.Presented, nil, "the revoked token itself, whose key is erased")
	child = e.child(next)
	keyFor(child.Presented, child.Key, "the revoked token itself")
}

// proves P6: if a child is created while an ancestor is being revoked, the store refuses
// it or the tombstone applies to it.
func revokeRace(e *env) {
	for round := range e.rounds {
		const each = 3
		root := e.root(at(50, none))
		middle := e.child(root, limits(50, 50, 0))
		parents := []*tok{root, middle, e.child(middle, limits(50, 50, 0))}
		revoked := parents[round%2]
		type branch struct {
			parent   *tok // of the first child; each other is a child of the one before
			children []*tok
			uses     []store.Use
			made     [each]error
			after    [each]error // Lookup after Revoke has returned
		}
		branches := make([]branch, callers)
		for i := range branches {
			parent := parents[max(i%3, round%2)]
			branches[i].parent = parent
			branches[i].children = several(each, func() *tok { return e.newChild(parent, limits(50, 50, 0)) })
			branches[i].uses = several(each, func() store.Use { return e.use(store.UseOther, 0) })
		}
		done := make(chan struct{})
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			if i == callers {
				defer close(done)
				return errOf(s.Revoke(e.ctx, store.Revocation{Token: revoked.id(), Recursive: true, Now: t0}))
			}
			b := &branches[i]
			parent := b.parent.Presented
			for j, child := range b.children {
				if b.made[j] = errOf(s.CreateChild(e.ctx, parent, b.uses[j], child.Token)); b.made[j] == nil {
					parent = child.Presented
				}
			}
			<-done
			for j, child := range b.children {
				b.after[j] = errOf(s.Lookup(e.ctx, child.Presented, t0))
			}
			return nil
		})
		e.allOK(errs, "Revoke")
		made := 0
		for _, b := range branches {
			for j, child := range b.children {
				if b.made[j] != nil {
					e.fails(b.made[j], store.ErrRevoked, "CreateChild that lost the race")
					e.fails(b.after[j], store.ErrNotFound, "Lookup of a child that was refused")
					continue
				}
				made++
				e.fails(b.after[j], store.ErrRevoked, "Lookup of a child made during the revocation")
				e.fails(e.spendErr(child.Presented, e.use(store.UseAT, 0)), store.ErrRevoked, "Spend of a child made during the revocation")
			}
		}
		for _, info := range e.subtree(revoked.id(), 100) {
			e.equal(info.Live, false, "live token in the revoked subtree")
		}
		e.wantListed(root.Owner, 3+made)
	}
}

// proves P6: no use that begins after Revoke has returned succeeds.
func revokeRacingUses(e *env) {
	for range e.rounds {
		root := e.root(at(unlimited, none))
		child := e.child(root, at(unlimited, 0))
		during, later := e.uses(callers, "", 0), e.uses(callers, "", 0)
		var late [callers]error
		done := make(chan struct{})
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			if i == callers {
				defer close(done)
				return errOf(s.Revoke(e.ctx, store.Revocation{Token: root.id(), Recursive: true, Now: t0}))
			}
			err := errOf(s.Spend(e.ctx, child.Presented, during[i]))
			<-done
			late[i] = errOf(s.Spend(e.ctx, child.Presented, later[i]))
			return err
		})
		e.ok(errs[callers], "Revoke")
		won := winners(errs[:callers], func(err error) { e.fails(err, store.ErrRevoked, "Spend during the revocation") })
		for _, err := range late {
			e.fails(err, store.ErrRevoked, "Spend after the revocation")
		}
		e.wantUsed(child, int64(len(won)))
	}
}

// proves P6: at least one of several callers learns that nobody needs the refresh token
// any more.
func revokeLastAtOnce(e *env) {
	for round := range e.rounds {
		root := e.root()
		last := []*tok{root, e.child(root), e.child(root)}
		var out [3]store.Revoked
		errs := e.atOnce(3, func(i int, s store.Store) (err error) {
			out[i], err = s.Revoke(e.ctx, store.Revocation{Token: last[i].id(), Recursive: round%2 == 1, Now: t0})
			return err
		})
		e.allOK(errs, "Revoke")
		if out[0].LiveLeft && out[1].LiveLeft && out[2].LiveLeft {
			e.Errorf("three revocations that left no live token all report that one may be left")
		}
	}
}
