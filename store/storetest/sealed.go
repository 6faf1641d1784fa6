package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

func sealedCases() []testCase {
	return []testCase{
		{name: "walk sees everything once", run: sealedWalk, alone: true},
		{name: "walk is stable", run: sealedStable, alone: true},
		{name: "reseal replaces what has not changed", run: resealReplaces, alone: true},
		{name: "reseal does not disturb repeats", run: resealRepeats},
		{name: "reseal while walking", run: resealWalking, alone: true},
		{name: "reseal never overwrites a newer value", run: resealRace},
	}
}

func (e *env) walk(limit int) []store.SealedItem {
	e.Helper()
	return collect(e, func(p store.Page) ([]store.SealedItem, string, error) { return e.s.Sealed(e.ctx, p) }, limit)
}

// sealedEverywhere stores a value at each kind of place, and returns all
// that is stored.
func (e *env) sealedEverywhere() []store.SealedItem {
	e.Helper()
	root := e.root()
	child := e.child(root)
	bare := e.newChild(root)
	bare.About = nil
	_, err := e.s.CreateChild(e.ctx, root.Presented, e.uncounted(), bare)
	e.ok(err, "CreateChild")
	_, r := e.rotate(child, grace)
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	current := e.commit(root.Grant, lease, 1)
	spares := []store.Commit{e.commit(root.Grant, e.leaseID(), 1), e.commit(root.Grant, e.leaseID(), 1)}
	code, keyOnly, payloadOnly := e.newCode(root), e.newTicket(store.TicketState), e.newTicket(store.TicketState)
	keyOnly.Payload, payloadOnly.Key = nil, nil
	taken := e.newCode(root)
	e.put(code, keyOnly, payloadOnly, taken)
	e.ok(e.take(taken.TicketRef, e.useID()), "TakeTicket")
	return []store.SealedItem{
		{Place: store.RefreshTokenPlace(root.Grant, 2), Sealed: current.Token},
		{Place: store.RefreshTokenPlace(root.Grant, 2), Sealed: spares[0].Token},
		{Place: store.RefreshTokenPlace(root.Grant, 2), Sealed: spares[1].Token},
		{Place: store.TokenKeyPlace(root.id(), 1), Sealed: root.Key},
		{Place: store.TokenKeyPlace(bare.ID, 1), Sealed: bare.Key},
		{Place: store.TokenKeyPlace(child.id(), 1), Sealed: child.Key},
		{Place: store.TokenKeyPlace(child.id(), 2), Sealed: r.Key},
		{Place: store.SuccessorPlace(child.id(), 1), Sealed: r.Successor},
		{Place: store.AboutPlace(root.id()), Sealed: root.About},
		{Place: store.AboutPlace(child.id()), Sealed: child.About},
		{Place: store.TicketKeyPlace(code.TicketRef), Sealed: code.Key},
		{Place: store.TicketPayloadPlace(code.TicketRef), Sealed: code.Payload},
		{Place: store.TicketKeyPlace(keyOnly.TicketRef), Sealed: keyOnly.Key},
		{Place: store.TicketPayloadPlace(payloadOnly.TicketRef), Sealed: payloadOnly.Payload},
	}
}

func sortItems(items []store.SealedItem) []store.SealedItem {
	return slices.SortedFunc(slices.Values(items), func(a, b store.SealedItem) int { return slices.Compare(a.Sealed, b.Sealed) })
}

func (e *env) resealed(items ...store.Reseal) int {
	e.Helper()
	n, err := e.s.Reseal(e.ctx, items)
	e.ok(err, "Reseal")
	return n
}

// proves P7
func sealedWalk(e *env) {
	e.equal(len(e.walk(10)), 0, "values in an empty store")
	want := e.sealedEverywhere()
	for _, limit := range []int{1, 2, 3, len(want), 1000} {
		got := e.walk(limit)
		e.equal(sortItems(got), sortItems(want), "everything sealed, in pages of %d", limit)
		for _, item := range got {
			clear(item.Sealed) // which is the caller's
		}
	}
}

// proves P7
func sealedStable(e *env) {
	want := e.sealedEverywhere()
	var doomed []store.Ticket
	for range 6 {
		doomed = append(doomed, e.ready(store.TicketTransfer))
	}
	pages := 0
	got := collect(e, func(p store.Page) ([]store.SealedItem, string, error) {
		items, next, err := e.s.Sealed(e.ctx, p)
		if pages < len(doomed) {
			e.ok(e.take(doomed[pages].TicketRef, e.useID()), "TakeTicket")
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
	var items []store.Reseal
	for _, w := range all {
		items = append(items, store.Reseal{Place: w.Place, Old: w.Sealed, New: e.sealed()})
	}
	// Copies of a value at another place, and values that are not there.
	elsewhere := []store.Reseal{
		{Place: store.AboutPlace(e.tokenID()), Old: all[8].Sealed, New: e.sealed()},
		{Place: all[8].Place, Old: all[9].Sealed, New: e.sealed()},
		{Place: all[3].Place, Old: e.sealed(), New: e.sealed()},
		{Place: store.TokenKeyPlace(e.tokenID(), 1), Old: e.sealed(), New: e.sealed()},
		{Place: store.SuccessorPlace(e.tokenID(), 1), Old: e.sealed(), New: e.sealed()},
		{Place: store.RefreshTokenPlace(e.grantID(), 1), Old: e.sealed(), New: e.sealed()},
		{Place: store.TicketKeyPlace(store.TicketRef{Kind: store.TicketShort, ID: e.ticketID()}), Old: e.sealed(), New: e.sealed()},
		{Place: store.TicketPayloadPlace(store.TicketRef{Kind: store.TicketShort, ID: e.ticketID()}), Old: e.sealed(), New: e.sealed()},
		{Place: store.Place{Kind: store.PlaceAbout, ID: "short"}, Old: e.sealed(), New: e.sealed()},
		{Place: store.Place{Kind: 99, ID: all[8].Place.ID}, Old: all[8].Sealed, New: e.sealed()},
		{Place: store.Place{Kind: store.PlaceTokenKey, ID: all[3].Place.ID, N: 9}, Old: all[3].Sealed, New: e.sealed()},
	}
	e.equal(e.resealed(elsewhere...), 0, "values replaced that are not there")
	e.equal(e.resealed(), 0, "no items")
	e.equal(sortItems(e.walk(5)), sortItems(all), "everything sealed")
	for i, item := range items {
		e.equal(e.resealed(item, elsewhere[0]), 1, "values replaced")
		e.equal(e.resealed(item), 0, "values replaced again")
		all[i].Sealed = slices.Clone(item.New)
		clear(item.New) // which stays the caller's
		e.equal(sortItems(e.walk(1000)), sortItems(all), "everything sealed after item %d", i)
	}

	// Many at once, each once.
	items = nil
	for _, w := range all {
		items = append(items, store.Reseal{Place: w.Place, Old: w.Sealed, New: e.sealed()})
	}
	e.equal(e.resealed(append(items, items...)...), len(all), "values replaced at once")
	for _, bad := range []store.Reseal{{Place: all[0].Place, New: e.sealed()}, {Place: all[0].Place, Old: items[0].New}} {
		_, err := e.s.Reseal(e.ctx, []store.Reseal{bad})
		e.refused(err, "Reseal from or to nothing")
	}
}

// proves P8: what a step is compared with when it is repeated is what it was
// called with, not what was made of it.
func resealRepeats(e *env) {
	g := e.newGrant(e.ownerID())
	root := e.newToken(g.ID, g.Owner)
	ticket := e.newTicket(store.TicketPolling)
	changes := store.TicketChanges{Put: []store.Ticket{ticket}}
	completion := store.Completion{TicketRef: ticket.TicketRef, Status: store.TicketReady, Payload: e.sealed()}
	e.ok(e.s.CreateRoot(e.ctx, g, root, changes), "CreateRoot")
	e.ok(e.change(store.TicketChanges{Complete: []store.Completion{completion}}), "Complete")
	commit := e.commit(g.ID, e.leaseID(), 1)
	spare := e.commit(g.ID, e.leaseID(), 1)
	replacement := store.Replacement{Grant: g.ID, Owner: g.Owner, Lease: e.leaseID(), Generation: 2, Token: e.sealed(), Now: t0}
	e.ok(e.s.ReplaceGrant(e.ctx, replacement), "ReplaceGrant")
	spare = e.commit(g.ID, e.leaseID(), 2)
	news := []store.Sealed{e.sealed(), e.sealed(), e.sealed(), e.sealed(), e.sealed(), e.sealed()}
	e.equal(e.resealed(
		store.Reseal{Place: store.RefreshTokenPlace(g.ID, 3), Old: replacement.Token, New: news[0]},
		store.Reseal{Place: store.RefreshTokenPlace(g.ID, 3), Old: spare.Token, New: news[1]},
		store.Reseal{Place: store.TokenKeyPlace(root.ID, 1), Old: root.Key, New: news[2]},
		store.Reseal{Place: store.AboutPlace(root.ID), Old: root.About, New: news[3]},
		store.Reseal{Place: store.TicketKeyPlace(ticket.TicketRef), Old: ticket.Key, New: news[4]},
		store.Reseal{Place: store.TicketPayloadPlace(ticket.TicketRef), Old: completion.Payload, New: news[5]},
	), 6, "values replaced")

	e.ok(e.s.CreateRoot(e.ctx, g, root, changes), "CreateRoot again")
	e.ok(e.change(changes), "Put again")
	e.ok(e.change(store.TicketChanges{Complete: []store.Completion{completion}}), "Complete again")
	e.ok(e.s.CommitRefresh(e.ctx, commit), "CommitRefresh again")
	e.ok(e.s.CommitRefresh(e.ctx, spare), "CommitRefresh of a spare again")
	e.ok(e.s.ReplaceGrant(e.ctx, replacement), "ReplaceGrant again")

	e.equal(e.grantState(g.ID), store.RefreshState{Generation: 3, Token: news[0], Spares: []store.Spare{{Generation: 3, Token: news[1]}}}, "grant")
	state, err := e.s.Lookup(e.ctx, present(root), t0)
	e.ok(err, "Lookup")
	e.equal(state.Key, news[2], "key")
	e.equal(state.About, news[3], "about")
	got := e.resolve(ticket.TicketRef)
	e.equal(got.Key, news[4], "ticket key")
	e.equal(got.Payload, news[5], "payload")

	next, r := e.rotate(&tok{root, present(root)}, grace)
	again := e.sealed()
	e.equal(e.resealed(
		store.Reseal{Place: store.TokenKeyPlace(root.ID, 1), Old: news[2], New: news[0]},
		store.Reseal{Place: store.TokenKeyPlace(root.ID, 2), Old: r.Key, New: news[1]},
		store.Reseal{Place: store.SuccessorPlace(root.ID, 1), Old: r.Successor, New: again},
	), 3, "values replaced after a rotation")
	rotated, err := e.s.Rotate(e.ctx, e.rotation(&tok{root, present(root)}, grace))
	e.ok(err, "Rotate again")
	e.equal(rotated.Successor, again, "successor")
	spent, err := e.s.Spend(e.ctx, present(root), e.uncounted())
	e.ok(err, "Spend with the outdated generation")
	e.equal(spent.Key, news[0], "key of the outdated generation")
	spent, err = e.s.Spend(e.ctx, next.Presented, e.uncounted())
	e.ok(err, "Spend with the current generation")
	e.equal(spent.Key, news[1], "key of the current generation")
}

// proves P7
func resealWalking(e *env) {
	var want []store.SealedItem
	for range 3 {
		want = append(want, e.sealedEverywhere()...)
	}
	replaced := 0
	collect(e, func(p store.Page) ([]store.SealedItem, string, error) {
		items, next, err := e.s.Sealed(e.ctx, p)
		var change []store.Reseal
		for _, item := range items {
			change = append(change, store.Reseal{Place: item.Place, Old: item.Sealed, New: append(store.Sealed("new "), item.Sealed...)})
		}
		replaced += e.resealed(change...)
		return items, next, err
	}, 4)
	for i, w := range want {
		want[i].Sealed = append(store.Sealed("new "), w.Sealed...)
	}
	e.equal(replaced, len(want), "values replaced")
	e.equal(sortItems(e.walk(100)), sortItems(want), "everything sealed")
}

// proves P5
func resealRace(e *env) {
	for range e.rounds {
		root := e.root()
		first := e.grantState(root.Grant).Token
		resealed := e.sealed()
		commit := store.Commit{Grant: root.Grant, Lease: e.leaseID(), Generation: 1, Token: e.sealed(), Now: t0}
		var (
			n    [nodes]int
			errs [nodes + 1]error
		)
		e.parallel(nodes+1, func(i int, s store.Store) {
			if i == nodes {
				errs[i] = s.CommitRefresh(e.ctx, commit)
				return
			}
			n[i], errs[i] = s.Reseal(e.ctx, []store.Reseal{{Place: store.RefreshTokenPlace(root.Grant, 1), Old: first, New: resealed}})
		})
		replaced := 0
		for i, err := range errs {
			e.ok(err, "call %d", i)
		}
		for _, v := range n {
			replaced += v
		}
		if replaced > 1 {
			e.Errorf("one value was replaced %d times", replaced)
		}
		e.equal(e.grantState(root.Grant).Token, commit.Token, "token")
	}
}
