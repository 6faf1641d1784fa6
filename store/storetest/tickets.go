package storetest

import "github.com/mytoken-go/sdk/store"

func ticketKinds(e *env) {
	root, id := e.root(), e.ticketID()
	var all []store.Ticket
	for kind := store.TicketState; kind <= store.TicketSSHKey; kind++ {
		t := e.newTicket(kind)
		t.ID, t.Token, t.Status, t.OwnsToken = id, root.id(), store.TicketReady, kind%2 == 0
		all = append(all, t)
		e.put(t)
	}
	for i, t := range all {
		e.wantTicket(t)
		if lasting(t.Kind) {
			continue
		}
		e.take(t)
		e.wantTicket(all[i+1:]...)
	}
	lone := e.ready(store.TicketTransfer)
	for kind := store.TicketState; kind <= store.TicketSSHKey; kind++ {
		if kind == lone.Kind {
			continue
		}
		ref := store.TicketRef{Kind: kind, ID: lone.ID}
		e.unresolved(ref, t0, store.ErrTicketNotFound, "a code as another kind")
		e.fails(e.consumeErr(e.useID(), ref), store.ErrTicketNotFound, "Consume of a code as kind %d", kind)
		if !lasting(kind) {
			e.fails(e.takeErr(ref, e.useID()), store.ErrTicketNotFound, "TakeTicket of a code as kind %d", kind)
		}
	}
	e.wantTicket(lone)
}

func ticketSeveralIDs(e *env) {
	t, second := e.ready(store.TicketPolling), e.ready(store.TicketPolling)
	resolves := func(want store.Ticket, ids ...store.TicketID) {
		e.Helper()
		got, err := e.s.ResolveTicket(e.ctx, want.Kind, ids, t0)
		e.ok(err, "ResolveTicket of %d ids", len(ids))
		e.equal(got, want, "the first ticket that is known")
	}
	resolves(t, t.ID)
	resolves(t, e.ticketID(), t.ID)
	resolves(t, t.ID, e.ticketID())
	resolves(t, e.ticketID(), e.ticketID(), t.ID)
	resolves(second, e.ticketID(), second.ID, t.ID)
	for _, ids := range [][]store.TicketID{nil, {e.ticketID()}, {{}}} {
		e.fails(errOf(e.s.ResolveTicket(e.ctx, t.Kind, ids, t0)), store.ErrTicketNotFound, "ResolveTicket of %d unknown ids", len(ids))
	}
	e.take(t)
	err := errOf(e.s.ResolveTicket(e.ctx, t.Kind, []store.TicketID{e.ticketID(), t.ID}, t0))
	e.fails(err, store.ErrTicketTaken, "ResolveTicket of a taken ticket")
}

func ticketOutcomes(e *env) {
	for _, status := range []store.TicketStatus{store.TicketReady, store.TicketDeclined, store.TicketFailed} {
		t := e.newTicket(store.TicketPolling)
		e.put(t)
		e.wantTicket(t)
		c := store.Completion{TicketRef: t.TicketRef, Status: status, Payload: e.sealed()}
		e.change(completing(c), "complete")
		t.Status, t.Payload = status, c.Payload
		for range nodes {
			e.wantTicket(t)
		}
		e.take(t)
		e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "taken")
	}
}

func ticketExpiry(e *env) {
	for _, u := range []struct {
		name string
		do   func(store.TicketRef, store.Micros) error
	}{
		{"ResolveTicket", e.resolveErr},
		{"TakeTicket", func(r store.TicketRef, now store.Micros) error {
			return e.s.TakeTicket(e.ctx, r, e.useID(), store.Event{}, now)
		}},
		{"Consume", func(r store.TicketRef, now store.Micros) error {
			return e.s.ChangeTickets(e.ctx, e.consuming(r), now)
		}},
		{"Complete", func(r store.TicketRef, now store.Micros) error {
			return e.s.ChangeTickets(e.ctx, completing(store.Completion{TicketRef: r, Status: store.TicketReady}), now)
		}},
	} {
		t := e.newTicket(store.TicketTransfer)
		if u.name != "Complete" {
			t.Status = store.TicketReady
		}
		e.put(t)
		e.fails(u.do(t.TicketRef, t.Expires+1), store.ErrTicketExpired, "%s after the expiry", u.name)
		e.ok(u.do(t.TicketRef, t.Expires), "%s at the expiry", u.name)
	}

	// A ticket expires by the instant of the step that carries the change.
	root, t := e.root(), e.newTicket(store.TicketState)
	e.put(t)
	late := t.Expires + 1
	use, r, replacement := e.uncounted(), e.rotation(root, grace), e.replacement(root, 1)
	use.Tickets, use.Now = e.consuming(t.TicketRef), late
	r.Tickets, r.Now = use.Tickets, late
	replacement.Tickets, replacement.Now = use.Tickets, late
	g, k := e.newRoot()
	k.Created = late
	for name, err := range map[string]error{
		"Spend":        e.spendErr(root.Presented, use),
		"CreateChild":  e.childErr(root.Presented, use, e.newChild(root)),
		"Rotate":       e.rotateErr(r),
		"CreateRoot":   e.createRoot(g, k, use.Tickets),
		"ReplaceGrant": e.s.ReplaceGrant(e.ctx, replacement),
	} {
		e.fails(err, store.ErrTicketExpired, "%s after the expiry", name)
	}
	k.Created = t.Expires
	e.ok(e.createRoot(g, k, use.Tickets), "CreateRoot at the expiry")
}

// proves P7, P8
func ticketTake(e *env) {
	root := e.root()
	t, silent := e.newCode(root), e.newCode(root)
	e.put(t, silent)
	redeem := func(t store.Ticket, taker store.UseID, now store.Micros) error {
		return e.s.TakeTicket(e.ctx, t.TicketRef, taker, event("transfer_code_used", t0), now)
	}
	taker := e.useID()
	for range nodes {
		e.ok(redeem(t, taker, t0), "TakeTicket")
		e.fails(redeem(t, e.useID(), t0), store.ErrTicketTaken, "TakeTicket by another")
		e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "taken")
	}
	e.wantHistory([]*tok{root}, "transfer_code_used")
	e.ok(redeem(t, taker, t.Expires+1), "TakeTicket again, after the expiry")

	e.take(silent) // without an event
	e.ok(redeem(e.ready(store.TicketPolling), e.useID(), t0), "TakeTicket of no token")
	e.wantHistory([]*tok{root}, "transfer_code_used")
}

func ticketTakeRefused(e *env) {
	root := e.root()
	e.fails(e.takeErr(e.unknown(store.TicketTransfer), e.useID()), store.ErrTicketNotFound, "an unknown ticket")
	pending, short, key, ready := e.newTicket(store.TicketPolling), e.newShort(root), e.newSSHKey(root), e.newCode(root)
	pending.Token = root.id()
	e.put(pending, short, key, ready)
	redeem := func(t store.Ticket, taker store.UseID) error {
		return e.s.TakeTicket(e.ctx, t.TicketRef, taker, event("transfer_code_used", t0), t0)
	}
	e.fails(redeem(pending, e.useID()), store.ErrConflict, "a pending ticket")
	e.refused(redeem(short, e.useID()), "a short token")
	e.refused(redeem(key, e.useID()), "an SSH key")
	e.refused(redeem(ready, store.UseID{}), "no taker")
	e.wantTicket(pending, short, key, ready)
	e.wantHistory([]*tok{root})
}

// proves P6
func ticketOfToken(e *env) {
	root := e.root()
	child := e.child(root)
	short, key, code, ending := e.newShort(child), e.newSSHKey(child), e.newCode(child), e.newShort(child)
	ending.Expires = t0 + hour
	e.put(short, key, code, ending)
	for _, now := range []store.Micros{t0, t0 + 1000*day} {
		for _, t := range []store.Ticket{short, key} {
			got, err := e.s.ResolveTicket(e.ctx, t.Kind, []store.TicketID{t.ID}, now)
			e.ok(err, "ResolveTicket")
			e.equal(got, t, "a ticket of kind %d without expiry", t.Kind)
		}
	}
	e.ok(e.resolveErr(ending.TicketRef, ending.Expires), "ResolveTicket of a short token at its expiry")
	e.unresolved(ending.TicketRef, ending.Expires+1, store.ErrTicketExpired, "a short token after its expiry")
	stray := e.newTicket(store.TicketTransfer)
	stray.Token = e.tokenID()
	e.put(stray)
	e.unresolved(stray.TicketRef, t0, store.ErrTicketNotFound, "a ticket of an unknown token")

	e.revoke(root, true)
	for _, t := range []store.Ticket{short, key, code} {
		e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "a ticket below a revoked token")
		e.fails(e.consumeErr(e.useID(), t.TicketRef), store.ErrTicketNotFound, "Consume below a revoked token")
	}
	e.fails(e.takeErr(code.TicketRef, e.useID()), store.ErrTicketNotFound, "TakeTicket below a revoked token")
	c := store.Completion{TicketRef: code.TicketRef, Status: store.TicketReady}
	e.fails(e.changeErr(completing(c)), store.ErrTicketNotFound, "Complete below a revoked token")
}
