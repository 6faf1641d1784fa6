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
	return s.step(ctx, "create a root", func() error {
		plan, err := s.planChanges(ctx, &tickets, t.Created)
		if err == nil {
			plan.created[t.ID] = true
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

// createdBefore checks whether a root that could not be stored is stored already. If so,
// it returns nil. It returns [store.ErrExists] if something else has one of the ids, and
// why if both ids are free.
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

const (
	insertToken = `
		INSERT INTO {tokens} (token_id, grant_id, owner_id, path, first_sum, seq, confirmed, token_sum, sealed_key, about,
			clauses, created, expires, erase_at)
		VALUES (?, ?, ?, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?, ?)`
	// insertAncestors records the ancestors of the parent, the parent, and the token
	// itself. It inserts one row less if the parent is not live.
	insertAncestors = `
		INSERT INTO {ancestors} (token, depth, ancestor)
		SELECT t.id, 0, t.id FROM {tokens} t
		WHERE t.id = ? AND NOT EXISTS (
			SELECT 1 FROM {ancestors} a JOIN {tombstones} s ON s.token = a.ancestor
			WHERE a.token = ? AND (s.recursive_at > 0 OR a.depth = 0))
		UNION ALL
		SELECT t.id, a.depth + 1, a.ancestor FROM {tokens} t JOIN {ancestors} a ON a.token = ? WHERE t.id = ?`
	// insertChains records, for each counter of the token, the chain of counters that a
	// use spends: the counter itself, and the limited counters of the ancestors' clauses.
	insertChains = `
		INSERT INTO {chains} (token, kind, clause, depth, counter)
		SELECT n.token, n.kind, n.clause, 0, n.id FROM {counters} n WHERE n.token = ?
		UNION ALL
		SELECT n.token, n.kind, n.clause, h.depth + 1, h.counter
		FROM {counters} n
		JOIN {chains} h ON h.token = ? AND h.kind = n.kind AND h.clause = n.draws
		JOIN {counters} c ON c.id = h.counter
		WHERE n.token = ? AND n.draws >= 0 AND c.max_uses >= 0`
)

func insertCounters(rows int) string {
	return `INSERT INTO {counters} (token, clause, kind, draws, max_uses) VALUES ` + values(rows, 5)
}

// insertToken stores a token with its counters and its history; parent is nil for a root.
// The caller has written the parent's counter for no clause, as the steps do that revoke
// and erase. So either insertToken sees the tombstone that they obey, or they see the new
// token.
func (s *Store) insertToken(ctx context.Context, tx runner, parent *token, t *store.Token) error {
	var ancestors []store.TokenID
	var above int64
	if parent != nil {
		ancestors = append([]store.TokenID{parent.ID}, parent.Ancestors...)
		above = parent.row
	}
	id, err := s.insert(ctx, tx, insertToken,
		t.ID[:], t.Grant[:], t.Owner[:], joined(ancestors), t.Sum[:], t.Sum[:], []byte(t.Key), filled(t.About),
		len(t.Clauses), int64(t.Created), int64(t.Expires), eraseAt(t.Expires))
	if err != nil {
		return err
	}
	if err := s.must(ctx, tx, 1+len(ancestors), insertAncestors, id, above, above, id); err != nil {
		return err
	}
	for some := range slices.Chunk(counterRows(id, t.Clauses), chunk) {
		if _, err := s.exec(ctx, tx, insertCounters(len(some)), slices.Concat(some...)...); err != nil {
			return err
		}
	}
	if _, err := s.exec(ctx, tx, insertChains, id, above, id); err != nil {
		return err
	}
	return s.addEvents(ctx, tx, id, t.Events...)
}

// counterRows returns the counters of a token: one for no clause, and two for each
// clause.
func counterRows(id int64, clauses []store.Clause) [][]any {
	rows := [][]any{{id, int64(store.NoClause), int64(store.UseUncounted), int64(store.NoClause), int64(store.Unlimited)}}
	for i, c := range clauses {
		rows = append(rows,
			[]any{id, int64(i), int64(store.UseAT), int64(c.Draws), int64(c.AT)},
			[]any{id, int64(i), int64(store.UseOther), int64(c.Draws), int64(c.Other)})
	}
	return rows
}
