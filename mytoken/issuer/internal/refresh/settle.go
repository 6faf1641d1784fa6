package refresh

import (
	"context"
	"maps"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// settleDead settles the dead processes of the node: their leases lapse, and nobody waits
// for them any more. Before that, it commits what the spill holds. If the store lacks
// something of the spill afterwards, settleDead settles nobody and returns an error.
func (r *Refresher) settleDead(ctx context.Context) error {
	r.recovering.Lock()
	defer r.recovering.Unlock()
	dead, err := r.node.dead() // before the replay: what they held is in the spill now
	if err != nil || len(dead) == 0 {
		r.awaited.Store(false)
		return err
	}
	_, err = r.replay(ctx, store.GrantID{})
	if err == nil {
		err = r.spareLiving(ctx, dead)
	}
	if err == nil && len(dead) > 0 {
		err = r.Ledger.Settle(ctx, slices.Collect(maps.Keys(dead)))
	}
	for id, d := range dead {
		if err == nil {
			r.node.forget(id, d.lock)
		} else {
			_ = d.lock.Close()
		}
	}
	return err
}

// spareLiving takes the processes of other machines that have a heartbeat out of dead. The
// heartbeat of this process looks at them again.
func (r *Refresher) spareLiving(ctx context.Context, dead map[store.ProcessID]unlocked) error {
	far := 0
	for _, d := range dead {
		if !d.near {
			far++
		}
	}
	if far == 0 {
		r.awaited.Store(false)
		return nil
	}
	now, spared := store.At(r.Clock()), false
	err := r.eachProcess(ctx, func(p store.ProcessInfo) {
		if d, found := dead[p.ID]; found && !d.near && p.Settled == 0 && now <= p.Until {
			_ = d.lock.Close()
			delete(dead, p.ID)
			spared = true
		}
	})
	r.awaited.Store(spared || err != nil)
	return err
}

// NodeGivenUp says what Abandon did.
type NodeGivenUp struct {
	Settled, Living []store.ProcessInfo
}

// Abandon settles the dead processes of a node: those without a heartbeat. It reports
// whether the store knows the node.
func (r *Refresher) Abandon(ctx context.Context, id store.NodeID) (out NodeGivenUp, known bool, err error) {
	now := store.At(r.Clock())
	err = r.eachProcess(ctx, func(p store.ProcessInfo) {
		switch {
		case p.Node != id || id.IsZero():
			return
		case p.Settled != 0:
		case now <= p.Until:
			out.Living = append(out.Living, p)
		default:
			out.Settled = append(out.Settled, p)
		}
		known = true
	})
	if err != nil {
		return out, known, err
	}
	if len(out.Settled) == 0 {
		return out, known, nil
	}
	ids := make([]store.ProcessID, 0, len(out.Settled))
	for _, p := range out.Settled {
		ids = append(ids, p.ID)
	}
	return out, known, r.Ledger.Settle(ctx, ids)
}

// eachProcess calls visit with each process that the store knows.
func (r *Refresher) eachProcess(ctx context.Context, visit func(store.ProcessInfo)) error {
	for page := (store.Page{Limit: 100}); ; {
		all, next, err := r.Ledger.Processes(ctx, page)
		if err != nil {
			return err
		}
		for _, p := range all {
			visit(p)
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}
