package storetest

import (
	"time"

	"github.com/mytoken-go/sdk/store"
)

func sweepCases() []testCase {
	return []testCase{
		{name: "nothing to do", run: sweepNothing, alone: true},
		{name: "bad arguments are refused", run: sweepArguments},
		{name: "tickets are erased at expiry", run: sweepTickets, alone: true},
		{name: "tickets of dead tokens", run: sweepDeadTickets, alone: true},
		{name: "tokens are deleted after retention", run: sweepTokens, alone: true},
		{name: "budget of a deleted ancestor still binds", run: sweepBudget, alone: true},
		{name: "tombstone of a deleted ancestor still binds", run: sweepTombstone, alone: true},
		{name: "outdated generations", run: sweepGenerations, alone: true},
		{name: "identities are remembered long enough", run: sweepIdentities, alone: true},
		{name: "batches are bounded", run: sweepBounded, alone: true},
		{name: "racing uses", run: sweepRace, alone: true},
	}
}

// retention is how long the cases keep dead tokens.
const retention = 30 * 24 * time.Hour

const month = 30 * day

// sweep cleans up until there is nothing left to do.
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
			table string
			rows  int
			sum   *int
		}{
			{"tickets", got.Tickets, &sum.Tickets}, {"tokens", got.Tokens, &sum.Tokens}, {"grants", got.Grants, &sum.Grants},
			{"events", got.Events, &sum.Events}, {"uses", got.Uses, &sum.Uses}, {"others", got.Others, &sum.Others},
		} {
			// Several tables are counted together as uses and as others.
			if most := map[string]int{"uses": 2, "others": 4}[n.table]; n.rows > max(1, most)*c.Limit {
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
	root := e.root(at(5, store.NoClause))
	child := e.child(root, at(5, 0))
	e.spend(child, 0)
	e.rotate(child, grace)
	e.put(e.newCode(root), e.newShort(child), e.newTicket(store.TicketState))
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	e.commit(root.Grant, lease, 1)
	e.record(root, event("event", t0))
	before := e.walk(100)
	e.equal(e.sweep(t0+5*second), store.Cleaned{}, "a store that is in use")
	e.equal(e.walk(100), before, "everything sealed")
	e.equal(e.history(root.id()), []string{"event"}, "history")
}

func sweepArguments(e *env) {
	for name, c := range map[string]store.Cleaning{
		"limit":              {Now: t0, Retention: retention},
		"negative limit":     {Now: t0, Limit: -1, Retention: retention},
		"instant":            {Limit: 10, Retention: retention},
		"negative retention": {Now: t0, Limit: 10, Retention: -1},
	} {
		_, err := e.s.Sweep(e.ctx, c)
		e.refused(err, "%s", name)
	}
}

// proves P7
func sweepTickets(e *env) {
	root := e.root()
	code, taken, short, later := e.newCode(root), e.newCode(root), e.newShort(root), e.newCode(root)
	later.Expires += hour
	e.put(code, taken, short, later)
	taker := e.useID()
	e.ok(e.take(taken.TicketRef, taker), "TakeTicket")
	e.equal(e.sweep(code.Expires), store.Cleaned{}, "at the expiry: still valid")
	e.equal(e.resolve(code.TicketRef), code, "ticket")

	e.equal(e.sweep(code.Expires+1).Tickets > 0, true, "tickets erased after the expiry")
	e.hides(contents(code)...)
	e.shows(append(contents(short), contents(later)...)...)
	for _, now := range []store.Micros{code.Expires + 1, code.Expires + day - minute} {
		e.sweep(now)
		e.unresolved(code.TicketRef, now, store.ErrTicketExpired, "an expired ticket is known for a day")
		e.fails(e.s.TakeTicket(e.ctx, code.TicketRef, e.useID(), store.Event{}, now), store.ErrTicketExpired, "TakeTicket")
		e.fails(e.s.TakeTicket(e.ctx, taken.TicketRef, e.useID(), store.Event{}, code.Expires), store.ErrTicketTaken, "TakeTicket of a taken one")
		e.ok(e.s.TakeTicket(e.ctx, taken.TicketRef, taker, store.Event{}, now), "TakeTicket by the same taker")
	}
	now := later.Expires + day + minute
	e.sweep(now)
	for _, t := range []store.Ticket{code, taken, later} {
		e.unresolved(t.TicketRef, now, store.ErrTicketNotFound, "a ticket that expired more than a day ago")
	}
	e.equal(e.resolve(short.TicketRef), short, "the short token of a live token")
}

// proves P7
func sweepDeadTickets(e *env) {
	root := e.root()
	child := e.child(root)
	code, short, kept := e.newCode(child), e.newShort(child), e.newShort(e.root())
	e.put(code, short, kept)
	e.revoke(root.id(), true)
	e.sweep(t0 + minute)
	e.hides(append(contents(code, short), code.ID[:], short.ID[:])...)
	e.equal(e.resolve(kept.TicketRef), kept, "the short token of a live token")
}

// proves P7
func sweepTokens(e *env) {
	ev := store.Event{Name: "AT_created", Comment: "a comment to be forgotten", Time: t0}
	revoked, below := e.root(at(5, store.NoClause)), (*tok)(nil)
	below = e.child(revoked, at(5, 0))
	e.record(revoked, ev)
	e.record(below, ev)
	expired := e.rootExpiring(t0 + hour)
	e.record(expired, ev)
	live := e.root()
	liveChild := e.child(live)
	e.record(live, event("event", t0))
	sparedAlone := e.child(live)
	e.revoke(revoked.id(), true)
	e.revoke(sparedAlone.id(), false)

	// The tombstones were set two seconds after t0.
	e.sweep(t0 + 2*second + month)
	for _, k := range []*tok{revoked, below, expired, live, liveChild, sparedAlone} {
		e.info(k.id())
	}
	e.equal(e.history(revoked.id(), below.id()), []string{"AT_created", "AT_created"}, "histories until the retention is over")
	e.equal(len(e.list(revoked.Owner)), 2, "tokens listed until the retention is over")

	got := e.sweep(t0 + month + hour + minute)
	e.equal(got.Tokens, 4, "tokens deleted")
	e.equal(got.Grants, 2, "grants deleted")
	e.equal(got.Events, 3, "events deleted")
	for _, k := range []*tok{revoked, below, expired, sparedAlone} {
		_, err := e.s.Token(e.ctx, k.id())
		e.fails(err, store.ErrNotFound, "Token")
		_, err = e.s.Lookup(e.ctx, k.Presented, t0)
		e.fails(err, store.ErrNotFound, "Lookup")
		e.equal(e.history(k.id()), []string(nil), "history")
	}
	for _, k := range []*tok{revoked, expired} {
		_, err := e.s.Grant(e.ctx, k.Grant)
		e.fails(err, store.ErrNotFound, "Grant")
		e.equal(len(e.list(k.Owner)), 0, "list")
	}
	e.hides(revoked.Key, below.Key, expired.Key, sparedAlone.Key, revoked.About, []byte(ev.Comment),
		revoked.Token.ID[:], below.Token.ID[:], expired.Token.ID[:], sparedAlone.Token.ID[:], revoked.Owner[:], expired.Grant[:])
	for _, k := range []*tok{live, liveChild} {
		_, err := e.s.Lookup(e.ctx, k.Presented, t0)
		e.ok(err, "Lookup of a live token")
	}
	e.grantState(live.Grant)
	e.equal(e.history(live.id()), []string{"event"}, "history of a live token")
}

// rootExpiring stores a root that expires.
func (e *env) rootExpiring(at store.Micros, clauses ...store.Clause) *tok {
	e.Helper()
	g := e.newGrant(e.ownerID())
	t := e.newToken(g.ID, g.Owner, clauses...)
	t.Expires = at
	e.ok(e.s.CreateRoot(e.ctx, g, t, store.TicketChanges{}), "CreateRoot")
	return &tok{t, present(t)}
}

// childExpiring stores a child that expires; 0 is never.
func (e *env) childExpiring(parent *tok, at store.Micros, clauses ...store.Clause) *tok {
	e.Helper()
	t := e.newChild(parent, clauses...)
	t.Expires = at
	_, err := e.s.CreateChild(e.ctx, parent.Presented, e.uncounted(), t)
	e.ok(err, "CreateChild")
	return &tok{t, present(t)}
}

// proves P4
func sweepBudget(e *env) {
	root := e.rootExpiring(t0+hour, at(3, store.NoClause))
	middle := e.childExpiring(root, 0, at(9, 0))
	child := e.childExpiring(middle, 0, at(9, 0))
	e.spend(child, 0)
	refunded := e.use(store.UseAT, 0)
	_, err := e.s.Spend(e.ctx, child.Presented, refunded)
	e.ok(err, "Spend")
	e.revoke(middle.id(), false)
	e.sweep(t0 + 2*month)

	e.equal(e.info(child.id()).Counters, []store.Counter{{AT: 9, Other: store.Unlimited, ATUsed: 2, ATLeft: 1, OtherLeft: store.Unlimited}}, "counters")
	e.equal(e.info(child.id()).Ancestors, []store.TokenID{middle.id(), root.id()}, "ancestors")
	e.spend(child, 0)
	_, err = e.s.Spend(e.ctx, child.Presented, e.use(store.UseAT, 0))
	want := []store.Exhausted{{Token: root.id(), Limit: 3, Used: 3}}
	e.equal(e.exhausted(err, "Spend").Counters, want, "exhausted counters")
	grandchild := e.childExpiring(child, 0, at(9, 0))
	_, err = e.s.Spend(e.ctx, grandchild.Presented, e.use(store.UseAT, 0))
	e.equal(e.exhausted(err, "Spend").Counters, want, "exhausted counters of a child made after the deletion")
	late := e.use(store.UseAT, 0)
	e.ok(e.s.Refund(e.ctx, late.ID, t0+2*month), "Refund")
	_, err = e.s.Spend(e.ctx, child.Presented, e.use(store.UseAT, 0))
	e.exhausted(err, "Spend")
	grant := e.grantState(child.Grant)
	e.equal(grant.Generation, uint64(1), "the grant of live tokens")

	// When the last descendant goes, so do the counters.
	e.revoke(child.id(), true)
	e.sweep(t0 + 4*month)
	e.hides(root.Token.ID[:], middle.Token.ID[:], child.Token.ID[:], grandchild.Token.ID[:])
}

// proves P6
func sweepTombstone(e *env) {
	// The root is deletable because it expired; its tombstone is newer.
	root := e.rootExpiring(t0 + hour)
	child := e.childExpiring(root, 0)
	grandchild := e.childExpiring(child, 0)
	// This root is deletable because it was revoked alone; then it was raised.
	raised := e.root()
	orphan := e.childExpiring(raised, 0)
	e.revoke(raised.id(), false)
	revokeAt := func(k *tok, now store.Micros) {
		e.Helper()
		_, err := e.s.Revoke(e.ctx, store.Revocation{Token: k.id(), Recursive: true, Now: now})
		e.ok(err, "Revoke")
	}
	revokeAt(root, t0+20*day)
	revokeAt(raised, t0+20*day)
	e.sweep(t0 + 40*day)
	for _, k := range []*tok{child, grandchild, orphan} {
		e.equal(e.info(k.id()).Live, false, "live: it is kept, because it died only 20 days ago")
		for _, s := range e.steps(k) {
			e.fails(s.do(k.Presented, t0+40*day), store.ErrRevoked, "%s below a deleted token", s.name)
		}
	}
	e.sweep(t0 + 51*day)
	for _, k := range []*tok{root, child, grandchild, raised, orphan} {
		_, err := e.s.Lookup(e.ctx, k.Presented, t0)
		e.fails(err, store.ErrNotFound, "Lookup")
	}
	e.hides(root.Token.ID[:], child.Token.ID[:], raised.Token.ID[:], orphan.Token.ID[:])

	// An ancestor that lives still ends what is below a deleted token.
	top := e.root()
	middle := e.childExpiring(top, t0+hour)
	leaf := e.childExpiring(middle, 0)
	e.sweep(t0 + 60*day)
	_, err := e.s.Lookup(e.ctx, leaf.Presented, t0)
	e.ok(err, "Lookup below a deleted token")
	e.revoke(top.id(), true)
	_, err = e.s.Lookup(e.ctx, leaf.Presented, t0)
	e.fails(err, store.ErrRevoked, "Lookup below a deleted token, root revoked")
}

// proves P7
func sweepGenerations(e *env) {
	root := e.root()
	next, r := e.rotate(root, grace)
	until := r.Now.Add(grace)
	e.sweep(until)
	_, err := e.s.Lookup(e.ctx, root.Presented, until)
	e.ok(err, "Lookup of the outdated token at the end of its grace")
	got, err := e.s.Rotate(e.ctx, func() store.Rotation { r := e.rotation(root, grace); r.Now = until; return r }())
	e.ok(err, "Rotate at the end of the grace")
	e.equal(got.Successor, r.Successor, "stored successor")
	_, err = e.s.Lookup(e.ctx, next.Presented, until)
	e.ok(err, "Lookup")
	e.shows(root.Key, r.Successor, r.Key)

	e.sweep(until + 1)
	e.hides(root.Key, r.Successor)
	e.shows(r.Key)
	for _, s := range e.steps(root) {
		e.stale(s.do(root.Presented, until+1), store.StaleError{Presented: 1, Current: 2, Reuse: true}, "%s", s.name)
	}
	rotated, err := e.s.Rotate(e.ctx, r)
	e.ok(err, "the same rotation again")
	e.equal(rotated, store.Rotated{Successor: r.Successor, Fresh: true}, "the same rotation again")
	_, err = e.s.Lookup(e.ctx, next.Presented, until)
	e.ok(err, "Lookup of the successor")
}

// proves P3, P8
func sweepIdentities(e *env) {
	root := e.root(at(9, store.NoClause))
	spent, refunded, unknown := e.use(store.UseAT, 0), e.use(store.UseAT, 0), e.use(store.UseAT, 0)
	for _, u := range []store.Use{spent, refunded} {
		_, err := e.s.Spend(e.ctx, root.Presented, u)
		e.ok(err, "Spend")
	}
	e.ok(e.s.Refund(e.ctx, refunded.ID, spent.Now+hour), "Refund")
	e.ok(e.s.Refund(e.ctx, unknown.ID, spent.Now), "Refund")
	commit, spare := e.commit(root.Grant, e.leaseID(), 1), e.commit(root.Grant, e.leaseID(), 1)
	state := e.grantState(root.Grant)
	check := func(when string) {
		e.Helper()
		got, err := e.s.Spend(e.ctx, root.Presented, spent)
		e.ok(err, "Spend again, %s", when)
		e.equal(got.Repeated, true, "Spend is known as a repeat, %s", when)
		for _, u := range []store.Use{refunded, unknown} {
			_, err = e.s.Spend(e.ctx, root.Presented, u)
			e.fails(err, store.ErrRefunded, "Spend after the refund, %s", when)
			e.ok(e.s.Refund(e.ctx, u.ID, spent.Now), "Refund again, %s", when)
		}
		for _, c := range []store.Commit{commit, spare} {
			e.ok(e.s.CommitRefresh(e.ctx, c), "CommitRefresh again, %s", when)
		}
		e.equal(e.grantState(root.Grant), state, "grant, %s", when)
		e.equal(e.used(root), []int64{1}, "uses, %s", when)
	}
	check("at once")
	e.sweep(t0.Add(store.Remembered))
	check("when they have just been remembered long enough")
	if n := e.sweep(t0.Add(3 * store.Remembered)).Uses; n < 5 {
		e.Errorf("%d identities were forgotten, want 5 at least", n)
	}
	again, err := e.s.Spend(e.ctx, root.Presented, spent)
	e.ok(err, "Spend")
	e.equal(again.Repeated, false, "a forgotten use is a new one")
	e.equal(e.used(root), []int64{2}, "uses")
}

func sweepBounded(e *env) {
	const n = 5
	for range n {
		root := e.rootExpiring(t0+hour, at(5, store.NoClause))
		child := e.childExpiring(root, t0+hour, at(5, 0))
		e.record(root, event("event", t0))
		e.record(child, event("event", t0))
		for range 2 {
			e.record(child, event("another", t0))
		}
		e.put(e.newCode(root), e.newTicket(store.TicketState))
		r := e.rotation(child, grace)
		r.Expires = t0 + hour
		_, err := e.s.Rotate(e.ctx, r)
		e.ok(err, "Rotate")
		e.commit(root.Grant, e.leaseID(), 1)
	}
	live := e.root(at(5, store.NoClause))
	for range n {
		e.spend(live, 0)
		k := e.child(live)
		e.rotate(k, grace)
	}
	got, err := e.s.Sweep(e.ctx, store.Cleaning{Now: t0 + 2*month, Limit: 2, Retention: retention})
	e.ok(err, "Sweep")
	e.equal(got.More, true, "more to do after the first batch")
	sum := e.sweepIn(store.Cleaning{Now: t0 + 2*month, Limit: 2, Retention: retention})
	e.equal(got.Tokens+sum.Tokens, 2*n, "tokens deleted")
	e.equal(got.Grants+sum.Grants, n, "grants deleted")
	e.equal(got.Events+sum.Events, 4*n, "events deleted")
	if got := got.Tickets + sum.Tickets; got < 2*n {
		e.Errorf("%d tickets were deleted, want %d at least", got, 2*n)
	}
	if got := got.Uses + sum.Uses; got < 2*n {
		e.Errorf("%d identities were forgotten, want %d at least", got, 2*n)
	}
	e.equal(len(e.list(live.Owner)), 1+n, "live tokens")
	items := e.walk(100)
	e.equal(len(items), 1+2*(1+n), "values sealed: a refresh token, and key and description of each live token")
}

// proves P3: housekeeping does not disturb uses.
func sweepRace(e *env) {
	for range max(1, e.rounds/4) {
		const callers, each = 2 * nodes, 3
		root := e.rootExpiring(t0+hour, at(1000, store.NoClause))
		child := e.childExpiring(root, 0, at(store.Unlimited, 0))
		for range 3 {
			e.childExpiring(root, t0+hour, at(5, 0))
		}
		now := t0 + 2*month
		var (
			uses [callers][each]store.Use
			errs [callers][each]error
		)
		for i := range uses {
			for j := range each {
				uses[i][j] = e.use(store.UseAT, 0)
				uses[i][j].Now = now
			}
		}
		e.parallel(callers, func(i int, s store.Store) {
			for j := range each {
				if i%nodes == 0 {
					_, errs[i][j] = s.Sweep(e.ctx, store.Cleaning{Now: now, Limit: 2, Retention: retention})
				} else {
					_, errs[i][j] = s.Spend(e.ctx, child.Presented, uses[i][j])
				}
			}
		})
		spent := int64(0)
		for i := range errs {
			for _, err := range errs[i] {
				e.ok(err, "Spend or Sweep")
				if i%nodes != 0 {
					spent++
				}
			}
		}
		e.sweep(now)
		c := e.info(child.id()).Counters[0]
		e.equal(c.ATUsed, spent, "uses")
		e.equal(c.ATLeft, store.Limit(1000-spent), "left, as the deleted root says")
	}
}
