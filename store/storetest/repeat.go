package storetest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// repeatAll calls every step that changes something with each of the contexts. Such a
// call may fail, but not with a definite error. Then repeatAll makes the same call with a
// good context, which must succeed. It checks that each step took effect once.
//
// proves P8
func (e *env) repeatAll(contexts func() []context.Context) {
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

	g, root := e.newRoot(at(5, none))
	root.Events = []store.Event{event("created", t0)}
	state, code := e.newTicket(store.TicketState), e.newCode(root)
	e.put(state)
	login := e.consuming(state.TicketRef)
	login.Put = []store.Ticket{code}
	again("CreateRoot", func(ctx context.Context) error { return e.s.CreateRoot(ctx, g, root.Token, login) })

	child, birth := e.newChild(root, at(5, 0)), e.noted("MT_created", store.UseAT, 0)
	again("CreateChild", func(ctx context.Context) error {
		return errOf(e.s.CreateChild(ctx, root.Presented, birth, child.Token))
	})
	spend, refunded := e.noted("AT_created", store.UseAT, 0), e.use(store.UseAT, 0)
	again("Spend", func(ctx context.Context) error { return errOf(e.s.Spend(ctx, child.Presented, spend)) })
	e.charge(child.Presented, refunded)
	again("Refund", func(ctx context.Context) error { return e.s.Refund(ctx, refunded.ID, t0) })
	e.wantUsed(root, 2)
	e.wantHistory([]*tok{root}, "MT_created", "created")
	e.wantHistory([]*tok{child}, "AT_created")

	again("TakeTicket", func(ctx context.Context) error {
		return e.s.TakeTicket(ctx, code.TicketRef, spend.ID, event("transfer_code_used", t0), t0)
	})
	polling := e.newTicket(store.TicketPolling)
	again("ChangeTickets", func(ctx context.Context) error { return e.s.ChangeTickets(ctx, putting(polling), t0) })
	e.wantTicket(polling)

	items, key := e.putItems(root.Owner, 0, e.newItem(store.ItemSSHKey)), e.newSSHKey(child)
	items.Links = newLinks(tag(items.Put[0], child.id()))
	items.Tickets, items.Token, items.Event = putting(key), child.id(), event("ssh_key_add", t0)
	again("ChangeItems", func(ctx context.Context) error { return e.s.ChangeItems(ctx, items) })
	e.wantItems(root.Owner, 1, items.Put...)
	e.wantTicket(key)
	e.wantHistory([]*tok{child}, "ssh_key_add", "AT_created")
	links := store.ItemChanges{Owner: root.Owner, Links: newLinks(tag(items.Put[0], root.id())), Now: t0}
	again("ChangeItems of links", func(ctx context.Context) error { return e.s.ChangeItems(ctx, links) })
	e.wantLinks(idsOf(root, child), tag(items.Put[0], root.id(), child.id())...)

	rotation := e.rotation(root, 0)
	rotation.Event = event("MT_rotated", t0)
	again("Rotate", func(ctx context.Context) error {
		r, err := e.s.Rotate(ctx, rotation)
		if err == nil {
			e.equal(r, store.Rotated{Successor: rotation.Successor, Fresh: true}, "Rotate")
		}
		return err
	})
	e.equal(e.info(root.id()).Seq, uint64(2), "generation")

	process := e.newProcess()
	again("Beat", func(ctx context.Context) error { return e.s.Beat(ctx, process, t0+hour) })
	e.wantProcess(store.ProcessInfo{Process: process, Until: t0 + hour})

	lease := e.leaseID()
	again("BeginRefresh", func(ctx context.Context) error { return errOf(e.s.BeginRefresh(ctx, beginning(g.ID, lease, t0))) })
	commit := e.newCommit(g.ID, lease, 1)
	again("CommitRefresh", func(ctx context.Context) error { return e.s.CommitRefresh(ctx, commit) })
	again("EndRefresh", func(ctx context.Context) error { return e.s.EndRefresh(ctx, ending(g.ID, lease, 1, store.RefreshDone)) })
	e.wantGrant(g.ID, granted(2, commit.Token))
	refused := e.leaseID()
	e.begin(g.ID, refused, t0)
	again("EndRefresh", func(ctx context.Context) error {
		return e.s.EndRefresh(ctx, pausing(g.ID, refused, 2, store.RefreshRefused, t0+hour))
	})
	e.equal(e.grantState(g.ID).Suspect, store.Suspicion{Refusals: 1, AskAfter: t0 + hour}, "suspicion")
	again("Settle", func(ctx context.Context) error { return e.s.Settle(ctx, []store.ProcessID{process.ID}, t0) })
	e.wantProcess(store.ProcessInfo{Process: process, Until: t0 + hour, Settled: t0})
	replacement := e.replacement(root, 2)
	again("ReplaceGrant", func(ctx context.Context) error { return e.s.ReplaceGrant(ctx, replacement) })
	e.wantGrant(g.ID, store.RefreshState{Generation: 3, Token: replacement.Token})

	revocation := store.Revocation{Token: root.id(), Recursive: true, Event: event("MT_revoked", t0), Now: t0}
	again("Revoke", func(ctx context.Context) error { return errOf(e.s.Revoke(ctx, revocation)) })
	e.wantHistory([]*tok{root}, "MT_revoked", "MT_rotated", "transfer_code_used", "MT_created", "created")
	again("DeleteOwner", func(ctx context.Context) error { return e.s.DeleteOwner(ctx, g.Owner) })
	e.wantListed(g.Owner, 0)
	e.wantItems(g.Owner, 0)
	e.wantLinks(idsOf(root, child))
}

// repeatWithOtherTickets repeats uses with tickets of the same ids and other contents, as
// a caller does that makes new tickets for each call. The stored tickets stay as they
// are.
//
// proves P8
func repeatWithOtherTickets(e *env) {
	root := e.root(at(5, none))
	spend, birth, child := e.use(store.UseAT, 0), e.use(store.UseAT, 0), e.newChild(root, at(5, 0))
	first, second := e.newTicket(store.TicketReply), e.newTicket(store.TicketReply)
	spend.Tickets, birth.Tickets = putting(first), putting(second)
	e.charge(root.Presented, spend)
	e.derive(root.Presented, birth, child)

	other := func(u store.Use, t store.Ticket) store.Use {
		t.Expires = t.Expires.Add(time.Second)
		u.Tickets = putting(t)
		return u
	}
	for range 2 {
		e.equal(e.charge(root.Presented, other(spend, first)).Repeated, true, "Spend with another ticket is a repeat")
		e.equal(e.derive(root.Presented, other(birth, second), child).Repeated, true, "CreateChild with another ticket is a repeat")
		e.change(completing(store.Completion{TicketRef: first.TicketRef, Status: store.TicketReady}), "complete the ticket")
	}
	e.wantUsed(root, 2)
	e.wantTicket(second)

	e.fails(e.spendErr(root.Presented, other(e.use(store.UseAT, 0), second)), store.ErrExists, "another use with a ticket that is there")
	e.wantUsed(root, 2)
}

func repeatEndedContext(e *env) {
	ended, cancel := context.WithCancel(e.ctx)
	cancel()
	e.repeatAll(func() []context.Context { return []context.Context{ended, ended} })
}

// repeatEndingContext ends the context while the call is on its way, at some point
// between its beginning and its end.
func repeatEndingContext(e *env) {
	for range max(1, e.rounds/4) {
		e.repeatAll(func() []context.Context {
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

// endingContext ends after a few calls of Err.
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
