package sqlstore

import (
	"context"
	"database/sql"
)

// Sweep deletes the history of a token first, then its tickets, then the token. A token
// with descendants that stay is buried: it keeps its row but loses its secrets, and no
// step finds it any more. Its counters, its tombstone and its links still apply to the
// descendants. Sweep deletes a buried token together with the last of its descendants.

// tokens deletes tokens whose retention is over.
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
		some, err := w.s.readTokenKeys(ctx, w.s.db, `SELECT id, token_id FROM {tokens} WHERE id IN ? ORDER BY id`, due)
		if err != nil {
			return err
		}
		if len(some.keys) == 0 {
			return errChanged // somebody else is sweeping
		}
		for _, strip := range []func(context.Context, tokenKeys) (bool, error){w.histories, w.tickets} {
			if done, err := strip(ctx, some); err != nil || !done {
				return err
			}
		}
		if removed, err := w.remove(ctx, due); err != nil || !removed {
			return err
		}
	}
}

// due finds tokens to delete. From a revoked tree it takes the youngest tokens first.
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

// histories deletes the events of tokens and reports whether none is left. Identities of
// uses stay for their own time.
func (w *sweeper) histories(ctx context.Context, d tokenKeys) (bool, error) {
	left := w.left(w.done.Events)
	events, err := column[int64](ctx, w.s, w.s.db, `SELECT id FROM {history} WHERE token IN ? AND named = 1 LIMIT ?`, d.keys, left+1)
	if err != nil {
		return false, err
	}
	some := cut(w, events, left)
	err = deleteRows(ctx, w, &w.done.Events, some, func(tx runner, part []int64) (int64, error) {
		return int64(len(part)), w.eraseEvents(ctx, tx, `id IN ?`, part)
	})
	return len(some) == len(events), err
}

// eraseEvents deletes the events that a condition on keys finds. Of a use, only the event
// goes.
func (w *sweeper) eraseEvents(ctx context.Context, tx runner, where string, keys ids) error {
	if _, err := w.s.exec(ctx, tx, `DELETE FROM {history} WHERE used_at IS NULL AND `+where, keys); err != nil {
		return err
	}
	empty := []byte{}
	_, err := w.s.exec(ctx, tx, `
		UPDATE {history} SET named = 0, event_time = 0, name = ?, comment = ?, address = ?, user_agent = ?
		WHERE `+where, empty, empty, empty, empty, keys)
	return err
}

// tickets deletes the tickets of tokens and reports whether none is left.
func (w *sweeper) tickets(ctx context.Context, d tokenKeys) (bool, error) {
	left := w.left(w.done.Tickets)
	tickets, err := column[[]byte](ctx, w.s, w.s.db, `SELECT ticket_id FROM {tickets} WHERE token_id IN ? LIMIT ?`, d.public, left+1)
	if err != nil {
		return false, err
	}
	some := cut(w, tickets, left)
	err = deleteRows(ctx, w, &w.done.Tickets, some, func(tx runner, part [][]byte) (int64, error) {
		return w.s.exec(ctx, tx, `DELETE FROM {tickets} WHERE ticket_id IN ? AND token_id IN ?`, part, d.public)
	})
	return len(some) == len(tickets), err
}
