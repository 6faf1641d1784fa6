package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// sealedEverywhere stores a value at each kind of place, and returns all sealed items.
func (e *env) sealedEverywhere() []store.SealedItem {
	e.Helper()
	root := e.root()
	child, bare := e.child(root), e.newChild(root)
	bare.About = nil
	e.derive(root.Presented, e.uncounted(), bare)
	_, r := e.rotate(child, grace)
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	current := e.commit(root.Grant, lease, 1)
	spares := []store.Commit{e.commit(root.Grant, e.leaseID(), 1), e.commit(root.Grant, e.leaseID(), 1)}
	code, keyOnly, payloadOnly, taken := e.newCode(root), e.newTicket(store.TicketState), e.newTicket(store.TicketState), e.newCode(root)
	keyOnly.Payload, payloadOnly.Key = nil, nil
	e.put(code, keyOnly, payloadOnly, taken)
	e.take(taken)
	kept := e.keep(root.Owner, 2)
	return []store.SealedItem{
		{Place: store.RefreshTokenPlace(root.Grant, 2), Sealed: current.Token},
		{Place: store.RefreshTokenPlace(root.Grant, 2), Sealed: spares[0].Token},
		{Place: store.RefreshTokenPlace(root.Grant, 2), Sealed: spares[1].Token},
		{Place: store.TokenKeyPlace(root.id(), 1), Sealed: root.Key},
		{Place: store.TokenKeyPlace(bare.id(), 1), Sealed: bare.Key},
		{Place: store.TokenKeyPlace(child.id(), 1), Sealed: child.Key},
		{Place: store.TokenKeyPlace(child.id(), 2), Sealed: r.Key},
		{Place: store.SuccessorPlace(child.id(), 1), Sealed: r.Successor},
		{Place: store.AboutPlace(root.id()), Sealed: root.About},
		{Place: store.AboutPlace(child.id()), Sealed: child.About},
		{Place: store.TicketKeyPlace(code.TicketRef), Sealed: code.Key},
		{Place: store.TicketPayloadPlace(code.TicketRef), Sealed: code.Payload},
		{Place: store.TicketKeyPlace(keyOnly.TicketRef), Sealed: keyOnly.Key},
		{Place: store.TicketPayloadPlace(payloadOnly.TicketRef), Sealed: payloadOnly.Payload},
		{Place: store.ItemPlace(root.Owner, kept[0].ID, kept[0].Kind), Sealed: kept[0].Contents},
		{Place: store.ItemPlace(root.Owner, kept[1].ID, kept[1].Kind), Sealed: kept[1].Contents},
	}
}

// wantSealed compares sealed items in any order.
func (e *env) wantSealed(got, want []store.SealedItem, what string, args ...any) {
	e.Helper()
	sorted := func(items []store.SealedItem) []store.SealedItem {
		return slices.SortedFunc(slices.Values(items), func(a, b store.SealedItem) int { return slices.Compare(a.Sealed, b.Sealed) })
	}
	e.equal(sorted(got), sorted(want), "everything sealed, "+what, args...)
}

// resealed replaces values and checks how many it replaced.
func (e *env) resealed(want int, items ...store.Reseal) {
	e.Helper()
	n, err := e.s.Reseal(e.ctx, items)
	e.ok(err, "Reseal")
	e.equal(n, want, "values replaced")
}

// anew returns the replacement of each item by a new value.
func (e *env) anew(items []store.SealedItem) []store.Reseal {
	var all []store.Reseal
	for _, item := range items {
		all = append(all, store.Reseal{Place: item.Place, Old: item.Sealed, New: e.sealed()})
	}
	return all
}

// proves P7
func sealedWalk(e *env) {
	e.equal(len(e.walk(10)), 0, "values in an empty store")
	want := e.sealedEverywhere()
	for _, limit := range []int{1, 2, 3, len(want), 1000} {
		got := e.walk(limit)
		e.wantSealed(got, want, "in pages of %d", limit)
		for _, item := range got {
			clear(item.Sealed) // which is the caller's
		}
	}
}

// proves P7
func sealedStable(e *env) {
	want := e.sealedEverywhere()
	doomed := several(6, func() store.Ticket { return e.ready(store.TicketTransfer) })
	pages := 0
	got := collect(e, func(p store.Page) ([]store.SealedItem, string, error) {
		items, next, err := e.s.Sealed(e.ctx, p)
		if pages < len(doomed) {
			e.take(doomed[pages])
			e.ready(store.TicketTransfer)
			e.root()
			pages++
		}
		return items, next, err
	}, 2)
	for _, w := range want {
		n := 0
		for _, g := range got {
			if g.Place == w.Place && slices.Equal(g.Sealed, w.Sealed) {
				n++
			}
		}
		e.equal(n, 1, "how often a value of kind %s was seen that was there throughout", w.Place.Kind)
	}
}

// proves P7
func resealReplaces(e *env) {
	all := e.sealedEverywhere()
	items := e.anew(all)
	key, about, item := all[3], all[8], all[len(all)-1]
	owner, id, _ := item.Place.ItemID()
	short := e.unknown(store.TicketShort)
	// Copies of a value at another place, and values that are not there.
	elsewhere := []store.Reseal{
		{Place: store.AboutPlace(e.tokenID()), Old: about.Sealed},
		{Place: about.Place, Old: all[9].Sealed},
		{Place: key.Place, Old: e.sealed()},
		{Place: store.TokenKeyPlace(e.tokenID(), 1), Old: e.sealed()},
		{Place: store.SuccessorPlace(e.tokenID(), 1), Old: e.sealed()},
		{Place: store.RefreshTokenPlace(e.grantID(), 1), Old: e.sealed()},
		{Place: store.TicketKeyPlace(short), Old: e.sealed()},
		{Place: store.TicketPayloadPlace(short), Old: e.sealed()},
		{Place: store.ItemPlace(e.ownerID(), id, store.ItemTag), Old: item.Sealed},
		{Place: store.ItemPlace(owner, e.itemID(), store.ItemTag), Old: item.Sealed},
		{Place: store.ItemPlace(owner, id, store.ItemSSHKey), Old: item.Sealed},
		{Place: item.Place, Old: all[len(all)-2].Sealed},
		{Place: store.Place{Kind: store.PlaceItem, ID: item.Place.ID[:len(owner)], N: item.Place.N}, Old: item.Sealed},
		{Place: store.Place{Kind: store.PlaceAbout, ID: "short"}, Old: e.sealed()},
		{Place: store.Place{Kind: 99, ID: about.Place.ID}, Old: about.Sealed},
		{Place: store.Place{Kind: store.PlaceTokenKey, ID: key.Place.ID, N: 9}, Old: key.Sealed},
	}
	for i := range elsewhere {
		elsewhere[i].New = e.sealed()
	}
	e.resealed(0, elsewhere...)
	e.resealed(0)
	e.wantSealed(e.walk(5), all, "after no replacement")
	for i, item := range items {
		e.resealed(1, item, elsewhere[0])
		e.resealed(0, item)
		all[i].Sealed = slices.Clone(item.New)
		clear(item.New) // which stays the caller's
		e.wantSealed(e.walk(1000), all, "after item %d", i)
	}

	// Reseal replaces many at once, each of them once.
	items = e.anew(all)
	e.resealed(len(all), append(items, items...)...)
	for _, bad := range []store.Reseal{{Place: all[0].Place, New: e.sealed()}, {Place: all[0].Place, Old: items[0].New}} {
		e.refused(errOf(e.s.Reseal(e.ctx, []store.Reseal{bad})), "Reseal from or to nothing")
	}
}

// proves P8: a store compares a repeated step with the arguments of the first call, not
// with what Reseal made of them.
func resealRepeats(e *env) {
	g, root := e.newRoot()
	ticket := e.newTicket(store.TicketPolling)
	completion := store.Completion{TicketRef: ticket.TicketRef, Status: store.TicketReady, Payload: e.sealed()}
	e.ok(e.createRoot(g, root, putting(ticket)), "CreateRoot")
	e.change(completing(completion), "complete")
	commits := []store.Commit{e.commit(g.ID, e.leaseID(), 1), e.commit(g.ID, e.leaseID(), 1)}
	replacement := e.replacement(root, 2)
	e.replace(replacement)
	spare := e.commit(g.ID, e.leaseID(), 2)
	news := several(6, e.sealed)
	e.resealed(6,
		store.Reseal{Place: store.RefreshTokenPlace(g.ID, 3), Old: replacement.Token, New: news[0]},
		store.Reseal{Place: store.RefreshTokenPlace(g.ID, 3), Old: spare.Token, New: news[1]},
		store.Reseal{Place: store.TokenKeyPlace(root.id(), 1), Old: root.Key, New: news[2]},
		store.Reseal{Place: store.AboutPlace(root.id()), Old: root.About, New: news[3]},
		store.Reseal{Place: store.TicketKeyPlace(ticket.TicketRef), Old: ticket.Key, New: news[4]},
		store.Reseal{Place: store.TicketPayloadPlace(ticket.TicketRef), Old: completion.Payload, New: news[5]},
	)

	e.ok(e.createRoot(g, root, putting(ticket)), "CreateRoot again")
	e.put(ticket)
	e.change(completing(completion), "complete again")
	for _, c := range append(commits, spare) {
		e.recommit(c, "again")
	}
	e.replace(replacement)

	e.wantGrant(g.ID, store.RefreshState{Generation: 3, Token: news[0], Spares: []store.Spare{{Generation: 3, Token: news[1]}}})
	state, got := e.lookup(root.Presented, t0), e.resolve(ticket.TicketRef)
	e.equal([]store.Sealed{state.Key, state.About, got.Key, got.Payload}, news[2:], "key and description of the token, key and payload of the ticket")

	next, r := e.rotate(root, grace)
	again := e.sealed()
	e.resealed(3,
		store.Reseal{Place: store.TokenKeyPlace(root.id(), 1), Old: news[2], New: news[0]},
		store.Reseal{Place: store.TokenKeyPlace(root.id(), 2), Old: r.Key, New: news[1]},
		store.Reseal{Place: store.SuccessorPlace(root.id(), 1), Old: r.Successor, New: again},
	)
	e.rotatedTo(e.rotation(root, grace), store.Rotated{Successor: again}, "again")
	e.equal(e.charge(root.Presented, e.uncounted()).Key, news[0], "key of the outdated generation")
	e.equal(e.charge(next.Presented, e.uncounted()).Key, news[1], "key of the current generation")
}

// proves P7
func resealWalking(e *env) {
	want := slices.Concat(several(3, e.sealedEverywhere)...)
	renewed := func(b store.Sealed) store.Sealed { return append(store.Sealed("new "), b...) }
	replaced := 0
	collect(e, func(p store.Page) ([]store.SealedItem, string, error) {
		items, next, err := e.s.Sealed(e.ctx, p)
		changes := e.anew(items)
		for i := range changes {
			changes[i].New = renewed(changes[i].Old)
		}
		n, resealErr := e.s.Reseal(e.ctx, changes)
		e.ok(resealErr, "Reseal")
		replaced += n
		return items, next, err
	}, 4)
	for i := range want {
		want[i].Sealed = renewed(want[i].Sealed)
	}
	e.equal(replaced, len(want), "values replaced")
	e.wantSealed(e.walk(100), want, "after the walk")
}

// proves P5
func resealRace(e *env) {
	for range e.rounds {
		g := e.root().Grant
		change := []store.Reseal{{Place: store.RefreshTokenPlace(g, 1), Old: e.grantState(g).Token, New: e.sealed()}}
		commit := e.newCommit(g, e.leaseID(), 1)
		var replaced [nodes]int
		errs := e.atOnce(nodes+1, func(i int, s store.Store) (err error) {
			if i == nodes {
				return s.CommitRefresh(e.ctx, commit)
			}
			replaced[i], err = s.Reseal(e.ctx, change)
			return err
		})
		e.allOK(errs, "Reseal or CommitRefresh")
		sum := 0
		for _, n := range replaced {
			sum += n
		}
		if sum > 1 {
			e.Errorf("one value was replaced %d times", sum)
		}
		e.equal(e.grantState(g).Token, commit.Token, "token")
	}
}
