package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

func leakCases() []testCase {
	return []testCase{
		{name: "redeemed tickets are erased", run: leakTickets, alone: true},
		{name: "replaced values are erased", run: leakReplaced, alone: true},
	}
}

// found tells which of the values are found in the dump.
func (e *env) found(values [][]byte) []bool {
	e.Helper()
	dump, err := e.dump(e.ctx)
	e.ok(err, "Dump")
	found := make([]bool, len(values))
	for _, l := range FindSecrets(dump, values...) {
		found[l.Secret] = true
	}
	return found
}

// shows checks that a dump shows the values. A search that found nothing in
// it would prove nothing otherwise.
func (e *env) shows(values ...[]byte) {
	e.Helper()
	if i := slices.Index(e.found(values), false); i >= 0 {
		e.Errorf("value %d of %d is not in the dump", i, len(values))
	}
}

// hides checks that a dump shows none of the values.
func (e *env) hides(values ...[]byte) {
	e.Helper()
	if i := slices.Index(e.found(values), true); i >= 0 {
		e.Errorf("value %d of %d is still in the dump", i, len(values))
	}
}

// contents returns what a ticket holds.
func contents(tickets ...store.Ticket) [][]byte {
	var all [][]byte
	for _, t := range tickets {
		all = append(all, t.Key, t.Payload)
	}
	return all
}

// proves P7
func leakTickets(e *env) {
	root, revoked := e.root(), e.root()
	taken, consumed, inSpend, dropped, completed := e.newCode(root), e.newTicket(store.TicketState), e.newTicket(store.TicketState), e.newCode(root), e.newTicket(store.TicketPolling)
	code, short := e.newCode(revoked), e.newShort(revoked)
	kept := e.newCode(root)
	gone := []store.Ticket{taken, consumed, inSpend, dropped, code, short}
	e.put(gone...)
	e.put(kept, completed)
	e.shows(contents(append(gone, kept, completed)...)...)

	e.ok(e.take(taken.TicketRef, e.useID()), "TakeTicket")
	e.ok(e.consume(e.useID(), consumed.TicketRef), "Consume")
	use := e.uncounted()
	use.Tickets = store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{inSpend.TicketRef}}
	_, err := e.s.Spend(e.ctx, root.Presented, use)
	e.ok(err, "Spend")
	e.ok(e.change(store.TicketChanges{Drop: []store.TicketRef{dropped.TicketRef}}), "Drop")
	e.revoke(revoked.id(), false)
	c := store.Completion{TicketRef: completed.TicketRef, Status: store.TicketReady, Payload: e.sealed()}
	e.ok(e.change(store.TicketChanges{Complete: []store.Completion{c}}), "Complete")
	e.hides(append(contents(gone...), completed.Payload)...)
	e.shows(append(contents(kept), completed.Key, c.Payload)...)
	e.ok(e.take(completed.TicketRef, e.useID()), "TakeTicket")
	e.hides(completed.Key, c.Payload)
}

// proves P7
func leakReplaced(e *env) {
	g := e.newGrant(e.ownerID())
	root := e.newToken(g.ID, g.Owner)
	e.ok(e.s.CreateRoot(e.ctx, g, root, store.TicketChanges{}), "CreateRoot")
	k := &tok{root, present(root)}
	e.shows(g.Refresh, root.Key, root.About)

	lease := e.leaseID()
	e.begin(g.ID, lease, t0)
	second := e.commit(g.ID, lease, 1)
	e.hides(g.Refresh)
	spare := e.commit(g.ID, e.leaseID(), 1)
	e.begin(g.ID, lease, t0)
	e.shows(second.Token, spare.Token)
	e.end(g.ID, lease, 2, store.RefreshDone)
	e.hides(spare.Token)
	late := e.commit(g.ID, e.leaseID(), 1)
	r := store.Replacement{Grant: g.ID, Owner: g.Owner, Lease: e.leaseID(), Generation: 2, Token: e.sealed(), Now: t0}
	e.ok(e.s.ReplaceGrant(e.ctx, r), "ReplaceGrant")
	e.hides(second.Token, late.Token)
	e.shows(r.Token)

	_, strict := e.rotate(k, 0)
	e.hides(root.Key)
	e.shows(strict.Key)
	e.equal(len(e.history(root.ID)), 0, "events")
}
