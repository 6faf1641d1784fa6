package storetest

import (
	"errors"
	"math"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

var countedKinds = []store.Kind{store.UseAT, store.UseOther}

// proves P3
func spendToTheLimit(e *env) {
	root := e.root(limits(3, 3, none))
	for i := range 3 {
		e.equal(e.spend(root, 0), root.spent(0), "Spend")
		e.wantCounter(root, 0, store.Counter{AT: 3, Other: 3, ATUsed: int64(i + 1), ATLeft: store.Limit(2 - i), OtherLeft: 3})
	}
	err := e.exhausted(e.spendErr(root.Presented, e.use(store.UseAT, 0)), "use 4")
	e.equal(*err, store.ExhaustedError{Kind: store.UseAT, Counters: []store.Exhausted{{Token: root.id(), Limit: 3, Used: 3}}}, "use 4")
	e.wantUsed(root, 3)
}

// proves P3
func spendZero(e *env) {
	root := e.root(limits(0, 0, none))
	for _, k := range countedKinds {
		err := e.exhausted(e.spendErr(root.Presented, e.use(k, 0)), "%v", k)
		e.equal(*err, store.ExhaustedError{Kind: k, Counters: []store.Exhausted{{Token: root.id()}}}, "%v", k)
	}
}

func spendUnlimited(e *env) {
	root := e.root(limits(unlimited, math.MaxInt64, none))
	for range 5 {
		e.spend(root, 0)
	}
	e.charge(root.Presented, e.use(store.UseOther, 0))
	e.wantCounter(root, 0, store.Counter{
		AT: unlimited, Other: math.MaxInt64, ATUsed: 5, OtherUsed: 1, ATLeft: unlimited, OtherLeft: math.MaxInt64 - 1,
	})
}

func spendKinds(e *env) {
	root := e.root(limits(1, 2, none))
	e.spend(root, 0)
	for range 2 {
		e.charge(root.Presented, e.use(store.UseOther, 0))
	}
	for _, k := range countedKinds {
		e.equal(e.exhausted(e.spendErr(root.Presented, e.use(k, 0)), "%v", k).Kind, k, "exhausted kind")
	}
	e.wantCounter(root, 0, store.Counter{AT: 1, Other: 2, ATUsed: 1, OtherUsed: 2})
}

func spendUncounted(e *env) {
	root := e.root(limits(0, 0, none))
	use, want := e.noted("tokeninfo_introspect", store.UseUncounted), root.spent(none)
	for i := range nodes {
		want.Repeated = i > 0
		e.equal(e.charge(root.Presented, use), want, "Spend")
	}
	e.wantCounter(root, 0, store.Counter{})
	e.wantHistory([]*tok{root}, "tokeninfo_introspect")
	e.refund(use.ID)
	e.wantHistory([]*tok{root})
}

func spendNoClauses(e *env) {
	root := e.root()
	for _, k := range countedKinds {
		use, want := e.use(k), root.spent(none)
		for i := range 2 {
			want.Repeated = i > 0
			e.equal(e.charge(root.Presented, use), want, "Spend")
		}
	}
	e.equal(e.info(root.id()).Counters, []store.Counter(nil), "counters")
	e.refused(e.spendErr(root.Presented, e.use(store.UseAT, 0)), "a candidate of a token without clauses")
}

// proves P3
func spendCandidates(e *env) {
	root := e.root(limits(1, 0, none), limits(0, 0, none), limits(2, 0, none), limits(unlimited, 0, none))
	e.equal(e.spend(root, 1, 2, 3).Clause, 2, "the first is not a candidate, the second is empty")
	e.equal(e.spend(root, 0, 1, 2, 3).Clause, 0, "the first")
	e.equal(e.spend(root, 0, 1, 2, 3).Clause, 2, "the first is used up")
	e.equal(e.spend(root, 0, 1, 2, 3).Clause, 3, "only the last is left")
	e.wantUsed(root, 1, 0, 2, 1)
}

// proves P10
func spendExhausted(e *env) {
	root := e.root(limits(1, 0, none), limits(0, 0, none), limits(9, 0, none))
	child := e.child(root, limits(1, 0, 0), limits(5, 0, 1), limits(5, 0, 2))
	e.equal(e.spend(child, 0, 1).Clause, 0, "clause")
	got := e.exhausted(e.spendErr(child.Presented, e.use(store.UseAT, 0, 1)), "Spend")
	want := []store.Exhausted{
		{Candidate: 0, Token: child.id(), Clause: 0, Limit: 1, Used: 1},
		{Candidate: 0, Token: root.id(), Clause: 0, Limit: 1, Used: 1},
		{Candidate: 1, Token: root.id(), Clause: 1, Limit: 0, Used: 0},
	}
	if len(got.Counters) == 3 && got.Counters[0].Token == root.id() {
		want[0], want[1] = want[1], want[0] // the order within one candidate is free
	}
	e.equal(got.Counters, want, "exhausted counters")
	err := e.childErr(child.Presented, e.use(store.UseOther, 2), e.newChild(child))
	e.equal(e.exhausted(err, "CreateChild").Kind, store.UseOther, "kind")
}

// proves P3
func spendFailed(e *env) {
	root := e.root(limits(0, 1, none))
	code, missing := e.newCode(root), e.unknown(store.TicketTransfer)
	use := e.noted("AT_created", store.UseAT, 0)
	use.Tickets = putting(code)
	for range 2 {
		e.exhausted(e.spendErr(root.Presented, use), "Spend")
	}
	use = e.noted("AT_created", store.UseOther, 0)
	use.Tickets = e.consuming(missing)
	use.Tickets.Put, use.Tickets.Drop = []store.Ticket{code}, []store.TicketRef{missing}
	for range 2 {
		e.fails(e.spendErr(root.Presented, use), store.ErrTicketNotFound, "Spend with a missing ticket")
	}
	e.equal(e.info(root.id()), store.TokenInfo{
		ID: root.id(), Grant: root.Grant, Owner: root.Owner, Seq: 1, About: root.About, Created: t0, Expires: root.Expires, Live: true,
		Counters: []store.Counter{{Other: 1, OtherLeft: 1}},
	}, "token")
	e.wantHistory([]*tok{root})
	e.unresolved(code.TicketRef, t0, store.ErrTicketNotFound, "the ticket of a failed use")

	// A failed use does not take its id.
	use.Tickets = store.TicketChanges{}
	e.charge(root.Presented, use)
}

func spendArguments(e *env) {
	root := e.root(limits(5, 5, none), limits(5, 5, none))
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
			u.Tickets = putting(store.Ticket{TicketRef: e.unknown(store.TicketState), Status: store.TicketPending})
		},
	} {
		use := e.noted("AT_created", store.UseAT, 0, 1)
		spoil(&use)
		e.refused(e.spendErr(root.Presented, use), "Spend: %s", name)
		e.refused(e.childErr(root.Presented, use, e.newChild(root)), "CreateChild: %s", name)
	}
	e.wantUsed(root, 0, 0)
	e.wantHistory([]*tok{root})
	e.wantListed(root.Owner, 1)
}

// proves P3, P8
func spendRepeated(e *env) {
	root := e.root(limits(1, 0, none), limits(1, 0, none))
	uses := []store.Use{e.noted("first", store.UseAT, 0, 1), e.noted("second", store.UseAT, 0, 1)}
	for i := range nodes {
		for clause, use := range uses {
			want := root.spent(clause)
			want.Repeated = i > 0
			e.equal(e.charge(root.Presented, use), want, "Spend")
		}
	}
	e.wantUsed(root, 1, 1)
	e.wantHistory([]*tok{root}, "second", "first")

	// A refund of the first use does not move the second one to another clause.
	e.refund(uses[0].ID)
	e.equal(e.charge(root.Presented, uses[1]).Clause, 1, "clause of the repeated use")

	// The key is that of the presented generation.
	next, r := e.rotate(root, grace)
	want := root.spent(1)
	want.Key, want.Repeated = r.Key, true
	e.equal(e.charge(next.Presented, uses[1]), want, "Spend again, rotated since")

	// A revoked token gets no answer, not even for a repeated use.
	e.revoke(root, false)
	e.fails(e.spendErr(next.Presented, uses[1]), store.ErrRevoked, "Spend again, revoked since")
}

func spendOtherToken(e *env) {
	root, other := e.root(limits(1, 0, none)), e.root(limits(1, 0, none))
	use := e.use(store.UseAT, 0)
	e.charge(root.Presented, use)
	e.fails(e.spendErr(other.Presented, use), store.ErrExists, "Spend with the id of another token's use")
	e.fails(e.childErr(other.Presented, use, e.newChild(other)), store.ErrExists, "CreateChild with the id of another token's use")
	e.wantUsed(other, 0)
	e.wantListed(other.Owner, 1)
}

// proves P8
func spendSideEffects(e *env) {
	root := e.root(limits(5, 0, none))
	old, code := e.newCode(root), e.newCode(root)
	e.put(old)
	use := e.noted("AT_created", store.UseAT, 0)
	use.Tickets = store.TicketChanges{Drop: []store.TicketRef{old.TicketRef}, Put: []store.Ticket{code}}
	e.charge(root.Presented, use)
	e.unresolved(old.TicketRef, t0, store.ErrTicketNotFound, "the ticket that the use dropped")
	e.wantTicket(code)
	e.wantHistory([]*tok{root}, "AT_created")

	// A repeat makes none of the changes again.
	e.change(dropping(code.TicketRef), "drop")
	e.charge(root.Presented, use)
	e.unresolved(code.TicketRef, t0, store.ErrTicketNotFound, "a ticket that was dropped since")
}

func spendLastUsed(e *env) {
	root := e.root(limits(5, 0, none))
	child := e.child(root, limits(5, 0, 0))
	e.equal(e.info(child.id()).LastUsed, store.Micros(0), "before the first use")
	for i := range 3 {
		use := e.use(store.UseAT, 0)
		use.Now = t0 + store.Micros(i)*hour
		e.charge(child.Presented, use)
		if got := e.info(child.id()).LastUsed; got > use.Now || got < use.Now-minute {
			e.Errorf("last use is noted as %d, it was at %d", got, use.Now)
		}
	}
}

// spendAtOnce makes the uses at once.
func (e *env) spendAtOnce(k *tok, uses []store.Use) ([]store.Spent, []error) {
	e.Helper()
	spent := make([]store.Spent, len(uses))
	errs := e.atOnce(len(uses), func(i int, s store.Store) (err error) {
		spent[i], err = s.Spend(e.ctx, k.Presented, uses[i])
		return err
	})
	return spent, errs
}

// proves P3
func spendParallel(e *env) {
	for range e.rounds {
		const limit = 5
		root := e.root(at(limit, none))
		spent, errs := e.spendAtOnce(root, e.uses(2*callers, "AT_created", 0))
		won := e.delivered(errs)
		for _, i := range won {
			e.equal(spent[i].Repeated, false, "a new use is a repeat")
		}
		e.equal(len(won), limit, "uses delivered")
		e.wantUsed(root, limit)
		e.wantHistory([]*tok{root}, slices.Repeat([]string{"AT_created"}, limit)...)
	}
}

// proves P3: the store resolves contention by itself and never returns it as an error.
func spendParallelUnlimited(e *env) {
	const each = 5
	for range max(1, e.rounds/4) {
		root := e.root(limits(unlimited, 1_000_000, none))
		uses := several(callers, func() []store.Use { return e.uses(each, "", 0) })
		for i := range uses {
			for j := 0; j < each; j += 2 {
				uses[i][j].Kind = store.UseOther
			}
		}
		errs := e.atOnce(callers, func(i int, s store.Store) (err error) {
			for _, u := range uses[i] {
				err = errors.Join(err, errOf(s.Spend(e.ctx, root.Presented, u)))
			}
			return err
		})
		e.allOK(errs, "Spend with budget for all")
		e.wantCounter(root, 0, store.Counter{
			AT: unlimited, Other: 1_000_000, ATUsed: callers * 2, OtherUsed: callers * 3, ATLeft: unlimited, OtherLeft: 1_000_000 - callers*3,
		})
	}
}

// proves P3, P8
func spendParallelRepeats(e *env) {
	for range e.rounds {
		root := e.root(limits(5, 0, none), limits(5, 0, none))
		e.chargedOnce(e.spendAtOnce(root, slices.Repeat(e.uses(1, "AT_created", 0, 1), callers)))
		e.wantUsed(root, 1, 0)
		e.wantHistory([]*tok{root}, "AT_created")
	}
}
