package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// A link is made with the instant at which Sweep may look for its token. If Sweep finds the
// token, buried or not, it does not look again: from then on the link goes with the token.

// linkRow is the key of a link.
type linkRow struct{ item, token []byte }

func (w *sweeper) readLinks(ctx context.Context, where string, args ...any) ([]linkRow, error) {
	var rows []linkRow
	err := w.s.each(ctx, w.s.db, func(r *sql.Rows) error {
		var l linkRow
		err := r.Scan(&l.item, &l.token)
		rows = append(rows, l)
		return err
	}, `SELECT item_id, token_id FROM {links} WHERE `+where+` LIMIT ?`, args...)
	return rows, err
}

// strayLinks deletes links whose tokens were not created in time.
func (w *sweeper) strayLinks(ctx context.Context) error {
	old := int64(w.Now) - store.Remembered.Microseconds()
	left := w.left(w.links)
	all, err := w.readLinks(ctx, `sweep_at < ? ORDER BY sweep_at`, old, left+1)
	if err != nil {
		return err
	}
	due := cut(w, all, left)
	err = deleteRows(ctx, w, &w.done.Others, due, func(tx runner, some []linkRow) (int64, error) {
		tokens := make(blobs, len(some))
		for i := range some {
			tokens[i] = some[i].token
		}
		stored, err := column[[]byte](ctx, w.s, tx, `SELECT token_id FROM {tokens} WHERE token_id IN ?`, sorted(tokens))
		if err != nil {
			return 0, err
		}
		found := make(map[string]bool, len(stored))
		for _, id := range stored {
			found[string(id)] = true
		}
		var keep, stray []any
		for _, l := range some {
			if found[string(l.token)] {
				keep = append(keep, l.item, l.token)
			} else {
				stray = append(stray, l.item, l.token)
			}
		}
		if len(keep) > 0 {
			_, err := w.s.exec(ctx, tx, `UPDATE {links} SET sweep_at = NULL WHERE sweep_at < ? AND (`+either(linkOf, len(keep)/2)+`)`,
				append([]any{old}, keep...)...)
			if err != nil {
				return 0, err
			}
		}
		if len(stray) == 0 {
			return 0, nil
		}
		return w.s.exec(ctx, tx, `DELETE FROM {links} WHERE sweep_at < ? AND (`+either(linkOf, len(stray)/2)+`)`, append([]any{old}, stray...)...)
	})
	if err == nil {
		w.links += len(due)
	}
	return err
}

// linksOf deletes the links of tokens and reports whether none is left.
func (w *sweeper) linksOf(ctx context.Context, tokens blobs) (bool, error) {
	if len(tokens) == 0 {
		return true, nil
	}
	left := w.left(w.links)
	all, err := w.readLinks(ctx, `token_id IN ?`, tokens, left+1)
	if err != nil {
		return false, err
	}
	some := cut(w, all, left)
	deleted := 0
	err = deleteRows(ctx, w, &deleted, some, func(tx runner, part []linkRow) (int64, error) {
		var keys []any
		for _, l := range part {
			keys = append(keys, l.item, l.token)
		}
		return w.s.exec(ctx, tx, `DELETE FROM {links} WHERE `+either(linkOf, len(part)), keys...)
	})
	w.links, w.done.Others = w.links+deleted, w.done.Others+deleted
	return len(some) == len(all), err
}

// deleteLinksOf deletes the links of tokens.
func (s *Store) deleteLinksOf(ctx context.Context, tx runner, tokens blobs) error {
	for some := range slices.Chunk(tokens, chunk) {
		if _, err := s.exec(ctx, tx, `DELETE FROM {links} WHERE token_id IN ?`, some); err != nil {
			return err
		}
	}
	return nil
}
