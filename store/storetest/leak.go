package storetest

import "github.com/mytoken-go/sdk/store"

// proves P7
func leakTickets(e *env) {
	root, revoked := e.root(), e.root()
	taken, dropped, kept := e.newCode(root), e.newCode(root), e.newCode(root)
	consumed, inSpend, completed := e.newTicket(store.TicketState), e.newTicket(store.TicketState), e.newTicket(store.TicketPolling)
	gone := []store.Ticket{taken, consumed, inSpend, dropped, e.newCode(revoked), e.newShort(revoked)}
	e.put(gone...)
	e.put(kept, completed)
	e.shows(contents(append(gone, kept, completed)...)...)

	e.take(taken)
	e.ok(e.consumeErr(e.useID(), consumed.TicketRef), "Consume")
	use := e.uncounted()
	use.Tickets = e.consuming(inSpend.TicketRef)
	e.charge(root.Presented, use)
	e.change(dropping(dropped.TicketRef), "drop")
	e.revoke(revoked, false)
	c := store.Completion{TicketRef: completed.TicketRef, Status: store.TicketReady, Payload: e.sealed()}
	e.change(completing(c), "complete")
	e.hides(append(contents(gone...), completed.Payload)...)
	e.shows(append(contents(kept), completed.Key, c.Payload)...)
	e.take(completed)
	e.hides(completed.Key, c.Payload)
}

// proves P7
func leakReplaced(e *env) {
	g, root := e.newRoot()
	e.ok(e.createRoot(g, root, store.TicketChanges{}), "CreateRoot")
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
	spare = e.commit(g.ID, e.leaseID(), 1)
	e.suspect(g.ID, 2, t0, t0+1)
	e.shows(spare.Token)
	e.begin(g.ID, lease, t0+minute)
	e.end(g.ID, lease, 2, store.RefreshRefused)
	e.hides(spare.Token)
	late, r := e.commit(g.ID, e.leaseID(), 1), e.replacement(root, 2)
	e.replace(r)
	e.hides(second.Token, late.Token)
	e.shows(r.Token)

	item := e.keep(g.Owner, 1)[0]
	old := item.Contents
	item.Contents = e.sealed()
	e.changeItems(e.putItems(g.Owner, 1, item), "replace")
	e.hides(old)
	e.shows(item.Contents)
	e.changeItems(e.deleteItems(g.Owner, 2, item.ID), "delete")
	e.hides(item.Contents, item.ID[:])

	_, strict := e.rotate(root, 0)
	e.hides(root.Key)
	e.shows(strict.Key)
	e.wantHistory([]*tok{root})
}
