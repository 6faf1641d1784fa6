package storetest

import (
	"errors"
	"sync/atomic"

	"github.com/mytoken-go/sdk/store"
)

// proves P3, P4
func refundOnce(e *env) {
	root := e.root(at(2, none))
	child := e.child(root, at(2, 0))
	first, second := e.noted("first", store.UseAT, 0), e.noted("second", store.UseAT, 0)
	e.charge(child.Presented, first)
	e.charge(child.Presented, second)
	for range 2 * nodes {
		e.ok(e.s.Refund(e.ctx, first.ID, t0+minute), "Refund")
		e.wantUsed(child, 1)
		e.wantUsed(root, 1)
		e.wantHistory([]*tok{child}, "second")
		e.fails(e.spendErr(child.Presented, first), store.ErrRefunded, "Spend with the refunded id")
	}
	e.spend(child, 0)
	e.exhausted(e.spendErr(child.Presented, e.use(store.UseAT, 0)), "Spend")
	e.ok(e.s.Refund(e.ctx, first.ID, t0+minute), "Refund")
	e.exhausted(e.spendErr(child.Presented, e.use(store.UseAT, 0)), "Spend after another refund of the same use")
}

// proves P3
func refundBefore(e *env) {
	root := e.root(at(2, none))
	use := e.noted("AT_created", store.UseAT, 0)
	for range 2 {
		e.refund(use.ID)
		for range nodes {
			e.fails(e.spendErr(root.Presented, use), store.ErrRefunded, "Spend that was called off")
			e.fails(e.childErr(root.Presented, use, e.newChild(root)), store.ErrRefunded, "CreateChild that was called off")
		}
	}
	e.wantUsed(root, 0)
	e.wantHistory([]*tok{root})
	e.wantListed(root.Owner, 1)
}

func refundKeeps(e *env) {
	root := e.root(at(2, none))
	child, code, use := e.newBirth(root, store.UseAT)
	e.derive(root.Presented, use, child)
	e.refund(use.ID)
	e.wantUsed(root, 0)
	e.wantHistory([]*tok{root})
	e.wantHistory([]*tok{child}, "created")
	e.lookup(child.Presented, t0)
	e.wantTicket(code)
}

// proves P3
func refundRevoked(e *env) {
	root := e.root(at(2, none))
	child := e.child(root, at(2, 0))
	use := e.use(store.UseAT, 0)
	e.charge(child.Presented, use)
	e.revoke(child, false)
	e.refund(use.ID)
	e.wantUsed(root, 0)
	e.wantUsed(child, 0)
}

func refundArguments(e *env) {
	e.refused(e.s.Refund(e.ctx, store.UseID{}, t0), "Refund without id")
}

// proves P3
func refundParallel(e *env) {
	for range e.rounds {
		root := e.root(at(9, none))
		for range 3 {
			e.spend(root, 0)
		}
		use := e.use(store.UseAT, 0)
		e.charge(root.Presented, use)
		e.allOK(e.atOnce(callers, func(_ int, s store.Store) error { return s.Refund(e.ctx, use.ID, t0) }), "Refund")
		e.wantUsed(root, 3)
	}
}

// proves P3: nothing stays charged, whether Spend or Refund comes first.
func refundRace(e *env) {
	for round := range e.rounds {
		root := e.root(at(9, none))
		child := e.child(root, at(9, 0))
		uses := e.uses(nodes, "AT_created", 0)
		errs := e.atOnce(2*nodes, func(i int, s store.Store) error {
			if (i+round)%2 == 0 {
				return errOf(s.Spend(e.ctx, child.Presented, uses[i/2]))
			}
			return s.Refund(e.ctx, uses[i/2].ID, t0)
		})
		for i, err := range errs {
			if (i+round)%2 == 0 && err != nil {
				e.fails(err, store.ErrRefunded, "Spend that lost the race")
			} else {
				e.ok(err, "Spend or Refund")
			}
		}
		e.wantUsed(child, 0)
		e.wantUsed(root, 0)
		e.wantHistory([]*tok{child})
	}
}

// proves P3: callers never hold more uses at once than the limit admits.
func refundChurn(e *env) {
	const limit, each = 3, 6
	for range max(1, e.rounds/4) {
		root := e.root(at(limit, none))
		holders := []*tok{e.child(root, at(unlimited, 0)), root}
		uses := several(callers, func() []store.Use { return e.uses(each, "", 0) })
		var (
			held    atomic.Int64
			most    [callers]int64
			refunds [callers]error
			spends  = make([][]error, callers)
		)
		e.atOnce(callers, func(i int, s store.Store) error {
			for _, u := range uses[i] {
				_, err := s.Spend(e.ctx, holders[i%2].Presented, u)
				spends[i] = append(spends[i], err)
				if err != nil {
					continue
				}
				most[i] = max(most[i], held.Add(1))
				held.Add(-1) // before the store may hand it to somebody else
				refunds[i] = errors.Join(refunds[i], s.Refund(e.ctx, u.ID, t0))
			}
			return nil
		})
		e.allOK(refunds[:], "Refund")
		for i := range spends {
			e.delivered(spends[i])
			if most[i] > limit {
				e.Errorf("%d uses were held at once, the limit is %d", most[i], limit)
			}
		}
		e.wantUsed(root, 0)
		e.wantUsed(holders[0], 0)
	}
}
