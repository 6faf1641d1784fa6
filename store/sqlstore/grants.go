package sqlstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// BeginRefresh implements [store.Grants].
func (s *Store) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	if err := b.Check(); err != nil {
		return store.Refresh{}, err
	}
	var out store.Refresh
	err := s.step(ctx, "begin a refresh", func() error {
		g, err := s.readGrant(ctx, s.db, b.Grant, b.Process)
		if err != nil {
			return err
		}
		if out, err = g.Begin(&b, g.known); err != nil {
			return err
		}
		if !g.tookOver(b.Now) {
			return s.saveGrant(ctx, g)
		}
		return s.saveGrant(ctx, g, g.was.holder.isSilent())
	})
	if err != nil {
		return store.Refresh{}, err
	}
	return out, nil
}

// CommitRefresh implements [store.Grants].
func (s *Store) CommitRefresh(ctx context.Context, c store.Commit) error {
	if err := c.Check(); err != nil {
		return err
	}
	this := rules.NewCommit(c.Lease, c.Token)
	blind := true
	return s.step(ctx, "commit a refresh", func() error {
		if blind {
			blind = false
			err := s.writeAll(ctx, []demand{commitToken(&c), addCommit(c.Grant, this, c.Now)}, true)
			if !s.unmet(err) {
				return err
			}
		}
		g, done, err := s.readForCommit(ctx, c.Grant, this)
		if err != nil {
			return err
		}
		if changed, err := g.Commit(&c, done); err != nil || !changed {
			return err
		}
		if done {
			return s.saveGrant(ctx, g)
		}
		return s.saveGrant(ctx, g, addCommit(c.Grant, this, c.Now))
	})
}

// readForCommit reads a grant. It also reports whether the lease has stored this token
// before.
func (s *Store) readForCommit(ctx context.Context, id store.GrantID, c rules.Commit) (*grant, bool, error) {
	g, err := s.readGrant(ctx, s.db, id, noCaller)
	if err != nil {
		return nil, false, err
	}
	done, err := s.committed(ctx, id, c)
	return g, done, err
}

// EndRefresh implements [store.Grants]. It may commit relaxed ends together with uses
// that wait at the same time, and may then outlive its context like Spend.
func (s *Store) EndRefresh(ctx context.Context, e store.End) error {
	if err := e.Check(); err != nil {
		return err
	}
	if ordinaryEnd(&e) {
		m := &member{end: &e}
		end := s.endAlone
		if e.Relaxed {
			end = s.endTogether
		}
		if err := end(ctx, m); err != nil || m.done {
			return err
		}
	}
	return s.step(ctx, endStep, func() error {
		g, err := s.readGrant(ctx, s.db, e.Grant, noCaller)
		if err != nil || !g.End(&e) {
			return err
		}
		return s.saveGrant(ctx, g)
	})
}

const endStep = "end a refresh"

// endAlone ends a lease durably, if that does not need to read the grant.
func (s *Store) endAlone(ctx context.Context, m *member) error {
	return s.step(ctx, endStep, func() error {
		err := s.writeAll(ctx, []demand{endLease(m.end)}, true)
		if m.done = err == nil; s.unmet(err) {
			return nil
		}
		return err
	})
}

// endTogether ends a lease with the next batch of uses, if that does not need to read the
// grant.
func (s *Store) endTogether(ctx context.Context, m *member) error {
	_, err := s.spendTogether(ctx, s.uses, m)
	return err
}

// ReplaceGrant implements [store.Grants].
func (s *Store) ReplaceGrant(ctx context.Context, r store.Replacement) error {
	if err := r.Check(); err != nil {
		return err
	}
	this := rules.NewCommit(r.Lease, r.Token)
	err := s.step(ctx, replaceStep, func() error {
		g, done, err := s.readForCommit(ctx, r.Grant, this)
		if err != nil {
			return err
		}
		if changed, err := g.Replace(&r, done); err != nil || !changed {
			return err
		}
		plan, err := s.planChanges(ctx, &r.Tickets, r.Now)
		if err != nil {
			return err
		}
		kept, err := s.keptAccess(ctx, r.Grant)
		if err != nil {
			return err
		}
		return s.saveGrant(ctx, g, slices.Concat([]demand{addCommit(r.Grant, this, r.Now)}, kept, plan.changes())...)
	})
	if err == nil { // also for a repeat: the call before may have failed in between
		err = inDoubt(s.dropAccess(ctx, r.Grant)) // the grant is replaced
	}
	return err
}

const replaceStep = "replace a grant"

// dropAccess deletes the kept access tokens of a grant that somebody has put while it was
// being replaced. They come from the login before, or anew from the present one: then they
// are missed no more than once.
func (s *Store) dropAccess(ctx context.Context, grant store.GrantID) error {
	return s.step(ctx, replaceStep, func() error {
		kept, err := s.keptAccess(ctx, grant)
		if err != nil || len(kept) == 0 {
			return err
		}
		return s.writeAll(ctx, kept, true)
	})
}

// keptAccess returns the statements that delete the kept access tokens of a grant. They
// name the rows, because not every engine finds them by the tokens of the grant fast.
func (s *Store) keptAccess(ctx context.Context, grant store.GrantID) ([]demand, error) {
	rows, err := column[[]byte](ctx, s, s.db, `
		SELECT k.ticket_id FROM {tokens} t JOIN {tickets} k ON k.token_id = t.token_id
		WHERE t.grant_id = ? AND k.kind = ?`, grant[:], int64(store.TicketAccess))
	var all []demand
	for some := range slices.Chunk(rows, chunk) {
		all = append(all, demand{
			text: `DELETE FROM {tickets} WHERE ticket_id IN ? AND kind = ?`, args: []any{blobs(some), int64(store.TicketAccess)}, rows: anyRows,
		})
	}
	return all, err
}

// Grant implements [store.Grants].
func (s *Store) Grant(ctx context.Context, id store.GrantID) (store.RefreshState, error) {
	var state store.RefreshState
	err := s.step(ctx, "read a grant", func() error {
		g, err := s.readGrant(ctx, s.db, id, noCaller)
		if err != nil {
			return err
		}
		state = g.State()
		if len(g.was.spares) == 0 {
			return nil
		}
		return s.unchanged(ctx, g)
	})
	return state, err
}

// unchanged returns errChanged if another step has changed the grant since it was read.
// If not, the results of all statements about it belong together.
func (s *Store) unchanged(ctx context.Context, g *grant) error {
	same, err := column[int64](ctx, s, s.db, `SELECT version FROM {grants} WHERE grant_id = ? AND version = ?`, g.id[:], g.version)
	if err == nil && len(same) == 0 {
		return errChanged
	}
	return err
}
