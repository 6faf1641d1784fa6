package sqlstore

import (
	"context"
	"database/sql"
	"slices"
)

// How tokens go: the history first, then the tickets, then the token. Whose
// descendants are not all going with it is buried: erased, not found by
// anything, and kept because its counters and its tombstone bind them. A buried
// token goes with the last of its descendants.

// tokens deletes tokens that were revoked or expired long enough ago.
func (w *sweeper) tokens(ctx context.Context) error {
	for {
		left := min(w.left(w.done.Tokens), chunk)
		due, err := w.due(ctx, left+1)
		if err != nil || len(due) == 0 {
			return err
		}
		if left == 0 {
			w.done.More = true
			return nil
		}
		due = due[max(0, int64(len(due))-left):]
		some, err := w.s.readDoomed(ctx, w.s.db, `SELECT id, token_id FROM {tokens} WHERE id IN ? ORDER BY id`, due)
		if err != nil {
			return err
		}
		if len(some.keys) == 0 {
			return errChanged // somebody else is sweeping
		}
		for _, strip := range []func(context.Context, doomed) (bool, error){w.histories, w.tickets} {
			if done, err := strip(ctx, some); err != nil || !done {
				return err
			}
		}
		if removed, err := w.remove(ctx, due); err != nil || !removed {
			return err
		}
	}
}

// due finds tokens that are to be deleted, the youngest descendants of a dead
// token first.
func (w *sweeper) due(ctx context.Context, limit int64) (ids, error) {
	before := int64(w.Now) - w.Retention.Microseconds()
	found, err := column[int64](ctx, w.s, w.s.db,
		`SELECT id FROM {tokens} WHERE expires > 0 AND expires < ? ORDER BY expires, id LIMIT ?`, before, limit)
	if err != nil || int64(len(found)) == limit {
		return found, err
	}
	type grave struct{ token, recursive int64 }
	var graves []grave
	err = w.s.each(ctx, w.s.db, func(r *sql.Rows) error {
		var g grave
		err := r.Scan(&g.token, &g.recursive)
		graves = append(graves, g)
		return err
	}, `SELECT token, recursive_at FROM {tombstones} WHERE sweep_at < ? ORDER BY sweep_at, token LIMIT ?`, before, limit)
	if err != nil {
		return nil, err
	}
	all := ids(found)
	for _, g := range graves {
		if int64(len(all)) >= limit {
			break
		}
		if g.recursive == 0 || g.recursive >= before {
			all = append(all, g.token)
			continue
		}
		below, err := column[int64](ctx, w.s, w.s.db,
			`SELECT token FROM {ancestors} WHERE ancestor = ? ORDER BY token DESC LIMIT ?`, g.token, limit-int64(len(all)))
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return unique(all), nil
}

// histories deletes events. Identities of uses stay until it is their time. It
// reports whether none is left.
func (w *sweeper) histories(ctx context.Context, d doomed) (bool, error) {
	left := w.left(w.done.Events)
	events, err := column[int64](ctx, w.s, w.s.db, `SELECT id FROM {history} WHERE token IN ? AND named = 1 LIMIT ?`, d.keys, left+1)
	if err != nil || len(events) == 0 {
		return err == nil, err
	}
	some := cut(w, events, left)
	empty := []byte{}
	err = w.s.write(ctx, func(tx runner) error {
		for part := range slices.Chunk(ids(some), chunk) {
			if _, err := w.s.exec(ctx, tx, `DELETE FROM {history} WHERE id IN ? AND used_at IS NULL`, part); err != nil {
				return err
			}
			_, err := w.s.exec(ctx, tx, `
				UPDATE {history} SET named = 0, event_time = 0, name = ?, comment = ?, address = ?, user_agent = ?
				WHERE id IN ?`, empty, empty, empty, empty, part)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.done.Events += len(some)
	}
	return len(some) == len(events), err
}

// tickets deletes the tickets of tokens, and reports whether none is left.
func (w *sweeper) tickets(ctx context.Context, d doomed) (bool, error) {
	left := w.left(w.done.Tickets)
	tickets, err := column[[]byte](ctx, w.s, w.s.db, `SELECT ticket_id FROM {tickets} WHERE token_id IN ? LIMIT ?`, d.public, left+1)
	if err != nil || len(tickets) == 0 {
		return err == nil, err
	}
	some := cut(w, tickets, left)
	deleted := int64(0)
	err = w.s.write(ctx, func(tx runner) (err error) {
		for part := range slices.Chunk(blobs(some), chunk) {
			n, err := w.s.exec(ctx, tx, `DELETE FROM {tickets} WHERE ticket_id IN ? AND token_id IN ?`, part, d.public)
			if err != nil {
				return err
			}
			deleted += n
		}
		return nil
	})
	if err == nil {
		w.done.Tickets += int(deleted)
	}
	return len(some) == len(tickets), err
}

// removal is what becomes of a batch of tokens.
type removal struct {
	gone   doomed // deleted, with buried ancestors that nothing needs any more
	bury   ids
	grants blobs
	tokens int // how many of gone were not buried before
}

// remove deletes or buries tokens. It reports whether there was any.
func (w *sweeper) remove(ctx context.Context, due ids) (bool, error) {
	plan, err := w.plan(ctx, due)
	if err != nil || len(plan.gone.keys)+len(plan.bury) == 0 {
		return false, err
	}
	grants := 0
	err = w.s.write(ctx, func(tx runner) (err error) {
		grants, err = w.apply(ctx, tx, plan)
		return err
	})
	if err != nil {
		return false, err
	}
	w.done.Tokens += plan.tokens + len(plan.bury)
	w.done.Others += len(plan.gone.keys) - plan.tokens
	w.done.Grants += grants
	return true, nil
}

// plan decides which of the tokens can be deleted, together with which buried
// ancestors. Those are asked for, too: what keeps one of them, keeps all that
// are above it.
func (w *sweeper) plan(ctx context.Context, due ids) (*removal, error) {
	above, err := column[int64](ctx, w.s, w.s.db, `
		SELECT DISTINCT t.id FROM {ancestors} a JOIN {tokens} t ON t.id = a.ancestor
		WHERE a.token IN ? AND t.buried = 1`, due)
	if err != nil {
		return nil, err
	}
	all := unique(slices.Concat(due, above))
	needed, err := w.needed(ctx, w.s.db, all)
	if err != nil {
		return nil, err
	}
	p := new(removal)
	err = w.s.each(ctx, w.s.db, func(r *sql.Rows) error {
		var key int64
		var public, grant []byte
		var buried bool
		if err := r.Scan(&key, &public, &grant, &buried); err != nil {
			return err
		}
		switch {
		case !slices.Contains(needed, key):
			p.gone.keys, p.gone.public = append(p.gone.keys, key), append(p.gone.public, public)
			p.grants = append(p.grants, grant)
			if !buried {
				p.tokens++
			}
		case !buried && slices.Contains(due, key):
			p.bury = append(p.bury, key)
		}
		return nil
	}, `SELECT id, token_id, grant_id, buried FROM {tokens} WHERE id IN ?`, all)
	slices.SortFunc(p.grants, slices.Compare)
	p.grants = slices.CompactFunc(p.grants, slices.Equal)
	return p, err
}

// needed returns those of the tokens that have a descendant which is not among
// them.
func (w *sweeper) needed(ctx context.Context, on runner, tokens ids) (ids, error) {
	return column[int64](ctx, w.s, on, `
		SELECT t.id FROM {tokens} t WHERE t.id IN ? AND EXISTS (
			SELECT 1 FROM {ancestors} a WHERE a.ancestor = t.id AND a.depth > 0 AND NOT (a.token IN ?))`, tokens, tokens)
}

// apply deletes and buries. It returns how many grants went with their last
// token.
func (w *sweeper) apply(ctx context.Context, tx runner, p *removal) (int, error) {
	grants := 0
	if len(p.gone.keys) > 0 {
		var err error
		if grants, err = w.delete(ctx, tx, p); err != nil {
			return 0, err
		}
	}
	if len(p.bury) == 0 {
		return grants, nil
	}
	empty := []byte{}
	for _, statement := range []struct {
		text string
		args []any
	}{
		{`UPDATE {tokens} SET buried = 1, expires = 0, sealed_key = ?, about = ? WHERE id IN ?`, []any{empty, empty, p.bury}},
		{`DELETE FROM {generations} WHERE token IN ?`, []any{p.bury}},
		{`DELETE FROM {tombstones} WHERE token IN ? AND recursive_at = 0`, []any{p.bury}},
		{`UPDATE {tombstones} SET sweep_at = recursive_at WHERE token IN ?`, []any{p.bury}},
	} {
		if _, err := w.s.exec(ctx, tx, statement.text, statement.args...); err != nil {
			return 0, err
		}
	}
	return grants, nil
}

// delete deletes tokens, and grants that have none left. Writing the grants
// makes removals in one grant follow each other, so that the last one sees
// that nothing is left. Who adds a token below a deleted one writes one of its
// counters, which are deleted first; who was earlier is seen afterwards.
func (w *sweeper) delete(ctx context.Context, tx runner, p *removal) (int, error) {
	if err := w.s.must(ctx, tx, len(p.grants), `UPDATE {grants} SET version = version + 1 WHERE grant_id IN ?`, p.grants); err != nil {
		return 0, err
	}
	if _, err := w.s.exec(ctx, tx, `DELETE FROM {counters} WHERE token IN ?`, p.gone.keys); err != nil {
		return 0, err
	}
	needed, err := w.needed(ctx, tx, p.gone.keys)
	if err != nil {
		return 0, err
	}
	if len(needed) > 0 {
		return 0, errChanged
	}
	if err := w.s.deleteTokens(ctx, tx, p.gone); err != nil {
		return 0, err
	}
	used, err := column[[]byte](ctx, w.s, tx, `SELECT DISTINCT grant_id FROM {tokens} WHERE grant_id IN ?`, p.grants)
	if err != nil {
		return 0, err
	}
	unused := slices.DeleteFunc(slices.Clone(p.grants), func(g []byte) bool {
		return slices.ContainsFunc(used, func(u []byte) bool { return slices.Equal(g, u) })
	})
	if len(unused) == 0 {
		return 0, nil
	}
	if err := w.s.must(ctx, tx, len(unused), `DELETE FROM {grants} WHERE grant_id IN ?`, blobs(unused)); err != nil {
		return 0, err
	}
	return len(unused), w.s.deleteGrantRows(ctx, tx, unused)
}
