package storetest

import "github.com/mytoken-go/sdk/store"

// proves P8
func ticketPutAgain(e *env) {
	root, t := e.root(), e.newTicket(store.TicketPolling)
	again := func(when string) {
		e.Helper()
		for range 2 {
			e.change(putting(t), "put %s", when)
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
		e.fails(e.changeErr(putting(other)), store.ErrExists, "another %s under the id", name)
	}
	e.wantTicket(t)
	c := store.Completion{TicketRef: t.TicketRef, Status: store.TicketReady, Payload: e.sealed()}
	e.change(completing(c), "complete")
	again("after it was completed")
	e.equal(e.resolve(t.TicketRef).Payload, c.Payload, "payload")
	e.take(t)
	again("after it was taken")
	e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "taken")
}

// proves P8
func ticketComplete(e *env) {
	root := e.root()
	t, consumed, bare := e.newTicket(store.TicketPolling), e.newTicket(store.TicketPolling), e.newTicket(store.TicketPolling)
	bare.Token = root.id()
	e.put(t, consumed, bare)
	c := store.Completion{TicketRef: t.TicketRef, Status: store.TicketReady, Payload: e.sealed(), Token: root.id()}
	complete := func(c store.Completion) error { return e.changeErr(completing(c)) }
	e.ok(complete(c), "Complete")
	want := t
	want.Status, want.Payload, want.Token = c.Status, c.Payload, c.Token
	refusals := func(when string) {
		e.Helper()
		for range 2 {
			e.ok(complete(c), "the same completion, %s", when)
		}
		payload, status := c, c
		payload.Payload, status.Status = e.sealed(), store.TicketFailed
		e.fails(complete(payload), store.ErrTicketTaken, "another payload, %s", when)
		e.fails(complete(status), store.ErrTicketTaken, "another status, %s", when)
	}
	refusals("completed")
	e.wantTicket(want)
	e.take(t)
	refusals("taken")
	e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "taken")

	e.ok(e.consumeErr(e.useID(), consumed.TicketRef), "Consume")
	as := func(ref store.TicketRef) store.Completion {
		other := c
		other.TicketRef = ref
		return other
	}
	e.fails(complete(as(e.unknown(store.TicketPolling))), store.ErrTicketNotFound, "an unknown ticket")
	e.fails(complete(as(e.ready(store.TicketPolling).TicketRef)), store.ErrTicketTaken, "a ticket that was never pending")
	e.fails(complete(as(consumed.TicketRef)), store.ErrTicketTaken, "a ticket that was consumed while it was pending")

	// A completion without a payload erases the payload. A completion without a token
	// keeps the token.
	e.ok(complete(store.Completion{TicketRef: bare.TicketRef, Status: store.TicketDeclined}), "Complete")
	bare.Status, bare.Payload = store.TicketDeclined, nil
	e.wantTicket(bare)
}

// proves P7, P8
func ticketConsume(e *env) {
	for status := store.TicketPending; status <= store.TicketFailed; status++ {
		t, by := e.newTicket(store.TicketState), e.useID()
		t.Status = status
		e.put(t)
		for range nodes {
			e.ok(e.consumeErr(by, t.TicketRef), "Consume")
			e.fails(e.consumeErr(e.useID(), t.TicketRef), store.ErrTicketTaken, "Consume by another")
			e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "consumed")
		}
		e.fails(e.takeErr(t.TicketRef, e.useID()), store.ErrTicketTaken, "TakeTicket of a consumed ticket")
		e.ok(e.consumeErr(by, t.TicketRef, t.TicketRef), "Consume, named twice")
	}
	e.fails(e.consumeErr(e.useID(), e.unknown(store.TicketState)), store.ErrTicketNotFound, "an unknown ticket")
	taken := e.ready(store.TicketTransfer)
	e.take(taken)
	e.fails(e.consumeErr(e.useID(), taken.TicketRef), store.ErrTicketTaken, "Consume of a taken ticket")
}

func ticketDrop(e *env) {
	t, kept := e.ready(store.TicketTransfer), e.ready(store.TicketTransfer)
	drop := dropping(t.TicketRef, e.unknown(store.TicketState))
	for range 2 {
		e.change(drop, "drop")
		e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "dropped")
	}
	e.fails(e.takeErr(t.TicketRef, e.useID()), store.ErrTicketNotFound, "TakeTicket of a dropped ticket")
	e.put(t)
	e.wantTicket(kept, t)
	e.take(t)
	e.change(drop, "drop a taken ticket")
	e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "dropped")
}

func ticketAllOrNone(e *env) {
	root := e.root()
	taken, existing, unknown := e.ready(store.TicketTransfer), e.newCode(root), e.unknown(store.TicketPolling)
	e.take(taken)
	e.put(existing)
	conflicting := existing
	conflicting.Payload = e.sealed()
	complete := func(ref store.TicketRef) func(*store.TicketChanges) {
		return func(c *store.TicketChanges) {
			c.Complete = append(c.Complete, store.Completion{TicketRef: ref, Status: store.TicketReady})
		}
	}
	for name, bad := range map[string]struct {
		want error
		add  func(*store.TicketChanges)
	}{
		"consume unknown":  {store.ErrTicketNotFound, func(c *store.TicketChanges) { c.Consume = append(c.Consume, unknown) }},
		"consume taken":    {store.ErrTicketTaken, func(c *store.TicketChanges) { c.Consume = append(c.Consume, taken.TicketRef) }},
		"complete unknown": {store.ErrTicketNotFound, complete(unknown)},
		"complete ready":   {store.ErrTicketTaken, complete(existing.TicketRef)},
		"put existing":     {store.ErrExists, func(c *store.TicketChanges) { c.Put = append(c.Put, conflicting) }},
	} {
		consumed, completed, dropped, put := e.newTicket(store.TicketState), e.newTicket(store.TicketPolling), e.newCode(root), e.newCode(root)
		e.put(consumed, completed, dropped)
		good := store.TicketChanges{
			By: e.useID(), Consume: []store.TicketRef{consumed.TicketRef},
			Complete: []store.Completion{{TicketRef: completed.TicketRef, Status: store.TicketReady, Payload: e.sealed()}},
			Drop:     []store.TicketRef{dropped.TicketRef}, Put: []store.Ticket{put},
		}
		changes, use := good, e.noted("AT_created", store.UseUncounted)
		bad.add(&changes)
		use.Tickets = changes
		e.fails(e.changeErr(changes), bad.want, "ChangeTickets, %s", name)
		e.fails(e.spendErr(root.Presented, use), bad.want, "Spend, %s", name)
		e.wantTicket(consumed, completed, dropped)
		e.unresolved(put.TicketRef, t0, store.ErrTicketNotFound, name)
		e.wantHistory([]*tok{root})

		e.change(good, "the same without the bad one")
		e.unresolved(consumed.TicketRef, t0, store.ErrTicketTaken, name)
		e.equal(e.resolve(completed.TicketRef).Status, store.TicketReady, "completed")
		e.unresolved(dropped.TicketRef, t0, store.ErrTicketNotFound, name)
		e.wantTicket(put)
	}
}

func ticketOrder(e *env) {
	old, late := e.ready(store.TicketTransfer), e.newTicket(store.TicketState)
	renewed := old
	renewed.Payload = e.sealed()
	changes := e.consuming(old.TicketRef)
	changes.Drop, changes.Put = changes.Consume, []store.Ticket{renewed}
	e.change(changes, "consume, drop and put under one id")
	e.wantTicket(renewed)
	consume, complete := e.consuming(late.TicketRef), completing(store.Completion{TicketRef: late.TicketRef, Status: store.TicketReady})
	consume.Put, complete.Put = []store.Ticket{late}, []store.Ticket{late}
	e.fails(e.changeErr(consume), store.ErrTicketNotFound, "consume what the same step puts")
	e.fails(e.changeErr(complete), store.ErrTicketNotFound, "complete what the same step puts")
	e.change(store.TicketChanges{}, "nothing")
}

func ticketArguments(e *env) {
	for name, spoil := range map[string]func(*store.Ticket){
		"no id":               func(t *store.Ticket) { t.ID = store.TicketID{} },
		"no kind":             func(t *store.Ticket) { t.Kind = 0 },
		"unknown kind":        func(t *store.Ticket) { t.Kind = 9 },
		"no status":           func(t *store.Ticket) { t.Status = 0 },
		"unknown status":      func(t *store.Ticket) { t.Status = 5 },
		"no expiry":           func(t *store.Ticket) { t.Expires = 0 },
		"negative expiry":     func(t *store.Ticket) { t.Expires = -1 },
		"short token of none": func(t *store.Ticket) { t.Kind, t.Expires = store.TicketShort, 0 },
		"SSH key of none":     func(t *store.Ticket) { t.Kind, t.Expires = store.TicketSSHKey, 0 },
	} {
		t := e.newTicket(store.TicketTransfer)
		spoil(&t)
		e.refused(e.changeErr(putting(t)), "Put: %s", name)
		if t.Kind != 0 && !t.ID.IsZero() {
			e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, name)
		}
	}
	t := e.newTicket(store.TicketState)
	e.put(t)
	e.refused(e.consumeErr(store.UseID{}, t.TicketRef), "Consume by nobody")
	e.refused(e.consumeErr(e.useID(), store.TicketRef{ID: t.ID}), "Consume without kind")
	e.refused(e.changeErr(dropping(store.TicketRef{Kind: t.Kind})), "Drop without id")
	for _, status := range []store.TicketStatus{0, store.TicketPending, 5} {
		e.refused(e.changeErr(completing(store.Completion{TicketRef: t.TicketRef, Status: status})), "Complete with status %d", status)
	}
	e.wantTicket(t)
}
