package storetest

import (
	"errors"

	"github.com/mytoken-go/sdk/store"
)

func mixedCases() []testCase {
	return []testCase{
		{name: "steps of all kinds on one tree", run: mixedSteps},
	}
}

// mixedSteps lets callers do everything at once with the tokens of one tree,
// each with a branch of its own below a budget that all share. Contention,
// deadlocks included, is the store's business; the sums must be right.
//
// proves P3, P4, P6
func mixedSteps(e *env) {
	const callers, limit = 2 * nodes, 3 * nodes
	for range max(1, e.rounds/2) {
		root := e.root(store.Clause{AT: limit, Other: store.Unlimited, Draws: store.NoClause})
		type branch struct {
			kept, gone, child  *tok
			newChild           store.Token
			make               store.Use
			spends             [4]store.Use
			rotation           store.Rotation
			short              store.Ticket
			lease              store.LeaseID
			spentErr           [4]error
			refundErr, madeErr error
			others             []error
		}
		var branches [callers]branch
		for i := range branches {
			b := &branches[i]
			b.kept, b.gone = e.child(root, at(store.Unlimited, 0)), e.child(root, at(store.Unlimited, 0))
			b.newChild = e.newChild(b.kept, at(store.Unlimited, 0))
			b.child = &tok{b.newChild, present(b.newChild)}
			b.make = e.use(store.UseOther, 0)
			for j := range b.spends {
				b.spends[j] = e.use(store.UseAT, 0)
				b.spends[j].Event = event("AT_created", t0)
			}
			b.rotation = e.rotation(b.kept, grace)
			b.short = e.newShort(b.kept)
			b.rotation.Tickets.Put = []store.Ticket{b.short}
			b.lease = e.leaseID()
		}
		e.parallel(callers, func(i int, s store.Store) {
			b := &branches[i]
			do := func(err error) { b.others = append(b.others, err) }
			_, b.spentErr[0] = s.Spend(e.ctx, b.kept.Presented, b.spends[0])
			_, b.madeErr = s.CreateChild(e.ctx, b.kept.Presented, b.make, b.newChild)
			_, b.spentErr[1] = s.Spend(e.ctx, b.child.Presented, b.spends[1])
			_, err := s.Rotate(e.ctx, b.rotation)
			do(err)
			_, b.spentErr[2] = s.Spend(e.ctx, b.rotation.To, b.spends[2])
			b.refundErr = s.Refund(e.ctx, b.spends[1].ID, t0)
			_, err = s.BeginRefresh(e.ctx, root.Grant, b.lease, t0+store.Micros(i), ttl)
			if busy := (*store.BusyError)(nil); err != nil && !errors.As(err, &busy) {
				do(err)
			}
			_, err = s.Revoke(e.ctx, store.Revocation{Token: b.gone.id(), Recursive: i%2 == 0, By: b.rotation.To, Now: t0})
			do(err)
			_, err = s.Lookup(e.ctx, b.child.Presented, t0)
			do(err)
			_, _, err = s.Subtree(e.ctx, root.id(), store.Page{Limit: 100})
			do(err)
			_, b.spentErr[3] = s.Spend(e.ctx, root.Presented, b.spends[3])
			do(s.CommitRefresh(e.ctx, store.Commit{Grant: root.Grant, Lease: b.lease, Generation: 1, Token: b.short.Key, Now: t0}))
		})

		charged, events := int64(0), 0
		for i := range branches {
			b := &branches[i]
			e.ok(b.madeErr, "CreateChild")
			e.ok(b.refundErr, "Refund")
			for _, err := range b.others {
				e.ok(err, "a step that nothing is in the way of")
			}
			for j, err := range b.spentErr {
				switch {
				case err == nil && j != 1: // which was refunded
					charged++
					events++
				case err != nil && !isExhausted(err):
					e.Errorf("Spend: %v", describe(err))
				}
			}
			_, err := e.s.Lookup(e.ctx, b.gone.Presented, t0)
			e.fails(err, store.ErrRevoked, "Lookup of a revoked token")
			e.equal(e.resolve(b.short.TicketRef), b.short, "short token")
		}
		e.equal(e.used(root), []int64{charged}, "uses of the root")
		if charged > limit {
			e.Errorf("%d uses were delivered, the limit is %d", charged, limit)
		}
		tree := e.subtree(root.id(), 7)
		e.equal(len(tree), 1+3*callers, "tokens")
		e.equal(len(e.history(idsOf(tree)...)), events, "events")
		state := e.grantState(root.Grant)
		e.equal(state.Generation, uint64(2), "generation of the grant")
		e.equal(1+len(state.Spares), callers, "refresh tokens kept")
	}
}
