package storetest

import "github.com/mytoken-go/sdk/store"

// changeAtOnce makes changes to tickets at once.
func (e *env) changeAtOnce(changes []store.TicketChanges) []error {
	e.Helper()
	return e.atOnce(len(changes), func(i int, s store.Store) error { return s.ChangeTickets(e.ctx, changes[i], t0) })
}

// proves P7, P8
func ticketParallelTakers(e *env) {
	for range e.rounds {
		root := e.root()
		t := e.newCode(root)
		e.put(t)
		takers := several(callers, e.useID)
		take := func(i int, s store.Store) error {
			return s.TakeTicket(e.ctx, t.TicketRef, takers[i], event("transfer_code_used", t0), t0)
		}
		won := e.oneWinner(e.atOnce(callers, take), store.ErrTicketTaken, "TakeTicket")
		e.equal(e.oneWinner(e.atOnce(callers, take), store.ErrTicketTaken, "TakeTicket again"), won, "the taker when repeated")
		e.wantHistory([]*tok{root}, "transfer_code_used")
	}
}

func ticketParallelConsumers(e *env) {
	for range e.rounds {
		t := e.newTicket(store.TicketState)
		e.put(t)
		puts := several(callers, func() store.Ticket { return e.newTicket(store.TicketConsent) })
		changes := several(callers, func() store.TicketChanges { return e.consuming(t.TicketRef) })
		for i := 1; i < callers; i += 2 { // every other one also puts a ticket
			changes[i].Put = puts[i : i+1]
		}
		won := e.oneWinner(e.changeAtOnce(changes), store.ErrTicketTaken, "Consume")
		for i, put := range puts {
			if err := e.resolveErr(put.TicketRef, t0); i == won && i%2 == 1 {
				e.ok(err, "the ticket that the winner put")
			} else {
				e.fails(err, store.ErrTicketNotFound, "a ticket that nobody put")
			}
		}
	}
}

// proves P3: if several uses need one ticket, exactly one of them is charged.
func ticketParallelUses(e *env) {
	for range e.rounds {
		root, t := e.root(at(99, none)), e.newTicket(store.TicketState)
		e.put(t)
		uses := e.uses(callers, "AT_created", 0)
		for i := range uses {
			uses[i].Tickets = e.consuming(t.TicketRef)
		}
		children := several(callers, func() *tok { return e.newChild(root) })
		errs := e.atOnce(callers, func(i int, s store.Store) error {
			if i%2 == 0 {
				return errOf(s.Spend(e.ctx, root.Presented, uses[i]))
			}
			return errOf(s.CreateChild(e.ctx, root.Presented, uses[i], children[i].Token))
		})
		won := e.oneWinner(errs, store.ErrTicketTaken, "Spend and CreateChild")
		e.wantUsed(root, 1)
		e.wantHistory([]*tok{root}, "AT_created")
		e.wantListed(root.Owner, 1+won%2)
	}
}

func ticketParallelCompletions(e *env) {
	for round := range e.rounds {
		t := e.newTicket(store.TicketPolling)
		e.put(t)
		changes := several(callers, func() store.TicketChanges {
			return completing(store.Completion{TicketRef: t.TicketRef, Status: store.TicketReady, Payload: e.sealed()})
		})
		e.sameOrOneWinner(round, changes, store.ErrTicketTaken, func(won store.TicketChanges) {
			e.equal(e.resolve(t.TicketRef).Payload, won.Complete[0].Payload, "the winner's payload")
		})
	}
}

func ticketParallelPuts(e *env) {
	for round := range e.rounds {
		ref := e.unknown(store.TicketTransfer)
		changes := several(callers, func() store.TicketChanges {
			t := e.newTicket(store.TicketTransfer)
			t.TicketRef = ref
			return putting(t)
		})
		e.sameOrOneWinner(round, changes, store.ErrExists, func(won store.TicketChanges) { e.wantTicket(won.Put...) })
	}
}

// sameOrOneWinner makes the changes at once. In even rounds it makes the first change
// several times, and all must succeed. In odd rounds exactly one must succeed.
func (e *env) sameOrOneWinner(round int, changes []store.TicketChanges, loser error, check func(won store.TicketChanges)) {
	e.Helper()
	if round%2 == 1 {
		check(changes[e.oneWinner(e.changeAtOnce(changes), loser, "ChangeTickets")])
		return
	}
	for i := range changes {
		changes[i] = changes[0]
	}
	e.allOK(e.changeAtOnce(changes), "the same changes")
	check(changes[0])
}

// ticketLockOrder changes the same tickets in opposite orders. The store must resolve
// deadlocks by itself.
func ticketLockOrder(e *env) {
	for range e.rounds {
		a, b, c := e.newTicket(store.TicketState), e.newTicket(store.TicketState), e.newTicket(store.TicketState)
		e.put(a, b, c)
		changes := several(callers, func() store.TicketChanges { return e.consuming(a.TicketRef, b.TicketRef, c.TicketRef) })
		for i := 1; i < callers; i += 2 {
			changes[i].Consume = []store.TicketRef{c.TicketRef, b.TicketRef, a.TicketRef}
		}
		e.oneWinner(e.changeAtOnce(changes), store.ErrTicketTaken, "Consume")
	}
}
