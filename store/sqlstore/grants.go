package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// BeginRefresh implements [store.Grants].
func (s *Store) BeginRefresh(ctx context.Context, id store.GrantID, l store.LeaseID, now store.Micros, ttl time.Duration) (store.Refresh, error) {
	if err := store.CheckBeginRefresh(l, ttl); err != nil {
		return store.Refresh{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Refresh{}, err
	}
	var out store.Refresh
	err := s.step(ctx, "begin a refresh", func() error {
		g, err := s.readGrant(ctx, s.db, id)
		if err != nil {
			return err
		}
		lapsed, err := g.lend(l, now, ttl)
		if err != nil {
			return err
		}
		out, err = s.lend(ctx, g, lapsed)
		return err
	})
	if err != nil {
		return store.Refresh{}, err
	}
	return out, nil
}

// lend takes the lease in the row. It returns the one that lapsed before, if
// that was never ended.
func (g *grant) lend(l store.LeaseID, now store.Micros, ttl time.Duration) (lapsed *doubt, err error) {
	switch {
	case g == nil:
		return nil, store.ErrNotFound
	case g.dead:
		return nil, store.ErrDead
	case g.lease == l:
		g.leaseUntil = max(g.leaseUntil, now.Add(ttl))
		return nil, nil
	case !g.lease.IsZero() && now <= g.leaseUntil:
		return nil, &store.BusyError{Until: g.leaseUntil}
	case !g.lease.IsZero():
		lapsed = &doubt{lease: g.lease, lapsed: g.leaseUntil}
	}
	g.lease, g.leaseUntil = l, now.Add(ttl)
	return lapsed, nil
}

// lend writes the lease, and tells its holder the state.
func (s *Store) lend(ctx context.Context, g *grant, lapsed *doubt) (store.Refresh, error) {
	state, err := s.refreshState(ctx, s.db, g)
	if err != nil {
		return store.Refresh{}, err
	}
	doubts, err := s.readDoubts(ctx, g)
	if err != nil {
		return store.Refresh{}, err
	}
	g.leaseShown = g.arrivals
	if lapsed == nil {
		err := s.writeOne(ctx, func(on runner) error { return s.updateGrant(ctx, on, g) })
		return g.lent(state, doubts), err
	}
	again := slices.ContainsFunc(doubts, func(d doubt) bool { return d.lease == lapsed.lease })
	if !again {
		g.doubts++
	}
	err = s.write(ctx, func(tx runner) error {
		if err := s.updateGrant(ctx, tx, g); err != nil {
			return err
		}
		if again {
			_, err := s.exec(ctx, tx, `UPDATE {doubts} SET lapsed = ? WHERE grant_id = ? AND lease_id = ?`,
				int64(lapsed.lapsed), g.id[:], lapsed.lease[:])
			return err
		}
		_, err := s.exec(ctx, tx, `INSERT INTO {doubts} (grant_id, lease_id, lapsed) VALUES (?, ?, ?)`,
			g.id[:], lapsed.lease[:], int64(lapsed.lapsed))
		return err
	})
	return g.lent(state, append(doubts, *lapsed)), err
}

func (g *grant) lent(state store.RefreshState, doubts []doubt) store.Refresh {
	out := store.Refresh{RefreshState: state, Until: g.leaseUntil}
	for _, d := range doubts {
		out.InDoubt, out.Doubt = true, max(out.Doubt, d.lapsed)
	}
	return out
}

// CommitRefresh implements [store.Grants].
func (s *Store) CommitRefresh(ctx context.Context, c store.Commit) error {
	if err := c.Check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.step(ctx, "commit a refresh", func() error {
		g, done, err := s.readForCommit(ctx, c.Grant, c.Lease, c.Token)
		switch {
		case err != nil || done:
			return err
		case c.Generation > g.generation:
			return store.ErrConflict
		case c.Generation == g.generation:
			return s.advance(ctx, g, &c)
		}
		return s.spare(ctx, g, &c)
	})
}

// readForCommit reads a grant, and whether a lease has stored this token.
func (s *Store) readForCommit(ctx context.Context, id store.GrantID, l store.LeaseID, token store.Sealed) (*grant, bool, error) {
	g, err := s.readGrant(ctx, s.db, id)
	if err != nil {
		return nil, false, err
	}
	if g == nil {
		return nil, false, store.ErrNotFound
	}
	digest := sha256.Sum256(token)
	done := 0
	err = s.each(ctx, s.often(s.db), func(r *sql.Rows) error { return r.Scan(&done) },
		`SELECT COUNT(*) FROM {commits} WHERE grant_id = ? AND lease_id = ? AND digest = ?`, id[:], l[:], digest[:])
	return g, done > 0, err
}

// remember notes the identity of a commit. The index refuses a second one.
func (s *Store) remember(ctx context.Context, tx runner, id store.GrantID, l store.LeaseID, token store.Sealed, now store.Micros) error {
	digest := sha256.Sum256(token)
	_, err := s.exec(ctx, s.often(tx), `INSERT INTO {commits} (grant_id, lease_id, digest, committed) VALUES (?, ?, ?, ?)`,
		id[:], l[:], digest[:], int64(now))
	return err
}

// resolve removes the doubt that a lease left from the row, and returns how to
// remove its own.
func (s *Store) resolve(ctx context.Context, g *grant, l store.LeaseID) (func(tx runner) error, error) {
	doubts, err := s.readDoubts(ctx, g)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(doubts, func(d doubt) bool { return d.lease == l }) {
		return func(runner) error { return nil }, nil
	}
	g.doubts--
	return func(tx runner) error {
		return s.must(ctx, tx, 1, `DELETE FROM {doubts} WHERE grant_id = ? AND lease_id = ?`, g.id[:], l[:])
	}, nil
}

// advance makes a token the current one of the next generation.
func (s *Store) advance(ctx context.Context, g *grant, c *store.Commit) error {
	resolve, err := s.resolve(ctx, g, c.Lease)
	if err != nil {
		return err
	}
	g.generation++
	g.refresh = c.Token
	g.dead = false
	return s.write(ctx, func(tx runner) error {
		if err := s.updateGrant(ctx, tx, g); err != nil {
			return err
		}
		if err := resolve(tx); err != nil {
			return err
		}
		return s.remember(ctx, tx, c.Grant, c.Lease, c.Token, c.Now)
	})
}

// spare keeps a token that arrived after another lease had moved the grant on.
func (s *Store) spare(ctx context.Context, g *grant, c *store.Commit) error {
	resolve, err := s.resolve(ctx, g, c.Lease)
	if err != nil {
		return err
	}
	kept, err := s.readArrivals(ctx, g)
	if err != nil {
		return err
	}
	g.arrivals++
	g.dead = false
	dropped := kept[:max(0, len(kept)+1-store.MaxSpares)]
	g.spares = len(kept) + 1 - len(dropped)
	return s.write(ctx, func(tx runner) error {
		if err := s.updateGrant(ctx, tx, g); err != nil {
			return err
		}
		if err := resolve(tx); err != nil {
			return err
		}
		if len(dropped) > 0 {
			if err := s.must(ctx, tx, len(dropped), `DELETE FROM {spares} WHERE grant_id = ? AND arrival IN ?`, g.id[:], dropped); err != nil {
				return err
			}
		}
		_, err := s.exec(ctx, tx, `INSERT INTO {spares} (grant_id, arrival, generation, refresh) VALUES (?, ?, ?, ?)`,
			g.id[:], g.arrivals, int64(c.Generation+1), []byte(c.Token))
		if err != nil {
			return err
		}
		return s.remember(ctx, tx, c.Grant, c.Lease, c.Token, c.Now)
	})
}

// readArrivals returns the numbers of the spares, oldest first.
func (s *Store) readArrivals(ctx context.Context, g *grant) (ids, error) {
	var all ids
	if g.spares == 0 {
		return nil, nil
	}
	err := s.each(ctx, s.db, func(r *sql.Rows) error {
		var n int64
		if err := r.Scan(&n); err != nil {
			return err
		}
		all = append(all, n)
		return nil
	}, `SELECT arrival FROM {spares} WHERE grant_id = ? ORDER BY arrival`, g.id[:])
	return all, err
}

// EndRefresh implements [store.Grants].
func (s *Store) EndRefresh(ctx context.Context, id store.GrantID, l store.LeaseID, generation uint64, outcome store.Outcome, _ store.Micros) error {
	if err := store.CheckEndRefresh(l, generation, outcome); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.step(ctx, "end a refresh", func() error {
		g, err := s.readGrant(ctx, s.db, id)
		switch {
		case err != nil:
			return err
		case g == nil:
			return store.ErrNotFound
		case g.lease != l:
			return nil
		}
		return s.end(ctx, g, generation, outcome)
	})
}

// end takes the lease back.
func (s *Store) end(ctx context.Context, g *grant, generation uint64, outcome store.Outcome) error {
	shown := g.leaseShown
	g.lease, g.leaseUntil, g.leaseShown = store.LeaseID{}, 0, 0
	alone := func(on runner) error { return s.updateGrant(ctx, on, g) }
	if outcome != store.RefreshDone && outcome != store.RefreshRefused {
		return s.writeOne(ctx, alone)
	}
	arrivals, err := s.readArrivals(ctx, g)
	if err != nil {
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(arrivals), func(n int64) bool { return n <= shown })
	hadSpares, hadDoubts := g.spares > len(rest), g.doubts > 0
	g.spares, g.doubts = len(rest), 0
	if outcome == store.RefreshRefused && g.generation == generation && len(rest) == 0 {
		g.dead = true
	}
	if !hadSpares && !hadDoubts {
		return s.writeOne(ctx, alone)
	}
	return s.write(ctx, func(tx runner) error {
		if err := s.updateGrant(ctx, tx, g); err != nil {
			return err
		}
		if hadSpares {
			if _, err := s.exec(ctx, tx, `DELETE FROM {spares} WHERE grant_id = ? AND arrival <= ?`, g.id[:], shown); err != nil {
				return err
			}
		}
		if hadDoubts {
			_, err := s.exec(ctx, tx, `DELETE FROM {doubts} WHERE grant_id = ?`, g.id[:])
			return err
		}
		return nil
	})
}

// ReplaceGrant implements [store.Grants].
func (s *Store) ReplaceGrant(ctx context.Context, r store.Replacement) error {
	if err := r.Check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.step(ctx, "replace a grant", func() error {
		g, done, err := s.readForCommit(ctx, r.Grant, r.Lease, r.Token)
		switch {
		case err != nil:
			return err
		case g.owner != r.Owner:
			return argument("replacement by the grant of another owner")
		case done:
			return nil
		case r.Generation != g.generation:
			return store.ErrConflict
		}
		plan, err := s.planTickets(ctx, &r.Tickets, r.Now, nil)
		if err != nil {
			return err
		}
		return s.replace(ctx, g, &r, plan)
	})
}

func (s *Store) replace(ctx context.Context, g *grant, r *store.Replacement, plan *ticketPlan) error {
	g.generation++
	g.refresh, g.scope, g.audience = r.Token, r.Scope, r.Audience
	g.spares, g.doubts = 0, 0
	g.dead = false
	return s.write(ctx, func(tx runner) error {
		if err := s.updateGrant(ctx, tx, g); err != nil {
			return err
		}
		for _, text := range []string{`DELETE FROM {spares} WHERE grant_id = ?`, `DELETE FROM {doubts} WHERE grant_id = ?`} {
			if _, err := s.exec(ctx, tx, text, g.id[:]); err != nil {
				return err
			}
		}
		if err := s.remember(ctx, tx, r.Grant, r.Lease, r.Token, r.Now); err != nil {
			return err
		}
		return s.applyTickets(ctx, tx, plan)
	})
}
