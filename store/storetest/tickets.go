package storetest

import (
	"github.com/mytoken-go/sdk/store"
)

func ticketCases() []testCase {
	return []testCase{
		{name: "kinds are told apart", run: ticketKinds},
		{name: "several ids stand for one code", run: ticketSeveralIDs},
		{name: "outcomes are told apart", run: ticketOutcomes},
		{name: "valid until and including its expiry", run: ticketExpiry},
		{name: "take", run: ticketTake},
		{name: "take refused", run: ticketTakeRefused},
		{name: "live as long as their token", run: ticketOfToken},
	}
}

func (e *env) change(c store.TicketChanges) error { return e.s.ChangeTickets(e.ctx, c, t0) }

func (e *env) consume(by store.UseID, refs ...store.TicketRef) error {
	return e.change(store.TicketChanges{By: by, Consume: refs})
}

func (e *env) take(ref store.TicketRef, taker store.UseID) error {
	return e.s.TakeTicket(e.ctx, ref, taker, store.Event{}, t0)
}

// ready returns a code of no token that can be taken, stored.
func (e *env) ready(kind store.TicketKind) store.Ticket {
	e.Helper()
	t := e.newTicket(kind)
	t.Status = store.TicketReady
	e.put(t)
	return t
}

func ticketKinds(e *env) {
	root := e.root()
	id := e.ticketID()
	var all []store.Ticket
	for kind := store.TicketState; kind <= store.TicketReply; kind++ {
		t := e.newTicket(kind)
		t.ID, t.Token, t.Status, t.OwnsToken = id, root.id(), store.TicketReady, kind%2 == 0
		all = append(all, t)
		e.put(t)
	}
	for i, t := range all {
		e.equal(e.resolve(t.TicketRef), t, "ticket of kind %d", t.Kind)
		if t.Kind == store.TicketShort {
			continue
		}
		e.ok(e.take(t.TicketRef, e.useID()), "TakeTicket")
		for _, other := range all[i+1:] {
			e.equal(e.resolve(other.TicketRef), other, "ticket of kind %d after one of kind %d was taken", other.Kind, t.Kind)
		}
	}
	lone := e.ready(store.TicketTransfer)
	for _, kind := range []store.TicketKind{store.TicketState, store.TicketConsent, store.TicketPolling, store.TicketShort, store.TicketReply} {
		ref := store.TicketRef{Kind: kind, ID: lone.ID}
		e.unresolved(ref, t0, store.ErrTicketNotFound, "a code as another kind")
		e.fails(e.consume(e.useID(), ref), store.ErrTicketNotFound, "Consume of a code as kind %d", kind)
		if kind != store.TicketShort {
			e.fails(e.take(ref, e.useID()), store.ErrTicketNotFound, "TakeTicket of a code as kind %d", kind)
		}
	}
	e.equal(e.resolve(lone.TicketRef), lone, "the code")
}

func ticketSeveralIDs(e *env) {
	t := e.ready(store.TicketPolling)
	for _, ids := range [][]store.TicketID{
		{t.ID}, {e.ticketID(), t.ID}, {t.ID, e.ticketID()}, {e.ticketID(), e.ticketID(), t.ID},
	} {
		got, err := e.s.ResolveTicket(e.ctx, t.Kind, ids, t0)
		e.ok(err, "ResolveTicket")
		e.equal(got, t, "ticket")
	}
	second := e.ready(store.TicketPolling)
	got, err := e.s.ResolveTicket(e.ctx, t.Kind, []store.TicketID{e.ticketID(), second.ID, t.ID}, t0)
	e.ok(err, "ResolveTicket")
	e.equal(got, second, "the first that is known")
	for _, ids := range [][]store.TicketID{nil, {e.ticketID()}, {{}}} {
		_, err := e.s.ResolveTicket(e.ctx, t.Kind, ids, t0)
		e.fails(err, store.ErrTicketNotFound, "ResolveTicket of %d unknown ids", len(ids))
	}
	e.ok(e.take(t.TicketRef, e.useID()), "TakeTicket")
	_, err = e.s.ResolveTicket(e.ctx, t.Kind, []store.TicketID{e.ticketID(), t.ID}, t0)
	e.fails(err, store.ErrTicketTaken, "ResolveTicket of a taken ticket")
}

func ticketOutcomes(e *env) {
	for _, status := range []store.TicketStatus{store.TicketReady, store.TicketDeclined, store.TicketFailed} {
		t := e.newTicket(store.TicketPolling)
		e.put(t)
		e.equal(e.resolve(t.TicketRef), t, "pending")
		c := store.Completion{TicketRef: t.TicketRef, Status: status, Payload: e.sealed()}
		e.ok(e.change(store.TicketChanges{Complete: []store.Completion{c}}), "Complete")
		want := t
		want.Status, want.Payload = status, c.Payload
		for range nodes {
			e.equal(e.resolve(t.TicketRef), want, "completed with %d", status)
		}
		e.ok(e.take(t.TicketRef, e.useID()), "TakeTicket")
		e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "taken")
	}
}

func ticketExpiry(e *env) {
	uses := []struct {
		name string
		do   func(store.TicketRef, store.Micros) error
	}{
		{"ResolveTicket", func(r store.TicketRef, now store.Micros) error {
			_, err := e.s.ResolveTicket(e.ctx, r.Kind, []store.TicketID{r.ID}, now)
			return err
		}},
		{"TakeTicket", func(r store.TicketRef, now store.Micros) error {
			return e.s.TakeTicket(e.ctx, r, e.useID(), store.Event{}, now)
		}},
		{"Consume", func(r store.TicketRef, now store.Micros) error {
			return e.s.ChangeTickets(e.ctx, store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{r}}, now)
		}},
		{"Complete", func(r store.TicketRef, now store.Micros) error {
			return e.s.ChangeTickets(e.ctx, store.TicketChanges{Complete: []store.Completion{{TicketRef: r, Status: store.TicketReady}}}, now)
		}},
	}
	for _, u := range uses {
		t := e.newTicket(store.TicketTransfer)
		if u.name != "Complete" {
			t.Status = store.TicketReady
		}
		e.put(t)
		e.fails(u.do(t.TicketRef, t.Expires+1), store.ErrTicketExpired, "%s after the expiry", u.name)
		e.ok(u.do(t.TicketRef, t.Expires), "%s at the expiry", u.name)
	}
	// The instant of the step that carries the change counts.
	root := e.root()
	t := e.newTicket(store.TicketState)
	e.put(t)
	use := e.uncounted()
	use.Now = t.Expires + 1
	use.Tickets = store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{t.TicketRef}}
	_, err := e.s.Spend(e.ctx, root.Presented, use)
	e.fails(err, store.ErrTicketExpired, "Spend after the expiry")
	_, err = e.s.CreateChild(e.ctx, root.Presented, use, e.newChild(root))
	e.fails(err, store.ErrTicketExpired, "CreateChild after the expiry")
	r := e.rotation(root, grace)
	r.Now, r.Tickets = use.Now, use.Tickets
	_, err = e.s.Rotate(e.ctx, r)
	e.fails(err, store.ErrTicketExpired, "Rotate after the expiry")
	g := e.newGrant(e.ownerID())
	late := e.newToken(g.ID, g.Owner)
	late.Created = use.Now
	e.fails(e.s.CreateRoot(e.ctx, g, late, use.Tickets), store.ErrTicketExpired, "CreateRoot after the expiry")
	e.fails(e.s.ReplaceGrant(e.ctx, store.Replacement{
		Grant: root.Grant, Owner: root.Owner, Lease: e.leaseID(), Generation: 1, Token: e.sealed(), Tickets: use.Tickets, Now: use.Now,
	}), store.ErrTicketExpired, "ReplaceGrant after the expiry")
	late.Created = t.Expires
	e.ok(e.s.CreateRoot(e.ctx, g, late, use.Tickets), "CreateRoot at the expiry")
}

// proves P7, P8
func ticketTake(e *env) {
	root := e.root()
	t := e.newCode(root)
	e.put(t)
	taker := e.useID()
	redeemed := event("transfer_code_used", t0)
	for range nodes {
		e.ok(e.s.TakeTicket(e.ctx, t.TicketRef, taker, redeemed, t0), "TakeTicket")
		e.fails(e.s.TakeTicket(e.ctx, t.TicketRef, e.useID(), redeemed, t0), store.ErrTicketTaken, "TakeTicket by another")
		e.unresolved(t.TicketRef, t0, store.ErrTicketTaken, "taken")
	}
	e.equal(e.history(root.id()), []string{"transfer_code_used"}, "history")
	e.ok(e.s.TakeTicket(e.ctx, t.TicketRef, taker, redeemed, t.Expires+1), "TakeTicket again, after the expiry")

	silent := e.newCode(root)
	e.put(silent)
	e.ok(e.take(silent.TicketRef, e.useID()), "TakeTicket without event")
	free := e.ready(store.TicketPolling)
	e.ok(e.s.TakeTicket(e.ctx, free.TicketRef, e.useID(), redeemed, t0), "TakeTicket of no token")
	e.equal(e.history(root.id()), []string{"transfer_code_used"}, "history")
}

func ticketTakeRefused(e *env) {
	root := e.root()
	e.fails(e.take(store.TicketRef{Kind: store.TicketTransfer, ID: e.ticketID()}, e.useID()), store.ErrTicketNotFound, "an unknown ticket")
	pending := e.newTicket(store.TicketPolling)
	pending.Token = root.id()
	short := e.newShort(root)
	ready := e.newCode(root)
	e.put(pending, short, ready)
	redeemed := event("transfer_code_used", t0)
	e.fails(e.s.TakeTicket(e.ctx, pending.TicketRef, e.useID(), redeemed, t0), store.ErrConflict, "a pending ticket")
	e.refused(e.s.TakeTicket(e.ctx, short.TicketRef, e.useID(), redeemed, t0), "a short token")
	e.refused(e.s.TakeTicket(e.ctx, ready.TicketRef, store.UseID{}, redeemed, t0), "no taker")
	for _, t := range []store.Ticket{pending, short, ready} {
		e.equal(e.resolve(t.TicketRef), t, "ticket")
	}
	e.equal(e.history(root.id()), []string(nil), "history")
}

// proves P6
func ticketOfToken(e *env) {
	root := e.root()
	child := e.child(root)
	short, code := e.newShort(child), e.newCode(child)
	e.put(short, code)
	for _, now := range []store.Micros{t0, t0 + 1000*day} {
		got, err := e.s.ResolveTicket(e.ctx, short.Kind, []store.TicketID{short.ID}, now)
		e.ok(err, "ResolveTicket")
		e.equal(got, short, "a short token without expiry")
	}
	ending := e.newShort(child)
	ending.Expires = t0 + hour
	e.put(ending)
	_, err := e.s.ResolveTicket(e.ctx, ending.Kind, []store.TicketID{ending.ID}, ending.Expires)
	e.ok(err, "ResolveTicket of a short token at its expiry")
	e.unresolved(ending.TicketRef, ending.Expires+1, store.ErrTicketExpired, "a short token after its expiry")
	stray := e.newTicket(store.TicketTransfer)
	stray.Token = e.tokenID()
	e.put(stray)
	e.unresolved(stray.TicketRef, t0, store.ErrTicketNotFound, "a ticket of an unknown token")

	e.revoke(root.id(), true)
	for _, t := range []store.Ticket{short, code} {
		e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "a ticket below a revoked token")
		e.fails(e.consume(e.useID(), t.TicketRef), store.ErrTicketNotFound, "Consume below a revoked token")
	}
	e.fails(e.take(code.TicketRef, e.useID()), store.ErrTicketNotFound, "TakeTicket below a revoked token")
	e.fails(e.change(store.TicketChanges{Complete: []store.Completion{{TicketRef: code.TicketRef, Status: store.TicketReady}}}),
		store.ErrTicketNotFound, "Complete below a revoked token")
}
