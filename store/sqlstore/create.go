package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

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
			plan.guarded[t.ID] = true
			err = s.writeAll(ctx, slices.Concat([]demand{createGrant(&g)}, createToken(nil, &t), plan.changes()), false)
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

// createGrant returns the statement that stores a grant.
func createGrant(g *store.Grant) demand {
	return demand{
		text: `
			INSERT INTO {grants} (grant_id, owner_id, version, generation, refresh, scope, audience, created)
			VALUES (?, ?, 1, 1, ?, ?, ?, ?)`,
		args: []any{g.ID[:], g.Owner[:], []byte(g.Refresh), []byte(g.Scope), []byte(g.Audience), int64(g.Created)}, rows: 1,
	}
}

const (
	insertToken = `
		INSERT INTO {tokens} (token_id, grant_id, owner_id, path, first_sum, seq, confirmed, token_sum, sealed_key, about,
			clauses, created, expires, erase_at)
		VALUES (?, ?, ?, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?, ?)`
	// newToken is the key of the token that the same transaction has inserted.
	newToken = `(SELECT id FROM {tokens} WHERE token_id = ?)`
	// insertAncestors records the ancestors of the parent, the parent, and the token
	// itself. It inserts one row less if the parent is not live.
	insertAncestors = `
		INSERT INTO {ancestors} (token, depth, ancestor)
		SELECT t.id, 0, t.id FROM {tokens} t
		WHERE t.token_id = ? AND NOT EXISTS (
			SELECT 1 FROM {ancestors} a JOIN {tombstones} s ON s.token = a.ancestor
			WHERE a.token = ? AND (s.recursive_at > 0 OR a.depth = 0))
		UNION ALL
		SELECT t.id, a.depth + 1, a.ancestor FROM {tokens} t JOIN {ancestors} a ON a.token = ? WHERE t.token_id = ?`
	// insertChains records, for each counter of the token, the chain of counters that a
	// use spends: the counter itself, and the limited counters of the ancestors' clauses.
	insertChains = `
		INSERT INTO {chains} (token, kind, clause, depth, counter)
		SELECT n.token, n.kind, n.clause, 0, n.id FROM {counters} n WHERE n.token = ` + newToken + `
		UNION ALL
		SELECT n.token, n.kind, n.clause, h.depth + 1, h.counter
		FROM {counters} n
		JOIN {chains} h ON h.token = ? AND h.kind = n.kind AND h.clause = n.draws
		JOIN {counters} c ON c.id = h.counter
		WHERE n.token = ` + newToken + ` AND n.draws >= 0 AND c.max_uses >= 0`
)

// newRows returns an INSERT of rows that begin with newToken.
func newRows(into string, rows, columns int) string {
	row := "(" + newToken + strings.Repeat(", ?", columns-1) + ")"
	return into + " VALUES " + strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ")
}

func insertCounters(rows int) string {
	return newRows(`INSERT INTO {counters} (token, clause, kind, draws, max_uses)`, rows, 5)
}

// createToken returns the statements that store a token with its counters and its
// history; parent is nil for a root. The same transaction has written the parent's counter
// for no clause, as the steps do that revoke and erase. So either these statements see the
// tombstone that they obey, or the steps see the new token.
func createToken(parent *token, t *store.Token) []demand {
	var ancestors []store.TokenID
	var above int64
	if parent != nil {
		ancestors = append([]store.TokenID{parent.ID}, parent.Ancestors...)
		above = parent.row
	}
	id := t.ID[:]
	all := []demand{
		{text: insertToken, rows: 1, args: []any{
			id, t.Grant[:], t.Owner[:], joined(ancestors), t.Sum[:], t.Sum[:], []byte(t.Key), filled(t.About),
			len(t.Clauses), int64(t.Created), int64(t.Expires), eraseAt(t.Expires),
		}},
		{text: insertAncestors, rows: 1 + len(ancestors), args: []any{id, above, above, id}, after: true},
	}
	for some := range slices.Chunk(counterRows(id, t.Clauses), chunk) {
		all = append(all, demand{text: insertCounters(len(some)), args: slices.Concat(some...), rows: len(some), after: true})
	}
	all = append(all, demand{text: insertChains, args: []any{id, above, id}, rows: anyRows, after: true})
	var rows [][]any
	for _, e := range t.Events {
		if e.Name != "" {
			row := (&entry{event: e, clause: store.NoClause}).columns()
			row[0] = id
			rows = append(rows, row)
		}
	}
	for some := range slices.Chunk(rows, chunk) {
		text := newRows(`INSERT INTO {history} (`+historyColumns+`)`, len(some), historyWidth)
		all = append(all, demand{text: text, args: slices.Concat(some...), rows: len(some), after: true})
	}
	return all
}

// counterRows returns the counters of a token: one for no clause, and two for each
// clause.
func counterRows(id []byte, clauses []store.Clause) [][]any {
	rows := [][]any{{id, int64(store.NoClause), int64(store.UseUncounted), int64(store.NoClause), int64(store.Unlimited)}}
	for i, c := range clauses {
		rows = append(rows,
			[]any{id, int64(i), int64(store.UseAT), int64(c.Draws), int64(c.AT)},
			[]any{id, int64(i), int64(store.UseOther), int64(c.Draws), int64(c.Other)})
	}
	return rows
}
