package storetest

import (
	"sync/atomic"

	"github.com/mytoken-go/sdk/store"
)

// fetchTicket: a use returns the ticket that ResolveTicket would return after it.
//
// proves P8
func fetchTicket(e *env) {
	root := e.root(at(unlimited, none))
	fetching := func(ref store.TicketRef) store.Use {
		u := e.leasing(e.leaseID(), 0)
		u.Fetch = ref
		return u
	}
	gets := func(want *store.Ticket, u store.Use, what string) {
		e.Helper()
		for range nodes {
			got := e.charge(root.Presented, u)
			switch {
			case (got.Ticket == nil) != (want == nil):
				e.Errorf("%s: got ticket %+v, want %+v", what, got.Ticket, want)
			case want != nil:
				e.equal(*got.Ticket, *want, "%s", what)
				e.tookNone(got, what)
			case got.Refresh == nil:
				e.Errorf("%s: the use has not taken the lease", what)
			}
		}
		if want == nil {
			e.end(root.Grant, u.Lease.ID, 1, store.RefreshNotSent)
		}
	}
	code, pending, other := e.newCode(root), e.newTicket(store.TicketReply), e.newCode(root)
	other.ID = pending.ID // of another kind
	e.put(code, pending, other)
	gets(&code, fetching(code.TicketRef), "a ticket of the token")
	gets(&pending, fetching(pending.TicketRef), "a pending ticket")
	gets(&other, fetching(other.TicketRef), "a ticket of another kind")
	gets(nil, fetching(e.unknown(store.TicketReply)), "an unknown ticket")
	late := fetching(code.TicketRef)
	late.Now = code.Expires
	gets(&code, late, "a ticket at its expiry")
	late = fetching(code.TicketRef)
	late.Now = code.Expires + 1
	gets(nil, late, "an expired ticket")

	// The use itself may put it or complete it.
	put := e.newCode(root)
	u := fetching(put.TicketRef)
	u.Tickets = putting(put)
	gets(&put, u, "a ticket that the use puts")
	done := pending
	done.Status, done.Payload = store.TicketReady, e.sealed()
	u = fetching(pending.TicketRef)
	u.Tickets = completing(store.Completion{TicketRef: pending.TicketRef, Status: done.Status, Payload: done.Payload})
	gets(&done, u, "a ticket that the use completes")

	e.take(code)
	gets(nil, fetching(code.TicketRef), "a ticket that was taken")
	dead := e.child(root)
	orphan := e.newCode(dead)
	e.put(orphan)
	gets(&orphan, fetching(orphan.TicketRef), "the ticket of another token")
	e.revoke(dead, false)
	gets(nil, fetching(orphan.TicketRef), "the ticket of a revoked token")
}

// stateOfUse: a use returns what Lookup would return after it.
func stateOfUse(e *env) {
	root := e.root(at(3, none))
	child := e.child(root, at(unlimited, 0), limits(0, 2, none))
	states := func(p store.Presented, u store.Use, what string) {
		e.Helper()
		u.State = true
		for range nodes {
			got, err := e.s.Spend(e.ctx, p, u)
			e.ok(err, "Spend with %s", what)
			if got.State == nil {
				e.Fatalf("%s: Spend returned no state", what)
			}
			want := e.lookup(p, u.Now)
			e.equal(*got.State, want, "state after %s", what)
		}
	}
	states(root.Presented, e.use(store.UseAT, 0), "a use of the root")
	states(child.Presented, e.use(store.UseAT, 0), "a use of a child")
	states(child.Presented, e.use(store.UseOther, 1), "another use of a child")
	states(child.Presented, e.noted("tokeninfo_introspect", store.UseUncounted), "an uncounted use")
	states(e.root().Presented, e.use(store.UseAT), "a use without clauses")

	next, _ := e.rotate(child, grace) // at the instant of the uses
	states(child.Presented, e.uncounted(), "a use of an outdated token")
	states(next.Presented, e.uncounted(), "a use that confirms the next one")
	e.stale(e.spendErr(child.Presented, e.uncounted()), store.StaleError{Presented: 1, Current: 2}, "the outdated token, after that")

	e.kill(root.Grant, 1, t0)
	states(root.Presented, e.uncounted(), "the end of the grant")
	e.equal(e.charge(root.Presented, e.uncounted()).State, (*store.State)(nil), "state that was not asked for")
}

// stateOfParallelUses: the counters that a use returns include the use, every use that had
// returned before it began, and none that begins later. This holds for a counter with a
// limit and one without, also if the token of a descendant was used.
//
// proves P3
func stateOfParallelUses(e *env) {
	const each = 4
	for range e.rounds {
		root := e.root(at(unlimited, none), at(2*callers*each, none))
		child := e.child(root, at(unlimited, 1))
		for clause := range 2 {
			uses := several(callers, func() []store.Use { return e.uses(each, "", clause) })
			var began, returned atomic.Int64
			var wrong atomic.Pointer[store.State]
			errs := e.atOnce(callers, func(i int, s store.Store) error {
				for n, u := range uses[i] {
					p := root.Presented
					if clause == 1 && i%4 < 2 {
						p, u.Candidates = child.Presented, []int{0}
					}
					u.State = n%2 == 0 || i%2 == 0 // uses that do not ask count as well
					least := returned.Load() + 1
					began.Add(1)
					spent, err := s.Spend(e.ctx, p, u)
					if err != nil {
						return err
					}
					most := began.Load()
					returned.Add(1)
					if p == root.Presented && u.State {
						if got := spent.State.Counters[clause].ATUsed; got < least || got > most {
							wrong.Store(spent.State)
						}
					}
				}
				return nil
			})
			e.allOK(errs, "Spend")
			if state := wrong.Load(); state != nil {
				e.Fatalf("a use of clause %d returned counters that do not fit the uses before and beside it: %+v", clause, state.Counters)
			}
			e.equal(e.lookup(root.Presented, t0).Counters[clause].ATUsed, int64(callers*each), "uses of clause %d", clause)
		}
	}
}
