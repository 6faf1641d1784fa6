package storetest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/store"
)

func repeatCases() []testCase {
	return []testCase{
		{name: "after a context that had ended", run: repeatEndedContext},
		{name: "after a context that ends in between", run: repeatEndingContext},
		{name: "with other tickets", run: repeatWithOtherTickets},
	}
}

// steady calls every step that changes something: first with each of the
// contexts, where it may fail in a way that settles nothing, and then once
// more, where it must succeed. It checks that each step was made once.
//
// proves P8
func (e *env) steady(contexts func() []context.Context) {
	e.Helper()
	again := func(what string, do func(context.Context) error) {
		e.Helper()
		for _, ctx := range contexts() {
			if err := do(ctx); err != nil && store.IsDefinite(err) {
				e.Errorf("%s with a context that has ended: %v", what, err)
			}
		}
		e.ok(do(e.ctx), "%s", what)
	}

	g := e.newGrant(e.ownerID())
	t := e.newToken(g.ID, g.Owner, at(5, store.NoClause))
	t.Events = []store.Event{event("created", t0)}
	state, code := e.newTicket(store.TicketState), e.newTicket(store.TicketTransfer)
	code.Status, code.Token = store.TicketReady, t.ID
	e.put(state)
	again("CreateRoot", func(ctx context.Context) error {
		return e.s.CreateRoot(ctx, g, t, store.TicketChanges{By: store.UseID(t.ID[:]), Consume: []store.TicketRef{state.TicketRef}, Put: []store.Ticket{code}})
	})
	root := &tok{t, present(t)}

	child, makeChild := e.newChild(root, at(5, 0)), e.use(store.UseAT, 0)
	makeChild.Event = event("MT_created", t0)
	again("CreateChild", func(ctx context.Context) error {
		_, err := e.s.CreateChild(ctx, root.Presented, makeChild, child)
		return err
	})
	spend := e.use(store.UseAT, 0)
	spend.Event = event("AT_created", t0)
	again("Spend", func(ctx context.Context) error {
		_, err := e.s.Spend(ctx, present(child), spend)
		return err
	})
	refunded := e.use(store.UseAT, 0)
	_, err := e.s.Spend(e.ctx, present(child), refunded)
	e.ok(err, "Spend")
	again("Refund", func(ctx context.Context) error { return e.s.Refund(ctx, refunded.ID, t0) })
	e.equal(e.used(root), []int64{2}, "uses")
	e.equal(e.history(t.ID), []string{"MT_created", "created"}, "history of the root")
	e.equal(e.history(child.ID), []string{"AT_created"}, "history of the child")

	again("TakeTicket", func(ctx context.Context) error {
		return e.s.TakeTicket(ctx, code.TicketRef, spend.ID, event("transfer_code_used", t0), t0)
	})
	polling := e.newTicket(store.TicketPolling)
	again("ChangeTickets", func(ctx context.Context) error {
		return e.s.ChangeTickets(ctx, store.TicketChanges{Put: []store.Ticket{polling}}, t0)
	})
	e.equal(e.resolve(polling.TicketRef), polling, "ticket")

	rotation := e.rotation(root, 0)
	rotation.Event = event("MT_rotated", t0)
	again("Rotate", func(ctx context.Context) error {
		r, err := e.s.Rotate(ctx, rotation)
		if err == nil {
			e.equal(r, store.Rotated{Successor: rotation.Successor, Fresh: true}, "Rotate")
		}
		return err
	})
	e.equal(e.info(t.ID).Seq, uint64(2), "generation")

	lease := e.leaseID()
	again("BeginRefresh", func(ctx context.Context) error {
		_, err := e.s.BeginRefresh(ctx, g.ID, lease, t0, ttl)
		return err
	})
	commit := store.Commit{Grant: g.ID, Lease: lease, Generation: 1, Token: e.sealed(), Now: t0}
	again("CommitRefresh", func(ctx context.Context) error { return e.s.CommitRefresh(ctx, commit) })
	again("EndRefresh", func(ctx context.Context) error { return e.s.EndRefresh(ctx, g.ID, lease, 1, store.RefreshDone, t0) })
	e.equal(e.grantState(g.ID), store.RefreshState{Generation: 2, Token: commit.Token, Scope: g.Scope, Audience: g.Audience}, "grant")
	replacement := store.Replacement{Grant: g.ID, Owner: g.Owner, Lease: e.leaseID(), Generation: 2, Token: e.sealed(), Now: t0}
	again("ReplaceGrant", func(ctx context.Context) error { return e.s.ReplaceGrant(ctx, replacement) })
	e.equal(e.grantState(g.ID), store.RefreshState{Generation: 3, Token: replacement.Token}, "grant")

	again("Revoke", func(ctx context.Context) error {
		_, err := e.s.Revoke(ctx, store.Revocation{Token: t.ID, Recursive: true, Event: event("MT_revoked", t0), Now: t0})
		return err
	})
	e.equal(e.history(t.ID), []string{"MT_revoked", "MT_rotated", "transfer_code_used", "MT_created", "created"}, "history of the root")
	again("DeleteOwner", func(ctx context.Context) error { return e.s.DeleteOwner(ctx, g.Owner) })
	e.equal(len(e.list(g.Owner)), 0, "tokens")
}

// repeatWithOtherTickets repeats uses with tickets that have the same ids and are
// not the same, as a caller makes them anew. The tickets stay as they are.
//
// proves P8
func repeatWithOtherTickets(e *env) {
	root := e.root(at(5, store.NoClause))
	spend := e.use(store.UseAT, 0)
	first, second := e.newTicket(store.TicketReply), e.newTicket(store.TicketReply)
	spend.Tickets.Put = []store.Ticket{first}
	_, err := e.s.Spend(e.ctx, root.Presented, spend)
	e.ok(err, "Spend")
	child, makeChild := e.newChild(root, at(5, 0)), e.use(store.UseAT, 0)
	makeChild.Tickets.Put = []store.Ticket{second}
	_, err = e.s.CreateChild(e.ctx, root.Presented, makeChild, child)
	e.ok(err, "CreateChild")

	other := func(t store.Ticket) []store.Ticket {
		t.Expires = t.Expires.Add(time.Second)
		return []store.Ticket{t}
	}
	for range 2 {
		repeated := spend
		repeated.Tickets.Put = other(first)
		spent, err := e.s.Spend(e.ctx, root.Presented, repeated)
		e.ok(err, "Spend with another ticket")
		e.equal(spent.Repeated, true, "Repeated")
		repeated = makeChild
		repeated.Tickets.Put = other(second)
		spent, err = e.s.CreateChild(e.ctx, root.Presented, repeated, child)
		e.ok(err, "CreateChild with another ticket")
		e.equal(spent.Repeated, true, "Repeated")
		e.ok(e.s.ChangeTickets(e.ctx, store.TicketChanges{Complete: []store.Completion{{TicketRef: first.TicketRef, Status: store.TicketReady}}}, t0), "complete the ticket")
	}
	e.equal(e.used(root), []int64{2}, "uses")
	e.equal(e.resolve(second.TicketRef), second, "ticket")

	fresh := e.use(store.UseAT, 0)
	fresh.Tickets.Put = other(second)
	_, err = e.s.Spend(e.ctx, root.Presented, fresh)
	e.fails(err, store.ErrExists, "another use with a ticket that is there")
	e.equal(e.used(root), []int64{2}, "uses")
}

func repeatEndedContext(e *env) {
	ended, cancel := context.WithCancel(e.ctx)
	cancel()
	e.steady(func() []context.Context { return []context.Context{ended, ended} })
}

// repeatEndingContext ends the context while the call is on its way: at some
// point between its beginning and its end.
func repeatEndingContext(e *env) {
	for range max(1, e.rounds/4) {
		e.steady(func() []context.Context {
			var all []context.Context
			for i := range 3 {
				ctx, cancel := context.WithCancel(e.ctx)
				e.Cleanup(cancel)
				ending := &endingContext{Context: ctx, cancel: cancel}
				ending.left.Store(int64(i))
				all = append(all, ending)
			}
			return all
		})
	}
}

// endingContext ends when it has been asked a few times whether it has.
type endingContext struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *endingContext) Err() error {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
	return c.Context.Err()
}
