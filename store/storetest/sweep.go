package storetest

import (
	"errors"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// sweep cleans up in large batches until there is nothing left to do.
func (e *env) sweep(now store.Micros) store.Cleaned {
	e.Helper()
	return e.sweepIn(store.Cleaning{Now: now, Limit: 1000, Retention: retention})
}

// sweepIn cleans up in batches, checks them, and returns the sums.
func (e *env) sweepIn(c store.Cleaning) store.Cleaned {
	e.Helper()
	var sum store.Cleaned
	for range 1000 {
		got, err := e.s.Sweep(e.ctx, c)
		e.ok(err, "Sweep")
		for _, n := range []struct {
			table  string
			tables int // that are counted together
			rows   int
			sum    *int
		}{
			{"tickets", 1, got.Tickets, &sum.Tickets}, {"tokens", 1, got.Tokens, &sum.Tokens}, {"grants", 1, got.Grants, &sum.Grants},
			{"events", 1, got.Events, &sum.Events}, {"uses", 2, got.Uses, &sum.Uses}, {"others", 6, got.Others, &sum.Others},
		} {
			if n.rows > n.tables*c.Limit {
				e.Errorf("Sweep deleted %d %s, the limit is %d", n.rows, n.table, c.Limit)
			}
			*n.sum += n.rows
		}
		if !got.More {
			again, err := e.s.Sweep(e.ctx, c)
			e.ok(err, "Sweep")
			e.equal(again, store.Cleaned{}, "Sweep when there is nothing more to do")
			return sum
		}
	}
	e.Fatalf("Sweep finds more to do after 1000 calls")
	return sum
}

func sweepNothing(e *env) {
	e.equal(e.sweep(t0), store.Cleaned{}, "an empty store")
	root := e.root(at(5, none))
	child := e.child(root, at(5, 0))
	e.spend(child, 0)
	e.rotate(child, grace)
	e.put(e.newCode(root), e.newShort(child), e.newTicket(store.TicketState))
	lease := e.leaseID()
	e.beginAs(e.alive(t0+hour).ID, root.Grant, lease, t0)
	e.commit(root.Grant, lease, 1)
	e.record(root, event("event", t0))
	item := e.keep(root.Owner, 1)[0]
	e.link(root.Owner, newLinks(tag(item, root.id(), child.id()))...)
	before := e.walk(100)
	e.equal(e.sweep(t0+5*second), store.Cleaned{}, "a store that is in use")
	e.equal(e.walk(100), before, "everything sealed")
	e.wantHistory([]*tok{root}, "event")
	e.wantItems(root.Owner, 1, item)
	e.wantLinks(idsOf(root, child), tag(item, root.id(), child.id())...)
}

func sweepArguments(e *env) {
	for name, c := range map[string]store.Cleaning{
		"limit":              {Now: t0, Retention: retention},
		"negative limit":     {Now: t0, Limit: -1, Retention: retention},
		"instant":            {Limit: 10, Retention: retention},
		"negative retention": {Now: t0, Limit: 10, Retention: -1},
	} {
		e.refused(errOf(e.s.Sweep(e.ctx, c)), "%s", name)
	}
}

// proves P7
func sweepTickets(e *env) {
	root, taker := e.root(), e.useID()
	code, taken, short, later := e.newCode(root), e.newCode(root), e.newShort(root), e.newCode(root)
	later.Expires += hour
	e.put(code, taken, short, later)
	e.ok(e.takeErr(taken.TicketRef, taker), "TakeTicket")
	e.equal(e.sweep(code.Expires), store.Cleaned{}, "at the expiry: still valid")
	e.wantTicket(code)

	e.equal(e.sweep(code.Expires+1).Tickets > 0, true, "tickets erased after the expiry")
	e.hides(contents(code)...)
	e.shows(contents(short, later)...)
	take := func(t store.Ticket, by store.UseID, now store.Micros) error {
		return e.s.TakeTicket(e.ctx, t.TicketRef, by, store.Event{}, now)
	}
	for _, now := range []store.Micros{code.Expires + 1, code.Expires + day - minute} {
		e.sweep(now)
		e.unresolved(code.TicketRef, now, store.ErrTicketExpired, "an expired ticket is known for a day")
		e.fails(take(code, e.useID(), now), store.ErrTicketExpired, "TakeTicket")
		e.fails(take(taken, e.useID(), code.Expires), store.ErrTicketTaken, "TakeTicket of a taken one")
		e.ok(take(taken, taker, now), "TakeTicket by the same taker")
	}
	now := later.Expires + day + minute
	e.sweep(now)
	for _, t := range []store.Ticket{code, taken, later} {
		e.unresolved(t.TicketRef, now, store.ErrTicketNotFound, "a ticket that expired more than a day ago")
	}
	e.wantTicket(short) // of a live token
}

// proves P7
func sweepDeadTickets(e *env) {
	root := e.root()
	child := e.child(root)
	code, short, kept := e.newCode(child), e.newShort(child), e.newShort(e.root())
	e.put(code, short, kept)
	e.revoke(root, true)
	e.sweep(t0 + minute)
	e.hides(append(contents(code, short), code.ID[:], short.ID[:])...)
	e.wantTicket(kept) // of a live token
}

// proves P7
func sweepTokens(e *env) {
	ev := store.Event{Name: "AT_created", Comment: "a comment to be forgotten", Time: t0}
	revoked, expired, live := e.root(at(5, none)), e.rootExpiring(t0+hour), e.root()
	below, liveChild, sparedAlone := e.child(revoked, at(5, 0)), e.child(live), e.child(live)
	for _, k := range []*tok{revoked, below, expired} {
		e.record(k, ev)
	}
	e.record(live, event("event", t0))
	e.revoke(revoked, true)
	e.revoke(sparedAlone, false)

	// The tombstones were set two seconds after t0.
	e.sweep(t0 + 2*second + month)
	for _, k := range []*tok{revoked, below, expired, live, liveChild, sparedAlone} {
		e.info(k.id())
	}
	e.wantHistory([]*tok{revoked, below}, "AT_created", "AT_created") // until the retention is over
	e.wantListed(revoked.Owner, 2)

	got := e.sweep(t0 + month + hour + minute)
	e.equal([]int{got.Tokens, got.Grants, got.Events}, []int{4, 2, 3}, "tokens, grants and events deleted")
	for _, k := range []*tok{revoked, below, expired, sparedAlone} {
		e.notStored(k)
		e.fails(e.lookupErr(k.Presented, t0), store.ErrNotFound, "Lookup")
		e.wantHistory([]*tok{k})
	}
	for _, k := range []*tok{revoked, expired} {
		e.fails(errOf(e.s.Grant(e.ctx, k.Grant)), store.ErrNotFound, "Grant")
		e.wantListed(k.Owner, 0)
	}
	e.hides(revoked.Key, below.Key, expired.Key, sparedAlone.Key, revoked.About, []byte(ev.Comment),
		revoked.Token.ID[:], below.Token.ID[:], expired.Token.ID[:], sparedAlone.Token.ID[:], revoked.Owner[:], expired.Grant[:])
	e.lookup(live.Presented, t0)
	e.lookup(liveChild.Presented, t0)
	e.grantState(live.Grant)
	e.wantHistory([]*tok{live}, "event")
}

// proves P4
func sweepBudget(e *env) {
	root := e.rootExpiring(t0+hour, at(3, none))
	middle := e.childExpiring(root, 0, at(9, 0))
	child := e.childExpiring(middle, 0, at(9, 0))
	e.spend(child, 0)
	e.spend(child, 0)
	e.revoke(middle, false)
	e.sweep(t0 + 2*month)

	e.wantCounter(child, 0, store.Counter{AT: 9, Other: unlimited, ATUsed: 2, ATLeft: 1, OtherLeft: unlimited})
	e.equal(e.info(child.id()).Ancestors, idsOf(middle, root), "ancestors")
	e.spend(child, 0)
	gone := store.Exhausted{Token: root.id(), Limit: 3, Used: 3}
	e.exhaustedAT(child, []int{0}, gone)
	grandchild := e.childExpiring(child, 0, at(9, 0)) // made after the deletion
	e.exhaustedAT(grandchild, []int{0}, gone)
	e.ok(e.s.Refund(e.ctx, e.useID(), t0+2*month), "Refund of an unknown use")
	e.exhaustedAT(child, []int{0}, gone)
	e.equal(e.grantState(child.Grant).Generation, uint64(1), "the grant of live tokens")

	// The counters are deleted with the last descendant.
	e.revoke(child, true)
	e.sweep(t0 + 4*month)
	e.hides(root.Token.ID[:], middle.Token.ID[:], child.Token.ID[:], grandchild.Token.ID[:])
}

// proves P6
func sweepTombstone(e *env) {
	// The root is deletable because it expired. Its tombstone is newer.
	root := e.rootExpiring(t0 + hour)
	child := e.childExpiring(root, 0)
	grandchild := e.childExpiring(child, 0)
	// This root is deletable because it was revoked alone. Then its tombstone was raised.
	raised := e.root()
	orphan := e.childExpiring(raised, 0)
	e.revoke(raised, false)
	for _, k := range []*tok{root, raised} {
		e.revokeAs(store.Revocation{Token: k.id(), Recursive: true, Now: t0 + 20*day})
	}
	e.sweep(t0 + 40*day)
	for _, k := range []*tok{child, grandchild, orphan} {
		e.equal(e.info(k.id()).Live, false, "live: it is kept, because it died only 20 days ago")
		for _, s := range e.steps(k) {
			e.fails(s.do(k.Presented, t0+40*day), store.ErrRevoked, "%s below a deleted token", s.name)
		}
	}
	e.sweep(t0 + 51*day)
	for _, k := range []*tok{root, child, grandchild, raised, orphan} {
		e.fails(e.lookupErr(k.Presented, t0), store.ErrNotFound, "Lookup")
	}
	e.hides(root.Token.ID[:], child.Token.ID[:], raised.Token.ID[:], orphan.Token.ID[:])

	// Revoking an ancestor still ends the descendants of a deleted token.
	top := e.root()
	leaf := e.childExpiring(e.childExpiring(top, t0+hour), 0)
	e.sweep(t0 + 60*day)
	e.lookup(leaf.Presented, t0)
	e.revoke(top, true)
	e.fails(e.lookupErr(leaf.Presented, t0), store.ErrRevoked, "Lookup below a deleted token, root revoked")
}

// proves P7
func sweepGenerations(e *env) {
	root := e.root()
	next, r := e.rotate(root, grace)
	until := r.Now.Add(grace)
	e.sweep(until)
	e.lookup(root.Presented, until)
	atEnd := e.rotation(root, grace)
	atEnd.Now = until
	e.rotatedTo(atEnd, store.Rotated{Successor: r.Successor}, "at the end of the grace")
	e.shows(root.Key, r.Successor, r.Key)

	e.sweep(until + 1)
	e.hides(root.Key, r.Successor)
	e.shows(r.Key)
	for _, s := range e.steps(root) {
		e.stale(s.do(root.Presented, until+1), reuse, "%s", s.name)
	}
	e.lookup(next.Presented, until+1)
	e.rotatedTo(r, fresh(r), "the same again")
	e.lookup(next.Presented, until)
}

// proves P3, P8
func sweepIdentities(e *env) {
	root := e.root(at(9, none))
	spent, refunded, unknown := e.use(store.UseAT, 0), e.use(store.UseAT, 0), e.use(store.UseAT, 0)
	e.charge(root.Presented, spent)
	e.charge(root.Presented, refunded)
	e.ok(e.s.Refund(e.ctx, refunded.ID, spent.Now+hour), "Refund")
	e.ok(e.s.Refund(e.ctx, unknown.ID, spent.Now), "Refund")
	commits := []store.Commit{e.commit(root.Grant, e.leaseID(), 1), e.commit(root.Grant, e.leaseID(), 1)}
	state := e.grantState(root.Grant)
	check := func(when string) {
		e.Helper()
		e.equal(e.charge(root.Presented, spent).Repeated, true, "Spend is known as a repeat, %s", when)
		for _, u := range []store.Use{refunded, unknown} {
			e.fails(e.spendErr(root.Presented, u), store.ErrRefunded, "Spend after the refund, %s", when)
			e.ok(e.s.Refund(e.ctx, u.ID, spent.Now), "Refund again, %s", when)
		}
		for _, c := range commits {
			e.recommit(c, "again, %s", when)
		}
		e.wantGrant(root.Grant, state)
		e.wantUsed(root, 1)
	}
	check("at once")
	e.sweep(t0.Add(store.Remembered))
	check("when they have just been remembered long enough")
	if n := e.sweep(t0.Add(3 * store.Remembered)).Uses; n < 5 {
		e.Errorf("%d identities were forgotten, want 5 at least", n)
	}
	e.equal(e.charge(root.Presented, spent).Repeated, false, "a forgotten use is a new one")
	e.wantUsed(root, 2)
}

func sweepBounded(e *env) {
	const n = 5
	var last *tok
	for range n {
		root := e.rootExpiring(t0+hour, at(5, none))
		child := e.childExpiring(root, t0+hour, at(5, 0))
		e.record(root, event("event", t0))
		for _, name := range []string{"event", "another", "another"} {
			e.record(child, event(name, t0))
		}
		e.put(e.newCode(root), e.newTicket(store.TicketState))
		r := e.rotation(child, grace)
		r.Expires = t0 + hour
		e.ok(e.rotateErr(r), "Rotate")
		e.commit(root.Grant, e.leaseID(), 1)
		last = root
	}
	for range n {
		e.alive(t0 + hour)
	}
	live := e.root(at(5, none))
	item := e.keep(live.Owner, 1)[0]
	stray, tagged := several(n, e.tokenID), idsOf(live)
	for range n {
		e.spend(live, 0)
		child := e.child(live)
		e.rotate(child, grace)
		tagged = append(tagged, child.id())
	}
	gone := infoIDs(e.list(last.Owner))
	e.link(live.Owner, newLinks(tag(item, slices.Concat(stray, tagged, gone)...))...)
	batches := store.Cleaning{Now: t0 + 2*month, Limit: 2, Retention: retention}
	first, err := e.s.Sweep(e.ctx, batches)
	e.ok(err, "Sweep")
	e.equal(first.More, true, "more to do after the first batch")
	rest := e.sweepIn(batches)
	e.equal(first.Tokens+rest.Tokens, 2*n, "tokens deleted")
	e.equal(first.Grants+rest.Grants, n, "grants deleted")
	e.equal(first.Events+rest.Events, 4*n, "events deleted")
	if got := first.Tickets + rest.Tickets; got < 2*n {
		e.Errorf("%d tickets were deleted, want %d at least", got, 2*n)
	}
	if got := first.Uses + rest.Uses; got < 2*n {
		e.Errorf("%d identities were forgotten, want %d at least", got, 2*n)
	}
	e.equal(len(e.processes(1)), 0, "processes left")
	e.wantListed(live.Owner, 1+n)
	e.equal(len(e.walk(100)), 1+2*(1+n)+1, "values sealed: a refresh token, key and description of each live token, and an item")
	e.wantLinks(slices.Concat(stray, tagged, gone), tag(item, tagged...)...)
}

// proves P3: housekeeping does not disturb uses.
func sweepRace(e *env) {
	for range max(1, e.rounds/4) {
		const each = 3
		root := e.rootExpiring(t0+hour, at(1000, none))
		child := e.childExpiring(root, 0, at(unlimited, 0))
		for range 3 {
			e.childExpiring(root, t0+hour, at(5, 0))
		}
		now := t0 + 2*month
		uses := several(callers, func() []store.Use { return e.uses(each, "", 0) })
		sweeping := func(i int) bool { return i%nodes == 0 }
		errs := e.atOnce(callers, func(i int, s store.Store) (err error) {
			for _, u := range uses[i] {
				if u.Now = now; sweeping(i) {
					err = errors.Join(err, errOf(s.Sweep(e.ctx, store.Cleaning{Now: now, Limit: 2, Retention: retention})))
				} else {
					err = errors.Join(err, errOf(s.Spend(e.ctx, child.Presented, u)))
				}
			}
			return err
		})
		e.allOK(errs, "Spend or Sweep")
		spent := int64(each * (callers - callers/nodes))
		e.sweep(now)
		c := e.info(child.id()).Counters[0]
		e.equal(c.ATUsed, spent, "uses")
		e.equal(c.ATLeft, store.Limit(1000-spent), "left, as the deleted root says")
	}
}
