package storetest

import (
	"github.com/mytoken-go/sdk/store"
)

func ticketRaceCases() []testCase {
	return []testCase{
		{name: "parallel takers", run: ticketParallelTakers},
		{name: "parallel consumers", run: ticketParallelConsumers},
		{name: "parallel uses of one ticket", run: ticketParallelUses},
		{name: "parallel completions", run: ticketParallelCompletions},
		{name: "parallel puts", run: ticketParallelPuts},
		{name: "parallel changes in opposite orders", run: ticketLockOrder},
	}
}

// proves P7, P8
func ticketParallelTakers(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root()
		t := e.newCode(root)
		e.put(t)
		var (
			takers [callers]store.UseID
			errs   [callers]error
			again  [callers]error
		)
		for i := range takers {
			takers[i] = e.useID()
		}
		e.parallel(callers, func(i int, s store.Store) {
			errs[i] = s.TakeTicket(e.ctx, t.TicketRef, takers[i], event("transfer_code_used", t0), t0)
		})
		e.oneWinner(errs[:], store.ErrTicketTaken, "TakeTicket")
		e.parallel(callers, func(i int, s store.Store) {
			again[i] = s.TakeTicket(e.ctx, t.TicketRef, takers[i], event("transfer_code_used", t0), t0)
		})
		for i := range errs {
			e.equal(again[i] == nil, errs[i] == nil, "the same outcome when repeated")
		}
		e.equal(e.history(root.id()), []string{"transfer_code_used"}, "history")
	}
}

func ticketParallelConsumers(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		t := e.newTicket(store.TicketState)
		e.put(t)
		var (
			by   [callers]store.UseID
			puts [callers]store.Ticket
			errs [callers]error
		)
		for i := range by {
			by[i], puts[i] = e.useID(), e.newTicket(store.TicketConsent)
		}
		e.parallel(callers, func(i int, s store.Store) {
			if i%2 == 1 { // every other one completes what it consumes elsewhere
				errs[i] = s.ChangeTickets(e.ctx, store.TicketChanges{By: by[i], Consume: []store.TicketRef{t.TicketRef}, Put: puts[i : i+1]}, t0)
				return
			}
			errs[i] = s.ChangeTickets(e.ctx, store.TicketChanges{By: by[i], Consume: []store.TicketRef{t.TicketRef}}, t0)
		})
		e.oneWinner(errs[:], store.ErrTicketTaken, "Consume")
		for i, err := range errs {
			_, got := e.s.ResolveTicket(e.ctx, store.TicketConsent, []store.TicketID{puts[i].ID}, t0)
			if err == nil && i%2 == 1 {
				e.ok(got, "the ticket that the winner put")
			} else {
				e.fails(got, store.ErrTicketNotFound, "a ticket that nobody put")
			}
		}
	}
}

// proves P3: of uses that need one ticket, one is charged.
func ticketParallelUses(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root(at(99, store.NoClause))
		t := e.newTicket(store.TicketState)
		e.put(t)
		var (
			uses     [callers]store.Use
			children [callers]store.Token
			errs     [callers]error
		)
		for i := range uses {
			uses[i], children[i] = e.use(store.UseAT, 0), e.newChild(root)
			uses[i].Tickets = store.TicketChanges{By: uses[i].ID, Consume: []store.TicketRef{t.TicketRef}}
			uses[i].Event = event("AT_created", t0)
		}
		e.parallel(callers, func(i int, s store.Store) {
			if i%2 == 0 {
				_, errs[i] = s.Spend(e.ctx, root.Presented, uses[i])
				return
			}
			_, errs[i] = s.CreateChild(e.ctx, root.Presented, uses[i], children[i])
		})
		e.oneWinner(errs[:], store.ErrTicketTaken, "Spend and CreateChild")
		e.equal(e.used(root), []int64{1}, "uses charged")
		e.equal(e.history(root.id()), []string{"AT_created"}, "history")
		made := 1
		for i, err := range errs {
			if err == nil && i%2 == 1 {
				made = 2
			}
		}
		e.equal(len(e.list(root.Owner)), made, "tokens")
	}
}

func ticketParallelCompletions(e *env) {
	for round := range e.rounds {
		const callers = 2 * nodes
		t := e.newTicket(store.TicketPolling)
		e.put(t)
		var (
			done [callers]store.Completion
			errs [callers]error
		)
		for i := range done {
			done[i] = store.Completion{TicketRef: t.TicketRef, Status: store.TicketReady, Payload: e.sealed()}
			if round%2 == 0 {
				done[i] = done[0]
			}
		}
		e.parallel(callers, func(i int, s store.Store) {
			errs[i] = s.ChangeTickets(e.ctx, store.TicketChanges{Complete: []store.Completion{done[i]}}, t0)
		})
		got := e.resolve(t.TicketRef)
		if round%2 == 0 {
			for _, err := range errs {
				e.ok(err, "the same completion")
			}
			e.equal(got.Payload, done[0].Payload, "payload")
			continue
		}
		e.oneWinner(errs[:], store.ErrTicketTaken, "Complete")
		for i, err := range errs {
			if err == nil {
				e.equal(got.Payload, done[i].Payload, "the winner's payload")
			}
		}
	}
}

func ticketParallelPuts(e *env) {
	for round := range e.rounds {
		const callers = 2 * nodes
		var (
			puts [callers]store.Ticket
			errs [callers]error
		)
		for i := range puts {
			puts[i] = e.newTicket(store.TicketTransfer)
			puts[i].ID = puts[0].ID
			if round%2 == 0 {
				puts[i] = puts[0]
			}
		}
		e.parallel(callers, func(i int, s store.Store) {
			errs[i] = s.ChangeTickets(e.ctx, store.TicketChanges{Put: puts[i : i+1]}, t0)
		})
		if round%2 == 0 {
			for _, err := range errs {
				e.ok(err, "the same ticket")
			}
		} else {
			e.oneWinner(errs[:], store.ErrExists, "Put")
		}
		got := e.resolve(puts[0].TicketRef)
		for i, err := range errs {
			if err == nil {
				e.equal(got, puts[i], "the winner's ticket")
			}
		}
	}
}

// ticketLockOrder changes the same tickets in opposite orders. Deadlocks are
// the store's business.
func ticketLockOrder(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		var refs [][]store.TicketRef
		a, b, c := e.newTicket(store.TicketState), e.newTicket(store.TicketState), e.newTicket(store.TicketState)
		e.put(a, b, c)
		refs = [][]store.TicketRef{{a.TicketRef, b.TicketRef, c.TicketRef}, {c.TicketRef, b.TicketRef, a.TicketRef}}
		var (
			by   [callers]store.UseID
			errs [callers]error
		)
		for i := range by {
			by[i] = e.useID()
		}
		e.parallel(callers, func(i int, s store.Store) {
			errs[i] = s.ChangeTickets(e.ctx, store.TicketChanges{By: by[i], Consume: refs[i%2]}, t0)
		})
		e.oneWinner(errs[:], store.ErrTicketTaken, "Consume")
	}
}
