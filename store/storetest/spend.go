package storetest

import (
	"math"

	"github.com/mytoken-go/sdk/store"
)

func spendCases() []testCase {
	return []testCase{
		{name: "limit is reached exactly", run: spendToTheLimit},
		{name: "zero limit admits nothing", run: spendZero},
		{name: "unlimited counter counts", run: spendUnlimited},
		{name: "kinds have counters of their own", run: spendKinds},
		{name: "uncounted use spends nothing", run: spendUncounted},
		{name: "token without clauses", run: spendNoClauses},
		{name: "first candidate with budget left", run: spendCandidates},
		{name: "exhaustion names every counter", run: spendExhausted},
		{name: "failed use changes nothing", run: spendFailed},
		{name: "bad arguments are refused", run: spendArguments},
		{name: "repeated use is charged once", run: spendRepeated},
		{name: "use of another token is refused", run: spendOtherToken},
		{name: "event and tickets are made in the same step", run: spendSideEffects},
		{name: "last use is noted", run: spendLastUsed},
		{name: "parallel uses stop at the limit", run: spendParallel},
		{name: "parallel uses are all counted", run: spendParallelUnlimited},
		{name: "parallel repeats are charged once", run: spendParallelRepeats},
	}
}

// proves P3
func spendToTheLimit(e *env) {
	root := e.root(store.Clause{AT: 3, Other: 3, Draws: store.NoClause})
	for i := range 3 {
		e.equal(e.spend(root, 0), store.Spent{Grant: root.Grant, Owner: root.Owner, Key: root.Key}, "Spend")
		e.equal(e.info(root.id()).Counters[0], store.Counter{
			AT: 3, Other: 3, ATUsed: int64(i + 1), ATLeft: store.Limit(2 - i), OtherLeft: 3,
		}, "counter after %d uses", i+1)
	}
	_, err := e.s.Spend(e.ctx, root.Presented, e.use(store.UseAT, 0))
	e.equal(*e.exhausted(err, "use 4"), store.ExhaustedError{Kind: store.UseAT, Counters: []store.Exhausted{
		{Candidate: 0, Token: root.id(), Clause: 0, Limit: 3, Used: 3},
	}}, "use 4")
	e.equal(e.used(root), []int64{3}, "uses")
}

// proves P3
func spendZero(e *env) {
	root := e.root(store.Clause{Draws: store.NoClause})
	for _, k := range []store.Kind{store.UseAT, store.UseOther} {
		_, err := e.s.Spend(e.ctx, root.Presented, e.use(k, 0))
		e.equal(*e.exhausted(err, "%v", k), store.ExhaustedError{Kind: k, Counters: []store.Exhausted{{Token: root.id()}}}, "%v", k)
	}
}

func spendUnlimited(e *env) {
	root := e.root(store.Clause{AT: store.Unlimited, Other: math.MaxInt64, Draws: store.NoClause})
	for range 5 {
		e.spend(root, 0)
	}
	_, err := e.s.Spend(e.ctx, root.Presented, e.use(store.UseOther, 0))
	e.ok(err, "Spend")
	e.equal(e.info(root.id()).Counters[0], store.Counter{
		AT: store.Unlimited, Other: math.MaxInt64, ATUsed: 5, OtherUsed: 1, ATLeft: store.Unlimited, OtherLeft: math.MaxInt64 - 1,
	}, "counter")
}

func spendKinds(e *env) {
	root := e.root(store.Clause{AT: 1, Other: 2, Draws: store.NoClause})
	e.spend(root, 0)
	for range 2 {
		_, err := e.s.Spend(e.ctx, root.Presented, e.use(store.UseOther, 0))
		e.ok(err, "Spend")
	}
	for _, k := range []store.Kind{store.UseAT, store.UseOther} {
		_, err := e.s.Spend(e.ctx, root.Presented, e.use(k, 0))
		e.equal(e.exhausted(err, "%v", k).Kind, k, "exhausted kind")
	}
	e.equal(e.info(root.id()).Counters[0], store.Counter{AT: 1, Other: 2, ATUsed: 1, OtherUsed: 2}, "counter")
}

func spendUncounted(e *env) {
	root := e.root(store.Clause{Draws: store.NoClause})
	use := e.uncounted()
	use.Event = event("tokeninfo_introspect", t0)
	for i := range nodes {
		spent, err := e.s.Spend(e.ctx, root.Presented, use)
		e.ok(err, "Spend")
		e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: root.Key, Clause: store.NoClause, Repeated: i > 0}, "Spend")
	}
	e.equal(e.info(root.id()).Counters[0], store.Counter{}, "counter")
	e.equal(e.history(root.id()), []string{"tokeninfo_introspect"}, "history")
	e.ok(e.s.Refund(e.ctx, use.ID, t0), "Refund")
	e.equal(e.history(root.id()), []string(nil), "history after the refund")
}

func spendNoClauses(e *env) {
	root := e.root()
	for _, k := range []store.Kind{store.UseAT, store.UseOther} {
		use := e.use(k)
		for i := range 2 {
			spent, err := e.s.Spend(e.ctx, root.Presented, use)
			e.ok(err, "Spend")
			e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: root.Key, Clause: store.NoClause, Repeated: i > 0}, "Spend")
		}
	}
	e.equal(e.info(root.id()).Counters, []store.Counter(nil), "counters")
	_, err := e.s.Spend(e.ctx, root.Presented, e.use(store.UseAT, 0))
	e.refused(err, "a candidate of a token without clauses")
}

// proves P3
func spendCandidates(e *env) {
	root := e.root(
		store.Clause{AT: 1, Draws: store.NoClause}, store.Clause{AT: 0, Draws: store.NoClause},
		store.Clause{AT: 2, Draws: store.NoClause}, store.Clause{AT: store.Unlimited, Draws: store.NoClause})
	e.equal(e.spend(root, 1, 2, 3).Clause, 2, "the first is not a candidate, the second is empty")
	e.equal(e.spend(root, 0, 1, 2, 3).Clause, 0, "the first")
	e.equal(e.spend(root, 0, 1, 2, 3).Clause, 2, "the first is used up")
	e.equal(e.spend(root, 0, 1, 2, 3).Clause, 3, "only the last is left")
	e.equal(e.used(root), []int64{1, 0, 2, 1}, "uses")
}

// proves P10
func spendExhausted(e *env) {
	root := e.root(store.Clause{AT: 1, Draws: store.NoClause}, store.Clause{AT: 0, Draws: store.NoClause}, store.Clause{AT: 9, Draws: store.NoClause})
	child := e.child(root, store.Clause{AT: 1, Draws: 0}, store.Clause{AT: 5, Draws: 1}, store.Clause{AT: 5, Draws: 2})
	e.equal(e.spend(child, 0, 1).Clause, 0, "clause")
	_, err := e.s.Spend(e.ctx, child.Presented, e.use(store.UseAT, 0, 1))
	got := e.exhausted(err, "Spend")
	want := []store.Exhausted{
		{Candidate: 0, Token: child.id(), Clause: 0, Limit: 1, Used: 1},
		{Candidate: 0, Token: root.id(), Clause: 0, Limit: 1, Used: 1},
		{Candidate: 1, Token: root.id(), Clause: 1, Limit: 0, Used: 0},
	}
	if len(got.Counters) == 3 && got.Counters[0].Token == root.id() {
		want[0], want[1] = want[1], want[0] // the order within one candidate is free
	}
	e.equal(got.Counters, want, "exhausted counters")
	_, err = e.s.CreateChild(e.ctx, child.Presented, e.use(store.UseOther, 2), e.newChild(child))
	e.equal(e.exhausted(err, "CreateChild").Kind, store.UseOther, "kind")
}

// proves P3
func spendFailed(e *env) {
	root := e.root(store.Clause{AT: 0, Other: 1, Draws: store.NoClause})
	code := e.newCode(root)
	missing := store.TicketRef{Kind: store.TicketTransfer, ID: e.ticketID()}
	use := e.use(store.UseAT, 0)
	use.Event = event("AT_created", t0)
	use.Tickets = store.TicketChanges{Put: []store.Ticket{code}}
	for range 2 {
		_, err := e.s.Spend(e.ctx, root.Presented, use)
		e.exhausted(err, "Spend")
	}
	use = e.use(store.UseOther, 0)
	use.Event = event("AT_created", t0)
	use.Tickets = store.TicketChanges{Put: []store.Ticket{code}, Drop: []store.TicketRef{missing}, By: e.useID(), Consume: []store.TicketRef{missing}}
	for range 2 {
		_, err := e.s.Spend(e.ctx, root.Presented, use)
		e.fails(err, store.ErrTicketNotFound, "Spend with a missing ticket")
	}
	e.equal(e.info(root.id()), store.TokenInfo{
		ID: root.id(), Grant: root.Grant, Owner: root.Owner, Seq: 1, About: root.About, Created: t0, Expires: root.Expires, Live: true,
		Counters: []store.Counter{{Other: 1, OtherLeft: 1}},
	}, "token")
	e.equal(e.history(root.id()), []string(nil), "history")
	e.unresolved(code.TicketRef, t0, store.ErrTicketNotFound, "the ticket of a failed use")

	// The id of a failed use is not taken.
	use.Tickets = store.TicketChanges{}
	_, err := e.s.Spend(e.ctx, root.Presented, use)
	e.ok(err, "Spend, without the missing ticket")
}

func spendArguments(e *env) {
	root := e.root(store.Clause{AT: 5, Other: 5, Draws: store.NoClause}, store.Clause{AT: 5, Other: 5, Draws: store.NoClause})
	for name, spoil := range map[string]func(*store.Use){
		"no id":                         func(u *store.Use) { u.ID = store.UseID{} },
		"no kind":                       func(u *store.Use) { u.Kind = 0 },
		"unknown kind":                  func(u *store.Use) { u.Kind = 4 },
		"no candidates":                 func(u *store.Use) { u.Candidates = nil },
		"descending candidates":         func(u *store.Use) { u.Candidates = []int{1, 0} },
		"a candidate twice":             func(u *store.Use) { u.Candidates = []int{0, 0} },
		"a candidate that is not there": func(u *store.Use) { u.Candidates = []int{0, 2} },
		"a negative candidate":          func(u *store.Use) { u.Candidates = []int{-1, 0} },
		"candidates, uncounted":         func(u *store.Use) { u.Kind = store.UseUncounted },
		"a ticket without expiry": func(u *store.Use) {
			u.Tickets.Put = []store.Ticket{{TicketRef: store.TicketRef{Kind: store.TicketState, ID: e.ticketID()}, Status: store.TicketPending}}
		},
	} {
		use := e.use(store.UseAT, 0, 1)
		use.Event = event("AT_created", t0)
		spoil(&use)
		_, err := e.s.Spend(e.ctx, root.Presented, use)
		e.refused(err, "Spend: %s", name)
		_, err = e.s.CreateChild(e.ctx, root.Presented, use, e.newChild(root))
		e.refused(err, "CreateChild: %s", name)
	}
	e.equal(e.used(root), []int64{0, 0}, "uses")
	e.equal(e.history(root.id()), []string(nil), "history")
	e.equal(len(e.list(root.Owner)), 1, "tokens")
}

// proves P3, P8
func spendRepeated(e *env) {
	root := e.root(store.Clause{AT: 1, Draws: store.NoClause}, store.Clause{AT: 1, Draws: store.NoClause})
	first, second := e.use(store.UseAT, 0, 1), e.use(store.UseAT, 0, 1)
	first.Event, second.Event = event("first", t0), event("second", t0)
	for i := range nodes {
		for clause, use := range []store.Use{first, second} {
			spent, err := e.s.Spend(e.ctx, root.Presented, use)
			e.ok(err, "Spend")
			e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: root.Key, Clause: clause, Repeated: i > 0}, "Spend")
		}
	}
	e.equal(e.used(root), []int64{1, 1}, "uses")
	e.equal(e.history(root.id()), []string{"second", "first"}, "history")

	// Budget that comes back does not move a use to another clause.
	e.ok(e.s.Refund(e.ctx, first.ID, t0), "Refund")
	spent, err := e.s.Spend(e.ctx, root.Presented, second)
	e.ok(err, "Spend")
	e.equal(spent.Clause, 1, "clause of the repeated use")

	// The key is that of the presented generation.
	next, r := e.rotate(root, grace)
	spent, err = e.s.Spend(e.ctx, next.Presented, second)
	e.ok(err, "Spend again, rotated since")
	e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: r.Key, Clause: 1, Repeated: true}, "Spend again, rotated since")

	// A revoked token delivers nothing, not even again.
	e.revoke(root.id(), false)
	_, err = e.s.Spend(e.ctx, next.Presented, second)
	e.fails(err, store.ErrRevoked, "Spend again, revoked since")
}

func spendOtherToken(e *env) {
	root, other := e.root(store.Clause{AT: 1, Draws: store.NoClause}), e.root(store.Clause{AT: 1, Draws: store.NoClause})
	use := e.use(store.UseAT, 0)
	_, err := e.s.Spend(e.ctx, root.Presented, use)
	e.ok(err, "Spend")
	_, err = e.s.Spend(e.ctx, other.Presented, use)
	e.fails(err, store.ErrExists, "Spend with the id of another token's use")
	_, err = e.s.CreateChild(e.ctx, other.Presented, use, e.newChild(other))
	e.fails(err, store.ErrExists, "CreateChild with the id of another token's use")
	e.equal(e.used(other), []int64{0}, "uses of the other token")
	e.equal(len(e.list(other.Owner)), 1, "tokens of the other owner")
}

// proves P8
func spendSideEffects(e *env) {
	root := e.root(store.Clause{AT: 5, Draws: store.NoClause})
	old, code := e.newCode(root), e.newCode(root)
	e.put(old)
	use := e.use(store.UseAT, 0)
	use.Event = event("AT_created", t0)
	use.Tickets = store.TicketChanges{Drop: []store.TicketRef{old.TicketRef}, Put: []store.Ticket{code}}
	_, err := e.s.Spend(e.ctx, root.Presented, use)
	e.ok(err, "Spend")
	e.unresolved(old.TicketRef, t0, store.ErrTicketNotFound, "the ticket that the use dropped")
	e.equal(e.resolve(code.TicketRef), code, "the ticket that the use made")
	e.equal(e.history(root.id()), []string{"AT_created"}, "history")

	// A repeat makes none of the changes again.
	e.ok(e.s.ChangeTickets(e.ctx, store.TicketChanges{Drop: []store.TicketRef{code.TicketRef}}, t0), "ChangeTickets")
	_, err = e.s.Spend(e.ctx, root.Presented, use)
	e.ok(err, "Spend again")
	e.unresolved(code.TicketRef, t0, store.ErrTicketNotFound, "a ticket that was dropped since")
}

func spendLastUsed(e *env) {
	root := e.root(store.Clause{AT: 5, Draws: store.NoClause})
	child := e.child(root, store.Clause{AT: 5, Draws: 0})
	e.equal(e.info(child.id()).LastUsed, store.Micros(0), "before the first use")
	for i := range 3 {
		use := e.use(store.UseAT, 0)
		use.Now = t0 + store.Micros(i)*hour
		_, err := e.s.Spend(e.ctx, child.Presented, use)
		e.ok(err, "Spend")
		if got := e.info(child.id()).LastUsed; got > use.Now || got < use.Now-minute {
			e.Errorf("last use is noted as %d, it was at %d", got, use.Now)
		}
	}
}

// proves P3
func spendParallel(e *env) {
	for range e.rounds {
		const limit, callers = 5, 4 * nodes
		root := e.root(store.Clause{AT: limit, Other: store.Unlimited, Draws: store.NoClause})
		var (
			uses  [callers]store.Use
			spent [callers]store.Spent
			errs  [callers]error
		)
		for i := range uses {
			uses[i] = e.use(store.UseAT, 0)
			uses[i].Event = event("AT_created", t0)
		}
		e.parallel(callers, func(i int, s store.Store) { spent[i], errs[i] = s.Spend(e.ctx, root.Presented, uses[i]) })
		delivered := 0
		for i, err := range errs {
			switch {
			case err == nil && !spent[i].Repeated:
				delivered++
			case !isExhausted(err):
				e.Errorf("Spend: %v, %+v", describe(err), spent[i])
			}
		}
		e.equal(delivered, limit, "uses delivered")
		e.equal(e.used(root), []int64{limit}, "uses charged")
		e.equal(len(e.history(root.id())), limit, "events")
	}
}

// proves P3: contention is the store's business, it never surfaces.
func spendParallelUnlimited(e *env) {
	const callers, each = 2 * nodes, 5
	for range max(1, e.rounds/4) {
		root := e.root(store.Clause{AT: store.Unlimited, Other: 1_000_000, Draws: store.NoClause})
		var (
			uses [callers][each]store.Use
			errs [callers][each]error
		)
		for i := range uses {
			for j := range each {
				uses[i][j] = e.use(store.UseAT, 0)
				if j%2 == 0 {
					uses[i][j].Kind = store.UseOther
				}
			}
		}
		e.parallel(callers, func(i int, s store.Store) {
			for j := range each {
				_, errs[i][j] = s.Spend(e.ctx, root.Presented, uses[i][j])
			}
		})
		for i := range errs {
			for _, err := range errs[i] {
				e.ok(err, "Spend with budget for all")
			}
		}
		e.equal(e.info(root.id()).Counters[0], store.Counter{
			AT: store.Unlimited, Other: 1_000_000, ATUsed: callers * 2, OtherUsed: callers * 3, ATLeft: store.Unlimited, OtherLeft: 1_000_000 - callers*3,
		}, "uses charged")
	}
}

// proves P3, P8
func spendParallelRepeats(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root(store.Clause{AT: 5, Draws: store.NoClause}, store.Clause{AT: 5, Draws: store.NoClause})
		use := e.use(store.UseAT, 0, 1)
		use.Event = event("AT_created", t0)
		var (
			spent [callers]store.Spent
			errs  [callers]error
		)
		e.parallel(callers, func(i int, s store.Store) { spent[i], errs[i] = s.Spend(e.ctx, root.Presented, use) })
		fresh := 0
		for i, err := range errs {
			e.ok(err, "Spend")
			if !spent[i].Repeated {
				fresh++
			}
		}
		e.equal(fresh, 1, "calls that say that they charged")
		e.equal(e.used(root), []int64{1, 0}, "uses charged")
		e.equal(len(e.history(root.id())), 1, "events")
	}
}
