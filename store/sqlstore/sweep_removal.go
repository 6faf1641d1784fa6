package sqlstore

import (
	"context"
	"database/sql"
	"slices"
)

// removal says which tokens to delete and which to bury.
type removal struct {
	gone   tokenKeys // deleted, including buried ancestors that nothing needs any more
	bury   ids
	grants blobs // those of the deleted tokens
	tokens int   // how many of gone were not buried before
}

// remove deletes or buries tokens and reports whether there were any.
func (w *sweeper) remove(ctx context.Context, due ids) (bool, error) {
	plan, err := w.plan(ctx, due)
	if err != nil || len(plan.gone.keys)+len(plan.bury) == 0 {
		return false, err
	}
	if done, err := w.linksOf(ctx, plan.gone.public); err != nil || !done {
		return false, err
	}
	grants := 0
	err = w.s.writeWith(ctx, w.s.engine.deletion(), func(tx runner) (err error) {
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

// plan decides which of the tokens, and which of their buried ancestors, can be deleted.
// A token that stays keeps all of its ancestors.
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

// needed returns the tokens that have a descendant outside the list.
func (w *sweeper) needed(ctx context.Context, on runner, tokens ids) (ids, error) {
	return column[int64](ctx, w.s, on, `
		SELECT t.id FROM {tokens} t WHERE t.id IN ? AND EXISTS (
			SELECT 1 FROM {ancestors} a WHERE a.ancestor = t.id AND a.depth > 0 AND NOT (a.token IN ?))`, tokens, tokens)
}

// apply deletes and buries tokens. It returns how many grants it deleted with their last
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
	if err := w.s.lock(ctx, tx, "tokens", "id", "id", p.bury); err != nil {
		return 0, err
	}
	empty := []byte{}
	for _, statement := range []struct {
		text string
		args []any
	}{
		{`UPDATE {tokens} SET buried = 1, expires = 0, erase_at = NULL, sealed_key = ?, about = ? WHERE id IN ?`, []any{empty, empty, p.bury}},
		{`DELETE FROM {generations} WHERE token IN ?`, []any{p.bury}},
		{`DELETE FROM {tombstones} WHERE token IN ? AND recursive_at = 0`, []any{p.bury}},
		{`UPDATE {tombstones} SET sweep_at = recursive_at WHERE token IN ?`, []any{p.bury}},
	} {
		if _, err := w.s.exec(ctx, tx, statement.text, statement.args...); err != nil {
			return 0, err
		}
	}
	return grants, w.lateEvents(ctx, tx, p.bury)
}

// lateEvents deletes the events that uses have added since the histories were deleted.
func (w *sweeper) lateEvents(ctx context.Context, tx runner, tokens ids) error {
	return w.eraseEvents(ctx, tx, `token IN ? AND named = 1`, tokens)
}

// delete deletes tokens, and grants that have no token left. It writes the rows of the
// grants, so that removals in one grant run one after the other and the last one sees
// that nothing is left. It deletes the counters first. A step that adds a token below a
// deleted one writes one of these counters: either it fails, or delete sees the new
// token.
func (w *sweeper) delete(ctx context.Context, tx runner, p *removal) (int, error) {
	if err := w.s.lock(ctx, tx, "grants", "grant_id", "grant_id", p.grants); err != nil {
		return 0, err
	}
	if err := w.s.must(ctx, tx, len(p.grants), `UPDATE {grants} SET version = version + 1 WHERE grant_id IN ?`, p.grants); err != nil {
		return 0, err
	}
	if err := w.s.deleteCountersOf(ctx, tx, p.gone.keys); err != nil {
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
	if err := w.s.deleteLinksOf(ctx, tx, p.gone.public); err != nil { // those that were made meanwhile
		return 0, err
	}
	if err := w.lateEvents(ctx, tx, p.gone.keys); err != nil {
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
