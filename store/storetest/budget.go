package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

func budgetCases() []testCase {
	return []testCase{
		{name: "use of a child counts against its ancestors", run: budgetChain},
		{name: "siblings share the parent's budget", run: budgetSiblings},
		{name: "clause that draws on none is independent", run: budgetIndependent},
		{name: "unlimited ancestor is passed over", run: budgetUnlimitedAncestor},
		{name: "charges are made all or none", run: budgetAllOrNone},
		{name: "left is the least of the chain", run: budgetLeft},
		{name: "revoked ancestor's budget still binds", run: budgetOfRevoked},
		{name: "parallel uses of siblings stop at the parent's limit", run: budgetParallelSiblings},
		{name: "parallel uses take rows in one order", run: budgetLockOrder},
	}
}

// at is a clause of which only the AT counter matters.
func at(limit store.Limit, draws int) store.Clause {
	return store.Clause{AT: limit, Other: store.Unlimited, Draws: draws}
}

// proves P4
func budgetChain(e *env) {
	root := e.root(at(9, store.NoClause), at(9, store.NoClause))
	child := e.child(root, at(8, 1), at(8, 0))
	grandchild := e.child(child, at(7, 0))
	e.spend(grandchild, 0)
	e.equal(e.used(grandchild), []int64{1}, "grandchild")
	e.equal(e.used(child), []int64{1, 0}, "child")
	e.equal(e.used(root), []int64{0, 1}, "root")
	e.spend(child, 0, 1)
	e.spend(child, 1)
	e.spend(root, 0)
	e.equal(e.used(grandchild), []int64{1}, "grandchild")
	e.equal(e.used(child), []int64{2, 1}, "child")
	e.equal(e.used(root), []int64{2, 2}, "root")

	use := e.use(store.UseOther, 0)
	_, err := e.s.Spend(e.ctx, grandchild.Presented, use)
	e.ok(err, "Spend")
	e.equal(e.info(root.id()).Counters[1].ATUsed, int64(2), "the other kind's use")

	// CreateChild is a use like any other.
	limited := e.root(store.Clause{AT: 1, Other: 2, Draws: store.NoClause})
	middle := e.child(limited, store.Clause{AT: 1, Other: store.Unlimited, Draws: 0})
	for range 2 {
		_, err := e.s.CreateChild(e.ctx, middle.Presented, e.use(store.UseOther, 0), e.newChild(middle))
		e.ok(err, "CreateChild")
	}
	_, err = e.s.CreateChild(e.ctx, middle.Presented, e.use(store.UseOther, 0), e.newChild(middle))
	e.equal(e.exhausted(err, "CreateChild").Counters, []store.Exhausted{{Token: limited.id(), Limit: 2, Used: 2}}, "exhausted counters")
}

// proves P4: two clauses, of one child or of two, that draw on the same one.
func budgetSiblings(e *env) {
	root := e.root(at(3, store.NoClause))
	one := e.child(root, at(9, 0), at(9, 0))
	two := e.child(root, at(9, 0))
	e.spend(one, 0)
	e.spend(one, 1)
	e.spend(two, 0)
	e.equal(e.used(root), []int64{3}, "root")
	e.equal(e.used(one), []int64{1, 1}, "one")
	e.equal(e.used(two), []int64{1}, "two")
	for _, k := range []*tok{root, two} {
		_, err := e.s.Spend(e.ctx, k.Presented, e.use(store.UseAT, 0))
		e.equal(e.exhausted(err, "Spend").Counters, []store.Exhausted{{Token: root.id(), Limit: 3, Used: 3}}, "exhausted counters")
	}
	_, err := e.s.Spend(e.ctx, one.Presented, e.use(store.UseAT, 0, 1))
	e.equal(e.exhausted(err, "Spend").Counters, []store.Exhausted{
		{Candidate: 0, Token: root.id(), Limit: 3, Used: 3}, {Candidate: 1, Token: root.id(), Limit: 3, Used: 3},
	}, "exhausted counters")
}

func budgetIndependent(e *env) {
	root := e.root(at(1, store.NoClause))
	child := e.child(root, at(3, store.NoClause))
	for range 3 {
		e.spend(child, 0)
	}
	e.equal(e.used(root), []int64{0}, "root")
	below := e.child(e.child(e.root()), at(2, store.NoClause))
	e.spend(below, 0)
	e.equal(e.used(below), []int64{1}, "below tokens without clauses")
}

// proves P4: only the limited counters of ancestors are in a chain, and an
// unlimited one does not cut it.
func budgetUnlimitedAncestor(e *env) {
	root := e.root(at(2, store.NoClause))
	middle := e.child(root, at(store.Unlimited, 0))
	child := e.child(middle, at(store.Unlimited, 0))
	e.equal(e.info(child.id()).Counters[0].ATLeft, store.Limit(2), "left")
	e.spend(child, 0)
	e.spend(middle, 0)
	e.equal(e.used(child), []int64{1}, "child")
	e.equal(e.used(middle), []int64{1}, "middle: its own use")
	e.equal(e.used(root), []int64{2}, "root")
	_, err := e.s.Spend(e.ctx, child.Presented, e.use(store.UseAT, 0))
	e.equal(e.exhausted(err, "Spend").Counters, []store.Exhausted{{Token: root.id(), Limit: 2, Used: 2}}, "exhausted counters")

	// What is limited is decided for each kind.
	mixed := e.root(store.Clause{AT: store.Unlimited, Other: 1, Draws: store.NoClause})
	below := e.child(mixed, store.Clause{AT: 5, Other: 5, Draws: 0})
	for _, k := range []store.Kind{store.UseAT, store.UseOther, store.UseAT} {
		_, err := e.s.Spend(e.ctx, below.Presented, e.use(k, 0))
		e.ok(err, "Spend %v", k)
	}
	e.equal(e.info(mixed.id()).Counters[0], store.Counter{AT: store.Unlimited, Other: 1, OtherUsed: 1, ATLeft: store.Unlimited}, "mixed")
	e.equal(e.info(below.id()).Counters[0], store.Counter{AT: 5, Other: 5, ATUsed: 2, OtherUsed: 1, ATLeft: 3}, "below mixed")
}

// proves P3, P4
func budgetAllOrNone(e *env) {
	root := e.root(at(1, store.NoClause), at(9, store.NoClause))
	child := e.child(root, at(9, 0), at(9, 1))
	grandchild := e.child(child, at(9, 0), at(9, 1))
	e.equal(e.spend(grandchild, 0, 1).Clause, 0, "the first")
	e.equal(e.spend(grandchild, 0, 1).Clause, 1, "the first has nothing left at the root")
	_, err := e.s.Spend(e.ctx, grandchild.Presented, e.use(store.UseAT, 0))
	e.exhausted(err, "Spend")
	for _, k := range []*tok{grandchild, child, root} {
		e.equal(e.used(k), []int64{1, 1}, "uses")
	}
}

func budgetLeft(e *env) {
	root := e.root(store.Clause{AT: 4, Other: 9, Draws: store.NoClause}, store.Clause{AT: 6, Other: 9, Draws: store.NoClause})
	child := e.child(root, store.Clause{AT: 6, Other: 3, Draws: 0}, store.Clause{AT: 5, Other: store.Unlimited, Draws: 1})
	grandchild := e.child(child, store.Clause{AT: store.Unlimited, Other: store.Unlimited, Draws: 0}, store.Clause{AT: 9, Other: 9, Draws: store.NoClause})
	e.spend(root, 0)
	e.spend(child, 0, 1)
	e.spend(child, 1)
	e.equal(e.info(root.id()).Counters, []store.Counter{
		{AT: 4, Other: 9, ATUsed: 2, ATLeft: 2, OtherLeft: 9}, {AT: 6, Other: 9, ATUsed: 1, ATLeft: 5, OtherLeft: 9},
	}, "root")
	e.equal(e.info(child.id()).Counters, []store.Counter{
		{AT: 6, Other: 3, ATUsed: 1, ATLeft: 2, OtherLeft: 3}, {AT: 5, Other: store.Unlimited, ATUsed: 1, ATLeft: 4, OtherLeft: 9},
	}, "child")
	want := []store.Counter{
		{AT: store.Unlimited, Other: store.Unlimited, ATLeft: 2, OtherLeft: 3}, {AT: 9, Other: 9, ATLeft: 9, OtherLeft: 9},
	}
	e.equal(e.info(grandchild.id()).Counters, want, "grandchild, Token")
	state, err := e.s.Lookup(e.ctx, grandchild.Presented, t0)
	e.ok(err, "Lookup")
	e.equal(state.Counters, want, "grandchild, Lookup")
	e.equal(e.list(root.Owner)[2].Counters, want, "grandchild, List")
}

// proves P4, P6: children of a token that was revoked alone live on.
func budgetOfRevoked(e *env) {
	root := e.root(at(2, store.NoClause))
	child := e.child(root, at(9, 0))
	e.revoke(root.id(), false)
	e.spend(child, 0)
	e.spend(child, 0)
	_, err := e.s.Spend(e.ctx, child.Presented, e.use(store.UseAT, 0))
	e.equal(e.exhausted(err, "Spend").Counters, []store.Exhausted{{Token: root.id(), Limit: 2, Used: 2}}, "exhausted counters")
}

// proves P3, P4
func budgetParallelSiblings(e *env) {
	for range e.rounds {
		const limit, callers = 5, 4 * nodes
		root := e.root(at(limit, store.NoClause))
		var siblings [4]*tok
		for i := range siblings {
			siblings[i] = e.child(e.child(root, at(store.Unlimited, 0)), at(limit-1, 0))
		}
		var (
			uses [callers]store.Use
			errs [callers]error
		)
		for i := range uses {
			uses[i] = e.use(store.UseAT, 0)
		}
		e.parallel(callers, func(i int, s store.Store) {
			_, errs[i] = s.Spend(e.ctx, siblings[i/nodes].Presented, uses[i])
		})
		delivered := 0
		for _, err := range errs {
			switch {
			case err == nil:
				delivered++
			case !isExhausted(err):
				e.Errorf("Spend: %v", describe(err))
			}
		}
		e.equal(delivered, limit, "uses delivered")
		e.equal(e.used(root), []int64{limit}, "uses of the root")
		charged := int64(0)
		for _, s := range siblings {
			charged += e.used(s)[0]
		}
		e.equal(charged, int64(limit), "uses of the siblings")
	}
}

// proves P3, P4: children whose clauses draw on the root's in opposite orders
// are used at once. Every failure but exhaustion is the store's fault.
func budgetLockOrder(e *env) {
	for range e.rounds {
		const callers = 4 * nodes
		limits := []store.Limit{3, 1, 2, 1}
		total := 7
		root := e.root(at(limits[0], store.NoClause), at(limits[1], store.NoClause), at(limits[2], store.NoClause), at(limits[3], store.NoClause))
		orders := [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}}
		var children [4]*tok
		for i, order := range orders {
			var clauses []store.Clause
			for _, draws := range order {
				clauses = append(clauses, at(9, draws))
			}
			children[i] = e.child(root, clauses...)
		}
		var (
			uses  [callers]store.Use
			errs  [callers]error
			spent [callers]store.Spent
		)
		for i := range uses {
			uses[i] = e.use(store.UseAT, 0, 1, 2, 3)
		}
		e.parallel(callers, func(i int, s store.Store) {
			spent[i], errs[i] = s.Spend(e.ctx, children[(i/nodes+i)%nodes].Presented, uses[i])
		})
		delivered := make([]int64, len(limits))
		sum := 0
		for i, err := range errs {
			if err == nil {
				delivered[orders[(i/nodes+i)%nodes][spent[i].Clause]]++
				sum++
			} else if !isExhausted(err) {
				e.Errorf("Spend: %v", describe(err))
			}
		}
		e.equal(sum, total, "uses delivered")
		e.equal(e.used(root), delivered, "uses charged to the clauses of the root")
		if slices.ContainsFunc(delivered, func(n int64) bool { return n == 0 }) {
			e.Errorf("a clause with budget left was not used: %v", delivered)
		}
	}
}
