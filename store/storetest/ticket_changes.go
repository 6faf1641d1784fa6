package storetest

import (
	"github.com/mytoken-go/sdk/store"
)

func ticketChangeCases() []testCase {
	return []testCase{
		{name: "put again", run: ticketPutAgain},
		{name: "complete", run: ticketComplete},
		{name: "consume", run: ticketConsume},
		{name: "drop", run: ticketDrop},
		{name: "changes are made all or none", run: ticketAllOrNone},
		{name: "changes are made in order", run: ticketOrder},
		{name: "bad arguments are refused", run: ticketArguments},
	}
}

// proves P8
func ticketPutAgain(e *env) {
	root := e.root()
	t := e.newTicket(store.TicketPolling)
	again := func(when string) {
		e.Helper()
		for range 2 {
			e.ok(e.change(store.TicketChanges{Put: []store.Ticket{t}}), "Put %s", when)
		}
	}
	again("the first time")
	for name, spoil := range map[string]func(*store.Ticket){
		"status":     func(t *store.Ticket) { t.Status = store.TicketReady },
		"key":        func(t *store.Ticket) { t.Key = e.sealed() },
		"no key":     func(t *store.Ticket) { t.Key = nil },
		"payload":    func(t *store.Ticket) { t.Payload = e.sealed() },
		"no payload": func(t *store.Ticket) { t.Payload = nil },
		"swapped":    func(t *store.Ticket) { t.Key, t.Payload = t.Payload, t.Key },
		"token":      func(t *store.Ticket) { t.Token = root.id() },
		"ownership":  func(t *store.Ticket) { t.OwnsToken = true },
		"expiry":     func(t *store.Ticket) { t.Expires++ },
	} {
		other := t
		spoil(&other)
		e.fails(e.change(store.TicketChanges{Put: []store.Ticket{other}}), store.ErrExists, "another %s under the id", name)
	}
	e.equal(e.resolve(t.TicketRef), t, "ticket")
	payload := e.sealed()
	e.ok(e.change(store.TicketChanges{Complete: []store.Completion{{TicketRef: t.TicketRef, Status: store.TicketReady, Payload: payload}}}), "Complete")
	again("after it was completed")
	e.equal(e.resolve(t.TicketRef).Payload, payload, "payload")
	e.ok(e.take(t.TicketRef, e.useID()), "TakeTicket")
	again("after it was taken")
	e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "taken")
}

// proves P8
func ticketComplete(e *env) {
	root := e.root()
	t := e.newTicket(store.TicketPolling)
	e.put(t)
	c := store.Completion{TicketRef: t.TicketRef, Status: store.TicketReady, Payload: e.sealed(), Token: root.id()}
	complete := func(c store.Completion) error { return e.change(store.TicketChanges{Complete: []store.Completion{c}}) }
	e.ok(complete(c), "Complete")
	want := t
	want.Status, want.Payload, want.Token = c.Status, c.Payload, c.Token
	refusals := func(when string) {
		e.Helper()
		for range 2 {
			e.ok(complete(c), "the same completion, %s", when)
		}
		other := c
		other.Payload = e.sealed()
		e.fails(complete(other), store.ErrTicketTaken, "another payload, %s", when)
		other = c
		other.Status = store.TicketFailed
		e.fails(complete(other), store.ErrTicketTaken, "another status, %s", when)
	}
	refusals("completed")
	e.equal(e.resolve(t.TicketRef), want, "ticket")
	e.ok(e.take(t.TicketRef, e.useID()), "TakeTicket")
	refusals("taken")
	e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "taken")

	c.ID = e.ticketID()
	e.fails(complete(c), store.ErrTicketNotFound, "an unknown ticket")
	c.TicketRef = e.ready(store.TicketPolling).TicketRef
	e.fails(complete(c), store.ErrTicketTaken, "a ticket that was never pending")
	consumed := e.newTicket(store.TicketPolling)
	e.put(consumed)
	e.ok(e.consume(e.useID(), consumed.TicketRef), "Consume")
	c.TicketRef = consumed.TicketRef
	e.fails(complete(c), store.ErrTicketTaken, "a ticket that was consumed while it was pending")

	// The payload is replaced even by none, the token only by one.
	bare := e.newTicket(store.TicketPolling)
	bare.Token = root.id()
	e.put(bare)
	e.ok(complete(store.Completion{TicketRef: bare.TicketRef, Status: store.TicketDeclined}), "Complete")
	bare.Status, bare.Payload = store.TicketDeclined, nil
	e.equal(e.resolve(bare.TicketRef), bare, "ticket")
}

// proves P7, P8
func ticketConsume(e *env) {
	for _, status := range []store.TicketStatus{store.TicketPending, store.TicketReady, store.TicketDeclined, store.TicketFailed} {
		t := e.newTicket(store.TicketState)
		t.Status = status
		e.put(t)
		by := e.useID()
		for range nodes {
			e.ok(e.consume(by, t.TicketRef), "Consume")
			e.fails(e.consume(e.useID(), t.TicketRef), store.ErrTicketTaken, "Consume by another")
			e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "consumed")
		}
		e.fails(e.take(t.TicketRef, e.useID()), store.ErrTicketTaken, "TakeTicket of a consumed ticket")
		e.ok(e.consume(by, t.TicketRef, t.TicketRef), "Consume, named twice")
	}
	e.fails(e.consume(e.useID(), store.TicketRef{Kind: store.TicketState, ID: e.ticketID()}), store.ErrTicketNotFound, "an unknown ticket")
	taken := e.ready(store.TicketTransfer)
	e.ok(e.take(taken.TicketRef, e.useID()), "TakeTicket")
	e.fails(e.consume(e.useID(), taken.TicketRef), store.ErrTicketTaken, "Consume of a taken ticket")
}

func ticketDrop(e *env) {
	t, kept := e.ready(store.TicketTransfer), e.ready(store.TicketTransfer)
	drop := store.TicketChanges{Drop: []store.TicketRef{t.TicketRef, {Kind: store.TicketState, ID: e.ticketID()}}}
	for range 2 {
		e.ok(e.change(drop), "Drop")
		e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "dropped")
	}
	e.fails(e.take(t.TicketRef, e.useID()), store.ErrTicketNotFound, "TakeTicket of a dropped ticket")
	e.equal(e.resolve(kept.TicketRef), kept, "another ticket")
	e.put(t)
	e.equal(e.resolve(t.TicketRef), t, "put again")
	e.ok(e.take(t.TicketRef, e.useID()), "TakeTicket")
	e.ok(e.change(drop), "Drop of a taken ticket")
	e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "dropped")
}

func ticketAllOrNone(e *env) {
	root := e.root()
	taken := e.ready(store.TicketTransfer)
	e.ok(e.take(taken.TicketRef, e.useID()), "TakeTicket")
	unknown := store.TicketRef{Kind: store.TicketPolling, ID: e.ticketID()}
	existing := e.newCode(root)
	e.put(existing)
	conflicting := existing
	conflicting.Payload = e.sealed()

	for name, spoil := range map[string]struct {
		want error
		do   func(*store.TicketChanges)
	}{
		"consume unknown": {store.ErrTicketNotFound, func(c *store.TicketChanges) { c.Consume = append(c.Consume, unknown) }},
		"consume taken":   {store.ErrTicketTaken, func(c *store.TicketChanges) { c.Consume = append(c.Consume, taken.TicketRef) }},
		"complete unknown": {store.ErrTicketNotFound, func(c *store.TicketChanges) {
			c.Complete = append(c.Complete, store.Completion{TicketRef: unknown, Status: store.TicketReady})
		}},
		"complete ready": {store.ErrTicketTaken, func(c *store.TicketChanges) {
			c.Complete = append(c.Complete, store.Completion{TicketRef: existing.TicketRef, Status: store.TicketReady})
		}},
		"put existing": {store.ErrExists, func(c *store.TicketChanges) { c.Put = append(c.Put, conflicting) }},
	} {
		consumed, completed, dropped, put := e.newTicket(store.TicketState), e.newTicket(store.TicketPolling), e.newCode(root), e.newCode(root)
		e.put(consumed, completed, dropped)
		changes := store.TicketChanges{
			By: e.useID(), Consume: []store.TicketRef{consumed.TicketRef},
			Complete: []store.Completion{{TicketRef: completed.TicketRef, Status: store.TicketReady, Payload: e.sealed()}},
			Drop:     []store.TicketRef{dropped.TicketRef}, Put: []store.Ticket{put},
		}
		good := changes
		spoil.do(&changes)
		use := e.uncounted()
		use.Tickets, use.Event = changes, event("AT_created", t0)
		_, spendErr := e.s.Spend(e.ctx, root.Presented, use)
		for method, err := range map[string]error{"ChangeTickets": e.change(changes), "Spend": spendErr} {
			e.fails(err, spoil.want, "%s, %s", method, name)
		}
		for _, t := range []store.Ticket{consumed, completed, dropped} {
			e.equal(e.resolve(t.TicketRef), t, "%s: a ticket of the changes that failed", name)
		}
		e.unresolved(put.TicketRef, t0, store.ErrTicketNotFound, name)
		e.equal(e.history(root.id()), []string(nil), "history")

		e.ok(e.change(good), "the same changes without the bad one")
		e.unresolved(consumed.TicketRef, t0, store.ErrTicketTaken, name)
		e.equal(e.resolve(completed.TicketRef).Status, store.TicketReady, "completed")
		e.unresolved(dropped.TicketRef, t0, store.ErrTicketNotFound, name)
		e.equal(e.resolve(put.TicketRef), put, "put")
	}
}

func ticketOrder(e *env) {
	old := e.ready(store.TicketTransfer)
	renewed := old
	renewed.Payload = e.sealed()
	changes := store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{old.TicketRef}, Drop: []store.TicketRef{old.TicketRef}, Put: []store.Ticket{renewed}}
	e.ok(e.change(changes), "consume, drop and put under one id")
	e.equal(e.resolve(old.TicketRef), renewed, "the new ticket")
	late := e.newTicket(store.TicketState)
	e.fails(e.change(store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{late.TicketRef}, Put: []store.Ticket{late}}),
		store.ErrTicketNotFound, "consume what the same step puts")
	e.fails(e.change(store.TicketChanges{Complete: []store.Completion{{TicketRef: late.TicketRef, Status: store.TicketReady}}, Put: []store.Ticket{late}}),
		store.ErrTicketNotFound, "complete what the same step puts")
	e.ok(e.change(store.TicketChanges{}), "no change")
}

func ticketArguments(e *env) {
	for name, spoil := range map[string]func(*store.Ticket){
		"no id":               func(t *store.Ticket) { t.ID = store.TicketID{} },
		"no kind":             func(t *store.Ticket) { t.Kind = 0 },
		"unknown kind":        func(t *store.Ticket) { t.Kind = 7 },
		"no status":           func(t *store.Ticket) { t.Status = 0 },
		"unknown status":      func(t *store.Ticket) { t.Status = 5 },
		"no expiry":           func(t *store.Ticket) { t.Expires = 0 },
		"negative expiry":     func(t *store.Ticket) { t.Expires = -1 },
		"short token of none": func(t *store.Ticket) { t.Kind, t.Expires = store.TicketShort, 0 },
	} {
		t := e.newTicket(store.TicketTransfer)
		spoil(&t)
		e.refused(e.change(store.TicketChanges{Put: []store.Ticket{t}}), "Put: %s", name)
		if t.Kind != 0 && !t.ID.IsZero() {
			e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, name)
		}
	}
	t := e.newTicket(store.TicketState)
	e.put(t)
	e.refused(e.consume(store.UseID{}, t.TicketRef), "Consume by nobody")
	e.refused(e.consume(e.useID(), store.TicketRef{ID: t.ID}), "Consume without kind")
	e.refused(e.change(store.TicketChanges{Drop: []store.TicketRef{{Kind: t.Kind}}}), "Drop without id")
	for _, status := range []store.TicketStatus{0, store.TicketPending, 5} {
		c := store.Completion{TicketRef: t.TicketRef, Status: status}
		e.refused(e.change(store.TicketChanges{Complete: []store.Completion{c}}), "Complete with status %d", status)
	}
	e.equal(e.resolve(t.TicketRef), t, "ticket")
}
