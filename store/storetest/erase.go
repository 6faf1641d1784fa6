package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// opens returns the places of the tokens at which something is sealed that one of their
// generations opens.
func (e *env) opens(ids ...store.TokenID) []store.Place {
	e.Helper()
	var found []store.Place
	for _, item := range e.walk(10_000) {
		if id, ok := item.Place.TokenID(); ok && item.Place.Kind != store.PlaceAbout && slices.Contains(ids, id) {
			found = append(found, item.Place)
		}
	}
	return found
}

// wantErased checks that nothing is left that a generation of the tokens opens.
func (e *env) wantErased(what string, toks ...*tok) {
	e.Helper()
	if left := e.opens(idsOf(toks...)...); len(left) > 0 {
		e.Errorf("%s: %d sealed values are left, the first of kind %q", what, len(left), left[0].Kind)
	}
	keys := make([][]byte, len(toks))
	for i, k := range toks {
		keys[i] = k.Key
	}
	e.hides(keys...)
}

// proves P7
func eraseRevoked(e *env) {
	root := e.root()
	child, sibling := e.child(root), e.child(root)
	grandchild := e.child(child)
	_, r := e.rotate(child, grace)
	e.shows(root.Key, child.Key, r.Key, r.Successor, sibling.Key, grandchild.Key)
	e.revoke(child, false)
	e.wantErased("after it was revoked alone", child)
	e.hides(r.Key, r.Successor)
	e.shows(root.Key, sibling.Key, grandchild.Key, child.About)
	e.lookup(grandchild.Presented, t0)

	// A tombstone that becomes recursive.
	e.revoke(child, true)
	e.wantErased("after the tombstone was made recursive", child, grandchild)
	e.shows(root.Key, sibling.Key)
}

// proves P6, P7
func eraseSubtree(e *env) {
	const many = 300
	root := e.root()
	top, kept := e.child(root), e.child(root)
	below := []*tok{top}
	for i := range many {
		below = append(below, e.child(below[i/40]))
	}
	_, r := e.rotate(below[many], grace)
	e.equal(e.revoke(top, true), true, "the root is live")
	e.wantErased("after the revocation of an ancestor", below...)
	e.hides(r.Key, r.Successor)
	e.shows(root.Key, kept.Key, below[many].About)
	e.equal(e.sweep(t0+minute), store.Cleaned{}, "Sweep finds nothing that Revoke left")
}

// proves P7, P8: the key of the last token of a grant is kept for its holder, who revokes
// the refresh token at the provider, until the holder has done so.
func eraseLast(e *env) {
	self := func(k *tok) store.Revocation {
		return store.Revocation{Token: k.id(), Recursive: true, By: k.Presented, Now: t0}
	}
	want := func(k *tok, key store.Sealed, r store.Revocation, what string) {
		e.Helper()
		out := e.revokeAs(r)
		e.equal(out.Key, key, "key, %s", what)
		e.equal(out.LiveLeft, false, "a live token is left, %s", what)
	}
	root := e.root()
	child := e.child(root)
	_, rotated := e.rotate(child, grace)
	for range nodes {
		want(root, root.Key, self(root), "each time")
		e.shows(root.Key)
		e.wantErased("the descendants", child)
		e.hides(rotated.Key, rotated.Successor)
	}
	settled := self(root)
	settled.Settled = true
	for range nodes {
		e.equal(e.revokeAs(settled).LiveLeft, false, "a live token is left, settled")
		e.wantErased("after it was settled", root)
		want(root, nil, self(root), "after it was settled")
	}

	// Nobody settles it: Sweep does after ten minutes.
	lost := e.root()
	want(lost, lost.Key, self(lost), "before a crash")
	e.sweep(t0 + 10*minute)
	want(lost, lost.Key, self(lost), "repeated after the crash")
	e.sweep(t0 + 10*minute + 1)
	e.wantErased("after ten minutes", lost)
	want(lost, nil, self(lost), "after ten minutes")

	// Nobody could use the key, or others still need the login.
	other := e.root()
	want(other, nil, store.Revocation{Token: other.id(), Now: t0}, "by nobody")
	e.wantErased("revoked by nobody", other)
	parent := e.root()
	leaf := e.child(parent)
	e.equal(e.revokeAs(self(leaf)).Key, leaf.Key, "key, while others are live")
	e.wantErased("while others are live", leaf)
	e.equal(len(e.revokeAs(self(leaf)).Key), 0, "key, again while others are live")
}

// proves P7
func eraseConfirmed(e *env) {
	for i := range e.steps(nil) {
		root := e.root()
		next, r := e.rotate(root, grace)
		e.shows(root.Key, r.Successor, r.Key)
		confirm := e.steps(next)[i]
		e.ok(confirm.do(next.Presented, r.Now), "%s with the successor", confirm.name)
		e.hides(root.Key, r.Successor)
		e.stale(e.rotateErr(e.rotation(root, grace)), store.StaleError{Presented: 1, Current: e.info(root.id()).Seq},
			"another rotation after %s with the successor", confirm.name)
	}
}

// proves P7
func eraseExpired(e *env) {
	root := e.rootExpiring(t0 + hour)
	child := e.childExpiring(root, 0)
	rotated := e.childExpiring(root, t0+hour)
	r := e.rotation(rotated, 2*60*grace)
	r.Expires = t0 + hour
	e.ok(e.rotateErr(r), "Rotate")
	extended := e.childExpiring(root, t0+hour)
	longer := e.rotation(extended, grace)
	e.ok(e.rotateErr(longer), "Rotate")

	e.sweep(t0 + hour)
	e.lookup(root.Presented, t0+hour)
	e.shows(root.Key, rotated.Key, r.Key, r.Successor)
	e.sweep(t0 + hour + 1)
	e.wantErased("after its expiry", root, rotated)
	e.hides(r.Key, r.Successor)
	e.shows(root.About, child.Key, longer.Key)
	for _, s := range e.steps(root) {
		e.fails(s.do(root.Presented, t0+hour+1), store.ErrNotFound, "%s of an erased token", s.name)
	}
	e.lookup(child.Presented, t0+hour+1)
	e.lookup(longer.To, t0+hour+1)
	e.equal(e.info(root.id()).Live, true, "live, which does not consider expiry")
	e.wantListed(root.Owner, 4)
	out := e.revokeAs(store.Revocation{Token: root.id(), By: root.Presented, Now: t0 + 2*hour})
	e.equal(len(out.Key), 0, "key of an erased token")
}

// proves P6, P7: a child that is created while an ancestor is being revoked keeps no key.
func eraseRace(e *env) {
	for round := range max(2, e.rounds/4) {
		const each = 3
		root := e.root(at(50, none))
		top := e.child(root, limits(50, 50, 0))
		parents := []*tok{top, e.child(top, limits(50, 50, 0))}
		parents = append(parents, e.child(parents[1], limits(50, 50, 0)))
		below := slices.Clone(parents)
		children, uses := make([][]*tok, callers), make([][]store.Use, callers)
		for i := range callers {
			children[i] = several(each, func() *tok { return e.newChild(parents[i%len(parents)], limits(50, 50, 0)) })
			kinds := []store.Kind{store.UseOther, store.UseAT}
			uses[i] = several(each, func() store.Use { return e.use(kinds[round%2], 0) })
			below = append(below, children[i]...)
		}
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			if i == callers {
				return errOf(s.Revoke(e.ctx, store.Revocation{Token: top.id(), Recursive: true, Now: t0}))
			}
			parent := parents[i%len(parents)].Presented
			for j, child := range children[i] {
				if errOf(s.CreateChild(e.ctx, parent, uses[i][j], child.Token)) == nil {
					parent = child.Presented
				}
			}
			return nil
		})
		e.allOK(errs, "Revoke")
		e.wantErased("after the race", below...)
	}
}

// proves P6, P7: a rotation that races a revocation leaves no key.
func eraseRotationRace(e *env) {
	for range e.rounds {
		root := e.root()
		child := e.child(root)
		rotations := several(callers, func() store.Rotation { return e.rotation(child, grace) })
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			if i == callers/2 {
				return errOf(s.Revoke(e.ctx, store.Revocation{Token: root.id(), Recursive: true, Now: t0}))
			}
			_, _ = s.Rotate(e.ctx, rotations[i%callers])
			return nil
		})
		e.allOK(errs, "Revoke")
		e.wantErased("after the race", root, child)
		for _, r := range rotations {
			e.hides(r.Key, r.Successor)
		}
	}
}

// proves P7
func eraseTicketsFirst(e *env) {
	// What a sweep with a small limit could do before: old tickets, tickets of dead
	// tokens, and tokens whose retention is over.
	old := several(3, func() store.Ticket { return e.newTicket(store.TicketState) })
	e.put(old...)
	e.sweep(old[0].Expires + 1)
	dead, gone := e.root(), e.rootExpiring(t0+hour)
	e.child(dead)
	for range 3 {
		e.put(e.newShort(dead), e.newShort(gone))
	}
	e.revoke(dead, true)
	now := t0 + 2*month
	expired := e.newTicket(store.TicketState)
	expired.Expires = now - 1
	e.put(expired)
	e.shows(contents(expired)...)
	_, err := e.s.Sweep(e.ctx, store.Cleaning{Now: now, Limit: 1, Retention: retention})
	e.ok(err, "Sweep")
	e.hides(contents(expired)...)
}
