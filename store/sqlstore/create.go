package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// CreateRoot implements [store.Tokens].
func (s *Store) CreateRoot(ctx context.Context, g store.Grant, t store.Token, tickets store.TicketChanges) error {
	if err := store.CheckRoot(&g, &t, &tickets); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.step(ctx, "create a root", func() error {
		plan, err := s.planTickets(ctx, &tickets, t.Created, &t.ID)
		if err == nil {
			err = s.write(ctx, func(tx runner) error {
				if err := s.insertGrant(ctx, tx, &g); err != nil {
					return err
				}
				if err := s.insertToken(ctx, tx, nil, &t); err != nil {
					return err
				}
				return s.applyTickets(ctx, tx, plan)
			})
		}
		if store.IsDefinite(err) || s.engine.fault(err) == faultDuplicate {
			return s.createdBefore(ctx, &t, err)
		}
		return err
	})
}

// createdBefore finds out whether a root that could not be stored is there
// already. Otherwise it returns why it could not be stored.
func (s *Store) createdBefore(ctx context.Context, t *store.Token, why error) error {
	var tokens, grants, same int
	err := s.each(ctx, s.db, func(r *sql.Rows) error { return r.Scan(&tokens, &grants, &same) }, `
		SELECT (SELECT COUNT(*) FROM {tokens} WHERE token_id = ?), (SELECT COUNT(*) FROM {grants} WHERE grant_id = ?),
			(SELECT COUNT(*) FROM {tokens} WHERE token_id = ? AND grant_id = ? AND owner_id = ? AND first_sum = ? AND path = ?)`,
		t.ID[:], t.Grant[:], t.ID[:], t.Grant[:], t.Owner[:], t.Sum[:], []byte{})
	switch {
	case err != nil:
		return err
	case same > 0 && grants > 0:
		return nil
	case tokens > 0 || grants > 0:
		return store.ErrExists
	}
	return why
}

func (s *Store) insertGrant(ctx context.Context, tx runner, g *store.Grant) error {
	_, err := s.exec(ctx, tx, `
		INSERT INTO {grants} (grant_id, owner_id, version, generation, refresh, scope, audience, created)
		VALUES (?, ?, 1, 1, ?, ?, ?, ?)`,
		g.ID[:], g.Owner[:], []byte(g.Refresh), []byte(g.Scope), []byte(g.Audience), int64(g.Created))
	return err
}

// CreateChild implements [store.Tokens].
func (s *Store) CreateChild(ctx context.Context, parent store.Presented, u store.Use, child store.Token) (store.Spent, error) {
	if err := ctx.Err(); err != nil {
		return store.Spent{}, err
	}
	m := &member{token: parent, use: &u, child: &child}
	if !u.Tickets.IsZero() {
		return s.spendAlone(ctx, m)
	}
	u.Candidates = slices.Clone(u.Candidates) // the batch may outlive this call
	child.Key, child.About = slices.Clone(child.Key), slices.Clone(child.About)
	child.Clauses, child.Events = slices.Clone(child.Clauses), slices.Clone(child.Events)
	return s.spendTogether(ctx, s.creations, m)
}

// checkChild finds out whether what the use creates fits below its token.
func (m *member) checkChild() error {
	if m.child == nil {
		return nil
	}
	if err := m.child.Check(m.row.clauses); err != nil {
		return err
	}
	if m.child.Grant != m.row.grant || m.child.Owner != m.row.owner {
		return argument("child of another grant or owner than its parent's")
	}
	return nil
}

func (s *Store) checkDepth(m *member) error {
	if m.child != nil && len(m.row.ancestors) >= s.maxDepth {
		return store.ErrDepth
	}
	return nil
}

// checkNewChild finds out whether what a use creates, which is not known, can
// be created.
func (s *Store) checkNewChild(ctx context.Context, m *member) error {
	if m.child == nil {
		return nil
	}
	if err := s.checkDepth(m); err != nil {
		return err
	}
	taken := 0
	err := s.each(ctx, s.db, func(r *sql.Rows) error { return r.Scan(&taken) },
		`SELECT COUNT(*) FROM {tokens} WHERE token_id = ?`, m.child.ID[:])
	if err == nil && taken > 0 {
		return store.ErrExists
	}
	return err
}

// insertChild stores what a use creates. The use has written a counter of the
// parent, so that the parent is there, and stays until this is committed.
func (s *Store) insertChild(ctx context.Context, tx runner, parent *token, child *store.Token) error {
	return s.insertToken(ctx, tx, parent, child)
}

// insertToken stores a token; parent is nil for a root.
func (s *Store) insertToken(ctx context.Context, tx runner, parent *token, t *store.Token) error {
	var ancestors []store.TokenID
	var above int64
	if parent != nil {
		ancestors = append([]store.TokenID{parent.public}, parent.ancestors...)
		above = parent.id
	}
	id, err := s.insert(ctx, s.often(tx), `
		INSERT INTO {tokens} (token_id, grant_id, owner_id, path, first_sum, seq, confirmed, token_sum, sealed_key, about,
			clauses, created, expires)
		VALUES (?, ?, ?, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?)`,
		t.ID[:], t.Grant[:], t.Owner[:], joined(ancestors), t.Sum[:], t.Sum[:], []byte(t.Key), filled(t.About),
		len(t.Clauses), int64(t.Created), int64(t.Expires))
	if err != nil {
		return err
	}
	if err := s.insertAncestors(ctx, tx, id, above); err != nil {
		return err
	}
	if err := s.insertCounters(ctx, tx, id, above, t.Clauses); err != nil {
		return err
	}
	var history []entry
	for _, e := range t.Events {
		if e.Name != "" {
			history = append(history, entry{token: id, event: e, clause: store.NoClause})
		}
	}
	return s.addHistory(ctx, tx, history)
}

// insertAncestors records those of the parent, the parent, and the token
// itself.
func (s *Store) insertAncestors(ctx context.Context, tx runner, id, parent int64) error {
	_, err := s.exec(ctx, s.often(tx), `
		INSERT INTO {ancestors} (token, depth, ancestor)
		SELECT t.id, 0, t.id FROM {tokens} t WHERE t.id = ?
		UNION ALL
		SELECT t.id, a.depth + 1, a.ancestor FROM {tokens} t JOIN {ancestors} a ON a.token = ? WHERE t.id = ?`,
		id, parent, id)
	return err
}

// insertCounters makes the counters of a token, and the chains that lead from
// them through the limited counters of the clauses that they draw on.
func (s *Store) insertCounters(ctx context.Context, tx runner, id, parent int64, clauses []store.Clause) error {
	rows := [][]any{{id, int64(store.NoClause), int64(store.UseUncounted), int64(store.NoClause), int64(store.Unlimited)}}
	for i, c := range clauses {
		rows = append(rows,
			[]any{id, int64(i), int64(store.UseAT), int64(c.Draws), int64(c.AT)},
			[]any{id, int64(i), int64(store.UseOther), int64(c.Draws), int64(c.Other)})
	}
	for some := range slices.Chunk(rows, chunk) {
		_, err := s.exec(ctx, tx, `INSERT INTO {counters} (token, clause, kind, draws, max_uses) VALUES `+values(len(some), 5), slices.Concat(some...)...)
		if err != nil {
			return err
		}
	}
	_, err := s.exec(ctx, s.often(tx), `
		INSERT INTO {chains} (token, kind, clause, depth, counter)
		SELECT n.token, n.kind, n.clause, 0, n.id FROM {counters} n WHERE n.token = ?
		UNION ALL
		SELECT n.token, n.kind, n.clause, h.depth + 1, h.counter
		FROM {counters} n
		JOIN {chains} h ON h.token = ? AND h.kind = n.kind AND h.clause = n.draws
		JOIN {counters} c ON c.id = h.counter
		WHERE n.token = ? AND n.draws >= 0 AND c.max_uses >= 0`, id, parent, id)
	return err
}
