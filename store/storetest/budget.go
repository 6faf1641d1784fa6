package storetest

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// proves P4
func budgetChain(e *env) {
	root := e.root(at(9, none), at(9, none))
	child := e.child(root, at(8, 1), at(8, 0))
	grandchild := e.child(child, at(7, 0))
	e.spend(grandchild, 0)
	e.wantUsed(grandchild, 1)
	e.wantUsed(child, 1, 0)
	e.wantUsed(root, 0, 1)
	e.spend(child, 0, 1)
	e.spend(child, 1)
	e.spend(root, 0)
	e.wantUsed(grandchild, 1)
	e.wantUsed(child, 2, 1)
	e.wantUsed(root, 2, 2)

	e.charge(grandchild.Presented, e.use(store.UseOther, 0))
	e.wantUsed(root, 2, 2)

	// CreateChild is a use like any other.
	limited := e.root(limits(1, 2, none))
	middle := e.child(limited, limits(1, unlimited, 0))
	create := func() error { return e.childErr(middle.Presented, e.use(store.UseOther, 0), e.newChild(middle)) }
	e.ok(create(), "CreateChild")
	e.ok(create(), "CreateChild")
	e.equal(e.exhausted(create(), "CreateChild").Counters, []store.Exhausted{{Token: limited.id(), Limit: 2, Used: 2}}, "exhausted counters")
}

// proves P4: two clauses of one child, or of two children, draw on the same clause.
func budgetSiblings(e *env) {
	root := e.root(at(3, none))
	one, two := e.child(root, at(9, 0), at(9, 0)), e.child(root, at(9, 0))
	e.spend(one, 0)
	e.spend(one, 1)
	e.spend(two, 0)
	e.wantUsed(root, 3)
	e.wantUsed(one, 1, 1)
	e.wantUsed(two, 1)
	gone := store.Exhausted{Token: root.id(), Limit: 3, Used: 3}
	e.exhaustedAT(root, []int{0}, gone)
	e.exhaustedAT(two, []int{0}, gone)
	second := gone
	second.Candidate = 1
	e.exhaustedAT(one, []int{0, 1}, gone, second)
}

func budgetIndependent(e *env) {
	root := e.root(at(1, none))
	child := e.child(root, at(3, none))
	for range 3 {
		e.spend(child, 0)
	}
	e.wantUsed(root, 0)
	below := e.child(e.child(e.root()), at(2, none)) // tokens without clauses
	e.spend(below, 0)
	e.wantUsed(below, 1)
}

// proves P4: a chain contains only the limited counters of ancestors, and continues above
// an unlimited one.
func budgetUnlimitedAncestor(e *env) {
	root := e.root(at(2, none))
	middle := e.child(root, at(unlimited, 0))
	child := e.child(middle, at(unlimited, 0))
	e.equal(e.info(child.id()).Counters[0].ATLeft, store.Limit(2), "left")
	e.spend(child, 0)
	e.spend(middle, 0)
	e.wantUsed(child, 1)
	e.wantUsed(middle, 1) // its own use
	e.wantUsed(root, 2)
	e.exhaustedAT(child, []int{0}, store.Exhausted{Token: root.id(), Limit: 2, Used: 2})

	// Each kind has its own limits.
	mixed := e.root(limits(unlimited, 1, none))
	below := e.child(mixed, limits(5, 5, 0))
	for _, k := range []store.Kind{store.UseAT, store.UseOther, store.UseAT} {
		e.charge(below.Presented, e.use(k, 0))
	}
	e.wantCounter(mixed, 0, store.Counter{AT: unlimited, Other: 1, OtherUsed: 1, ATLeft: unlimited})
	e.wantCounter(below, 0, store.Counter{AT: 5, Other: 5, ATUsed: 2, OtherUsed: 1, ATLeft: 3})
}

// proves P3, P4
func budgetAllOrNone(e *env) {
	root := e.root(at(1, none), at(9, none))
	child := e.child(root, at(9, 0), at(9, 1))
	grandchild := e.child(child, at(9, 0), at(9, 1))
	e.equal(e.spend(grandchild, 0, 1).Clause, 0, "the first")
	e.equal(e.spend(grandchild, 0, 1).Clause, 1, "the first has nothing left at the root")
	e.exhausted(e.spendErr(grandchild.Presented, e.use(store.UseAT, 0)), "Spend")
	for _, k := range []*tok{grandchild, child, root} {
		e.wantUsed(k, 1, 1)
	}
}

func budgetLeft(e *env) {
	root := e.root(limits(4, 9, none), limits(6, 9, none))
	child := e.child(root, limits(6, 3, 0), limits(5, unlimited, 1))
	grandchild := e.child(child, limits(unlimited, unlimited, 0), limits(9, 9, none))
	e.spend(root, 0)
	e.spend(child, 0, 1)
	e.spend(child, 1)
	e.equal(e.info(root.id()).Counters, []store.Counter{
		{AT: 4, Other: 9, ATUsed: 2, ATLeft: 2, OtherLeft: 9}, {AT: 6, Other: 9, ATUsed: 1, ATLeft: 5, OtherLeft: 9},
	}, "root")
	e.equal(e.info(child.id()).Counters, []store.Counter{
		{AT: 6, Other: 3, ATUsed: 1, ATLeft: 2, OtherLeft: 3}, {AT: 5, Other: unlimited, ATUsed: 1, ATLeft: 4, OtherLeft: 9},
	}, "child")
	want := []store.Counter{{AT: unlimited, Other: unlimited, ATLeft: 2, OtherLeft: 3}, {AT: 9, Other: 9, ATLeft: 9, OtherLeft: 9}}
	e.equal(e.info(grandchild.id()).Counters, want, "grandchild, Token")
	e.equal(e.lookup(grandchild.Presented, t0).Counters, want, "grandchild, Lookup")
	e.equal(e.list(root.Owner)[2].Counters, want, "grandchild, List")
}

// proves P4, P6: children stay live if their parent alone is revoked.
func budgetOfRevoked(e *env) {
	root := e.root(at(2, none))
	child := e.child(root, at(9, 0))
	e.revoke(root, false)
	e.spend(child, 0)
	e.spend(child, 0)
	e.exhaustedAT(child, []int{0}, store.Exhausted{Token: root.id(), Limit: 2, Used: 2})
}

// proves P3, P4
func budgetParallelSiblings(e *env) {
	for range e.rounds {
		const limit = 5
		root := e.root(at(limit, none))
		siblings := several(4, func() *tok { return e.child(e.child(root, at(unlimited, 0)), at(limit-1, 0)) })
		uses := e.uses(4*nodes, "", 0)
		errs := e.atOnce(len(uses), func(i int, s store.Store) error {
			return errOf(s.Spend(e.ctx, siblings[i/nodes].Presented, uses[i]))
		})
		e.equal(len(e.delivered(errs)), limit, "uses delivered")
		e.wantUsed(root, limit)
		charged := int64(0)
		for _, k := range siblings {
			charged += e.info(k.id()).Counters[0].ATUsed
		}
		e.equal(charged, int64(limit), "uses of the siblings")
	}
}

// proves P3, P4: the case uses children at once whose clauses draw on the root's in
// different orders. Every failure except exhaustion is the store's fault.
func budgetLockOrder(e *env) {
	orders := [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}}
	for range e.rounds {
		const total = 3 + 1 + 2 + 1
		root := e.root(at(3, none), at(1, none), at(2, none), at(1, none))
		var children []*tok
		for _, order := range orders {
			var clauses []store.Clause
			for _, draws := range order {
				clauses = append(clauses, at(9, draws))
			}
			children = append(children, e.child(root, clauses...))
		}
		uses := e.uses(4*nodes, "", 0, 1, 2, 3)
		spent := make([]store.Spent, len(uses))
		child := func(i int) int { return (i/nodes + i) % nodes }
		won := e.delivered(e.atOnce(len(uses), func(i int, s store.Store) (err error) {
			spent[i], err = s.Spend(e.ctx, children[child(i)].Presented, uses[i])
			return err
		}))
		delivered := make([]int64, len(orders))
		for _, i := range won {
			delivered[orders[child(i)][spent[i].Clause]]++
		}
		e.equal(len(won), total, "uses delivered")
		e.wantUsed(root, delivered...)
		if slices.Contains(delivered, 0) {
			e.Errorf("a clause with budget left was not used: %v", delivered)
		}
	}
}
