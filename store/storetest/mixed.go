package storetest

import (
	"errors"

	"github.com/mytoken-go/sdk/store"
)

// branch holds the tokens of one caller of mixedSteps and the results of its calls.
type branch struct {
	kept, gone, child *tok
	birth             store.Use
	spends            []store.Use
	rotation          store.Rotation
	short             store.Ticket
	lease             store.LeaseID
	put               store.ItemChanges
	process           store.Process

	spendErrs []error
	err       error // of all other steps, which nothing is in the way of
}

// mixedSteps lets callers make all kinds of steps at once on the tokens of one tree. Each
// caller has a branch of its own below a shared budget. The store must resolve
// contention, including deadlocks, by itself. The sums must be right.
//
// proves P3, P4, P6
func mixedSteps(e *env) {
	const limit = 3 * nodes
	for range max(1, e.rounds/2) {
		root := e.root(at(limit, none))
		branches := several(callers, func() *branch {
			b := &branch{kept: e.child(root, at(unlimited, 0)), gone: e.child(root, at(unlimited, 0))}
			b.child, b.birth = e.newChild(b.kept, at(unlimited, 0)), e.use(store.UseOther, 0)
			b.spends, b.rotation = e.uses(4, "AT_created", 0), e.rotation(b.kept, grace)
			b.short, b.lease = e.newShort(b.kept), e.leaseID()
			b.process = e.newProcess()
			b.rotation.Tickets = putting(b.short)
			b.put = e.putItems(root.Owner, 0, e.newItem(store.ItemTag))
			b.put.Links = newLinks(tag(b.put.Put[0], b.kept.id(), b.child.id()))
			b.put.Tickets, b.put.Token, b.put.Event = putting(e.newSSHKey(b.kept)), root.id(), event("tag_create", t0)
			return b
		})
		e.atOnce(callers, func(i int, s store.Store) error {
			b := branches[i]
			do := func(err error) { b.err = errors.Join(b.err, err) }
			spend := func(p store.Presented) {
				b.spendErrs = append(b.spendErrs, errOf(s.Spend(e.ctx, p, b.spends[len(b.spendErrs)])))
			}
			spend(b.kept.Presented)
			do(errOf(s.CreateChild(e.ctx, b.kept.Presented, b.birth, b.child.Token)))
			spend(b.child.Presented)
			do(putAnyway(e.ctx, s, b.put))
			do(errOf(s.Rotate(e.ctx, b.rotation)))
			spend(b.rotation.To)
			do(s.Refund(e.ctx, b.spends[1].ID, t0))
			do(s.Beat(e.ctx, b.process, t0+store.Micros(i%2)))
			begin := beginning(root.Grant, b.lease, t0+store.Micros(i))
			begin.Process = b.process.ID
			_, err := s.BeginRefresh(e.ctx, begin)
			if _, busy := errors.AsType[*store.BusyError](err); !busy {
				do(err)
			}
			do(errOf(s.Revoke(e.ctx, store.Revocation{Token: b.gone.id(), Recursive: i%2 == 0, By: b.rotation.To, Now: t0})))
			do(errOf(s.Lookup(e.ctx, b.child.Presented, t0)))
			_, _, err = s.Subtree(e.ctx, root.id(), store.Page{Limit: 100})
			do(err)
			spend(root.Presented)
			do(s.Settle(e.ctx, []store.ProcessID{b.process.ID}, t0))
			do(s.CommitRefresh(e.ctx, store.Commit{Grant: root.Grant, Lease: b.lease, Generation: 1, Token: b.short.Key, Now: t0}))
			return nil
		})

		charged := 0
		for _, b := range branches {
			e.ok(b.err, "a step that nothing is in the way of")
			for _, i := range e.delivered(b.spendErrs) {
				if i != 1 { // which was refunded
					charged++
				}
			}
			e.fails(e.lookupErr(b.gone.Presented, t0), store.ErrRevoked, "Lookup of a revoked token")
			e.wantTicket(b.short)
		}
		e.wantUsed(root, int64(charged))
		if charged > limit {
			e.Errorf("%d uses were delivered, the limit is %d", charged, limit)
		}
		tree := e.subtree(root.id(), 7)
		e.equal(len(tree), 1+3*callers, "tokens")
		events, _, err := e.s.Events(e.ctx, infoIDs(tree), store.Page{Limit: 1000})
		e.ok(err, "Events")
		e.equal(len(events), charged+callers, "events")
		items := e.items(root.Owner)
		e.equal([]int{int(items.Revision), len(items.List)}, []int{callers, callers}, "revision and number of the items")
		e.equal(len(e.links(infoIDs(tree))), 2*callers, "links")
		state := e.grantState(root.Grant)
		e.equal(state.Generation, uint64(2), "generation of the grant")
		e.equal(1+len(state.Spares), callers, "refresh tokens kept")
	}
}
