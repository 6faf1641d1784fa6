package memstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// grant is one row: the refresh token of one login.
type grant struct {
	*rules.Grant
	commits map[rules.Commit]store.Micros // when each was made
}

// change calls do with a grant, under the lock. It returns [store.ErrNotFound] if there
// is no such grant.
func (s *Store) change(ctx context.Context, id store.GrantID, do func(g *grant) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	g := s.grants[id]
	if g == nil {
		return store.ErrNotFound
	}
	return do(g)
}

// BeginRefresh implements [store.Grants].
func (s *Store) BeginRefresh(ctx context.Context, b store.Begin) (out store.Refresh, err error) {
	if err := b.Check(); err != nil {
		return store.Refresh{}, err
	}
	err = s.change(ctx, b.Grant, func(g *grant) error {
		out, err = g.Begin(&b, s.processes)
		return err
	})
	return out, err
}

// CommitRefresh implements [store.Grants].
func (s *Store) CommitRefresh(ctx context.Context, c store.Commit) error {
	if err := c.Check(); err != nil {
		return err
	}
	return s.change(ctx, c.Grant, func(g *grant) error {
		this := rules.NewCommit(c.Lease, c.Token)
		_, done := g.commits[this]
		changed, err := g.Commit(&c, done)
		if changed && !done {
			g.commits[this] = c.Now
		}
		return err
	})
}

// EndRefresh implements [store.Grants].
func (s *Store) EndRefresh(ctx context.Context, e store.End) error {
	if err := e.Check(); err != nil {
		return err
	}
	return s.change(ctx, e.Grant, func(g *grant) error {
		g.End(&e)
		return nil
	})
}

// Grant implements [store.Grants].
func (s *Store) Grant(ctx context.Context, id store.GrantID) (out store.RefreshState, err error) {
	err = s.change(ctx, id, func(g *grant) error {
		out = g.State()
		return nil
	})
	return out, err
}

// ReplaceGrant implements [store.Grants].
func (s *Store) ReplaceGrant(ctx context.Context, r store.Replacement) error {
	if err := r.Check(); err != nil {
		return err
	}
	return s.change(ctx, r.Grant, func(g *grant) error {
		this := rules.NewCommit(r.Lease, r.Token)
		_, done := g.commits[this]
		next := *g.Grant
		changed, err := next.Replace(&r, done)
		if err != nil || !changed {
			return err
		}
		plan, err := s.planTickets(&r.Tickets, r.Now)
		if err != nil {
			return err
		}
		*g.Grant = next
		g.commits[this] = r.Now
		s.dropAccessOf(r.Grant)
		s.applyTickets(plan)
		return nil
	})
}
