package storetest

import (
	"sync/atomic"

	"github.com/mytoken-go/sdk/store"
)

func refundCases() []testCase {
	return []testCase{
		{name: "gives back everything once", run: refundOnce},
		{name: "before the use calls it off", run: refundBefore},
		{name: "keeps the child and the tickets", run: refundKeeps},
		{name: "after revocation", run: refundRevoked},
		{name: "without id is refused", run: refundArguments},
		{name: "parallel refunds give back once", run: refundParallel},
		{name: "racing the use leaves no charge", run: refundRace},
		{name: "churn never exceeds the limit", run: refundChurn},
	}
}

// proves P3, P4
func refundOnce(e *env) {
	root := e.root(at(2, store.NoClause))
	child := e.child(root, at(2, 0))
	first, second := e.use(store.UseAT, 0), e.use(store.UseAT, 0)
	first.Event, second.Event = event("first", t0), event("second", t0)
	for _, u := range []store.Use{first, second} {
		_, err := e.s.Spend(e.ctx, child.Presented, u)
		e.ok(err, "Spend")
	}
	for range 2 * nodes {
		e.ok(e.s.Refund(e.ctx, first.ID, t0+minute), "Refund")
		e.equal(e.used(child), []int64{1}, "uses of the child")
		e.equal(e.used(root), []int64{1}, "uses of the root")
		e.equal(e.history(child.id()), []string{"second"}, "history")
		_, err := e.s.Spend(e.ctx, child.Presented, first)
		e.fails(err, store.ErrRefunded, "Spend with the refunded id")
	}
	e.spend(child, 0)
	_, err := e.s.Spend(e.ctx, child.Presented, e.use(store.UseAT, 0))
	e.exhausted(err, "Spend")
	e.ok(e.s.Refund(e.ctx, first.ID, t0+minute), "Refund")
	_, err = e.s.Spend(e.ctx, child.Presented, e.use(store.UseAT, 0))
	e.exhausted(err, "Spend after another refund of the same use")
}

// proves P3
func refundBefore(e *env) {
	root := e.root(at(2, store.NoClause))
	use := e.use(store.UseAT, 0)
	use.Event = event("AT_created", t0)
	for range 2 {
		e.ok(e.s.Refund(e.ctx, use.ID, t0), "Refund of an unknown use")
		for range nodes {
			_, err := e.s.Spend(e.ctx, root.Presented, use)
			e.fails(err, store.ErrRefunded, "Spend that was called off")
			_, err = e.s.CreateChild(e.ctx, root.Presented, use, e.newChild(root))
			e.fails(err, store.ErrRefunded, "CreateChild that was called off")
		}
	}
	e.equal(e.used(root), []int64{0}, "uses")
	e.equal(e.history(root.id()), []string(nil), "history")
	e.equal(len(e.list(root.Owner)), 1, "tokens")
}

func refundKeeps(e *env) {
	root := e.root(at(2, store.NoClause))
	child := e.newChild(root)
	child.Events = []store.Event{event("created", t0)}
	use := e.use(store.UseAT, 0)
	use.Event = event("MT_created", t0)
	code := e.newTicket(store.TicketTransfer)
	code.Status, code.Token = store.TicketReady, child.ID
	use.Tickets.Put = []store.Ticket{code}
	_, err := e.s.CreateChild(e.ctx, root.Presented, use, child)
	e.ok(err, "CreateChild")
	e.ok(e.s.Refund(e.ctx, use.ID, t0), "Refund")
	e.equal(e.used(root), []int64{0}, "uses")
	e.equal(e.history(root.id()), []string(nil), "parent's history")
	e.equal(e.history(child.ID), []string{"created"}, "child's history")
	_, err = e.s.Lookup(e.ctx, present(child), t0)
	e.ok(err, "Lookup of the child")
	e.equal(e.resolve(code.TicketRef), code, "ticket")
}

// proves P3
func refundRevoked(e *env) {
	root := e.root(at(2, store.NoClause))
	child := e.child(root, at(2, 0))
	use := e.use(store.UseAT, 0)
	_, err := e.s.Spend(e.ctx, child.Presented, use)
	e.ok(err, "Spend")
	e.revoke(child.id(), false)
	e.ok(e.s.Refund(e.ctx, use.ID, t0), "Refund")
	e.equal(e.used(root), []int64{0}, "uses of the root")
	e.equal(e.used(child), []int64{0}, "uses of the revoked child")
}

func refundArguments(e *env) {
	e.refused(e.s.Refund(e.ctx, store.UseID{}, t0), "Refund without id")
}

// proves P3
func refundParallel(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root(at(9, store.NoClause))
		for range 3 {
			e.spend(root, 0)
		}
		use := e.use(store.UseAT, 0)
		_, err := e.s.Spend(e.ctx, root.Presented, use)
		e.ok(err, "Spend")
		var errs [callers]error
		e.parallel(callers, func(i int, s store.Store) { errs[i] = s.Refund(e.ctx, use.ID, t0) })
		for _, err := range errs {
			e.ok(err, "Refund")
		}
		e.equal(e.used(root), []int64{3}, "uses")
	}
}

// proves P3: whoever comes first, nothing stays charged.
func refundRace(e *env) {
	for round := range e.rounds {
		root := e.root(at(9, store.NoClause))
		child := e.child(root, at(9, 0))
		var (
			uses [nodes]store.Use
			errs [2 * nodes]error
		)
		for i := range uses {
			uses[i] = e.use(store.UseAT, 0)
			uses[i].Event = event("AT_created", t0)
		}
		e.parallel(2*nodes, func(i int, s store.Store) {
			if (i+round)%2 == 0 {
				_, errs[i] = s.Spend(e.ctx, child.Presented, uses[i/2])
				return
			}
			errs[i] = s.Refund(e.ctx, uses[i/2].ID, t0)
		})
		for i, err := range errs {
			if (i+round)%2 == 0 && err != nil {
				e.fails(err, store.ErrRefunded, "Spend that lost the race")
			} else {
				e.ok(err, "Spend or Refund")
			}
		}
		e.equal(e.used(child), []int64{0}, "uses of the child")
		e.equal(e.used(root), []int64{0}, "uses of the root")
		e.equal(e.history(child.id()), []string(nil), "history")
	}
}

// proves P3: at no time is more held than the limit admits.
func refundChurn(e *env) {
	const limit, callers, each = 3, 2 * nodes, 6
	for range max(1, e.rounds/4) {
		root := e.root(at(limit, store.NoClause))
		child := e.child(root, at(store.Unlimited, 0))
		var (
			uses      [callers][each]store.Use
			errs      [callers][each]error
			refunds   [callers][each]error
			held, top atomic.Int64
		)
		for i := range uses {
			for j := range each {
				uses[i][j] = e.use(store.UseAT, 0)
			}
		}
		e.parallel(callers, func(i int, s store.Store) {
			k := root
			if i%2 == 0 {
				k = child
			}
			for j := range each {
				if _, errs[i][j] = s.Spend(e.ctx, k.Presented, uses[i][j]); errs[i][j] != nil {
					continue
				}
				n := held.Add(1)
				for old := top.Load(); n > old && !top.CompareAndSwap(old, n); old = top.Load() {
				}
				held.Add(-1) // before the store may hand it to somebody else
				refunds[i][j] = s.Refund(e.ctx, uses[i][j].ID, t0)
			}
		})
		for i := range errs {
			for j, err := range errs[i] {
				e.ok(refunds[i][j], "Refund")
				if err != nil && !isExhausted(err) {
					e.Errorf("Spend: %v", describe(err))
				}
			}
		}
		if top.Load() > limit {
			e.Errorf("%d uses were held at once, the limit is %d", top.Load(), limit)
		}
		e.equal(e.used(root), []int64{0}, "uses of the root at the end")
		e.equal(e.used(child), []int64{0}, "uses of the child at the end")
	}
}
