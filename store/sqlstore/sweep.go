package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Sweep implements [store.Records]. It runs several short transactions, each a step of
// its own, so that other steps need not wait long. If it returns an error, the earlier
// transactions have taken effect.
func (s *Store) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	if err := c.Check(); err != nil {
		return store.Cleaned{}, err
	}
	w := &sweeper{s: s, Cleaning: c}
	for i, part := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"erase expired tickets", w.expiredTickets}, // what secrets still open goes first
		{"put erasures off", w.putOff},
		{"erase keys", w.keys},
		{"sweep generations", w.generations},
		{"erase below tombstones", w.below},
		{"sweep tokens", w.tokens},
		{"sweep links", w.strayLinks},
		{"sweep tickets", w.oldTickets},
		{"sweep uses", w.uses},
		{"sweep refreshes", w.commits},
		{"sweep processes", w.processes},
	} {
		err := s.step(ctx, part.name, func() error { return part.do(ctx) })
		if err != nil && i > 0 {
			err = inDoubt(err) // earlier parts have taken effect
		}
		if err != nil {
			return store.Cleaned{}, err
		}
	}
	w.done.Others += w.keysErased
	return w.done, nil
}

// sweeper is one call of Sweep. It counts rows once they are deleted.
type sweeper struct {
	s *Store
	store.Cleaning
	done       store.Cleaned
	keysErased int // of tokens
	links      int // deleted, or found to be needed
}

// left returns how many rows of a table may still be deleted.
func (w *sweeper) left(done int) int64 { return int64(w.Limit - done) }

// cut shortens a list to left entries. The caller reads one entry more than that, so that
// cut knows whether more is left to delete.
func cut[T any](w *sweeper, list []T, left int64) []T {
	if int64(len(list)) > left {
		w.done.More = true
		return list[:left]
	}
	return list
}

// deleteRows calls some for all rows, a chunk at a time in one transaction, and adds the
// number of deleted rows to count.
func deleteRows[T any](ctx context.Context, w *sweeper, count *int, rows []T, some func(tx runner, rows []T) (int64, error)) error {
	if len(rows) == 0 {
		return nil
	}
	deleted := int64(0)
	err := w.s.write(ctx, func(tx runner) error {
		for part := range slices.Chunk(rows, chunk) {
			n, err := some(tx, part)
			if err != nil {
				return err
			}
			deleted += n
		}
		return nil
	})
	if err == nil {
		*count += int(deleted)
	}
	return err
}

// expiredTickets erases the contents of tickets that have expired.
func (w *sweeper) expiredTickets(ctx context.Context) error {
	left := w.left(w.done.Tickets)
	all, err := column[[]byte](ctx, w.s, w.s.db,
		`SELECT ticket_id FROM {tickets} WHERE sweep_at > 0 AND sweep_at < ? ORDER BY sweep_at LIMIT ?`, int64(w.Now), left+1)
	if err != nil {
		return err
	}
	return deleteRows(ctx, w, &w.done.Tickets, cut(w, all, left), func(tx runner, some [][]byte) (int64, error) {
		return w.s.exec(ctx, tx, `
			UPDATE {tickets} SET version = version + 1, sealed_key = ?, payload = ?, sweep_at = 0 - expires - ?
			WHERE ticket_id IN ? AND sweep_at > 0 AND sweep_at < ?`,
			[]byte{}, []byte{}, rules.ExpiredTicketsKept.Microseconds(), some, int64(w.Now))
	})
}

// oldTickets deletes tickets that expired more than a day ago.
func (w *sweeper) oldTickets(ctx context.Context) error {
	left := w.left(w.done.Tickets)
	all, err := column[[]byte](ctx, w.s, w.s.db,
		`SELECT ticket_id FROM {tickets} WHERE sweep_at < 0 AND sweep_at > ? ORDER BY sweep_at DESC LIMIT ?`, -int64(w.Now), left+1)
	if err != nil {
		return err
	}
	return deleteRows(ctx, w, &w.done.Tickets, cut(w, all, left), func(tx runner, some [][]byte) (int64, error) {
		return w.s.exec(ctx, tx, `DELETE FROM {tickets} WHERE ticket_id IN ? AND sweep_at < 0 AND sweep_at > ?`, some, -int64(w.Now))
	})
}

// putOff mends erase_at of live tokens whose expiry a process of an earlier version has
// put off: it does not know that column.
func (w *sweeper) putOff(ctx context.Context) error {
	const early = `erase_at < ? AND (expires = 0 OR expires >= ?)`
	now := int64(w.Now)
	all, err := column[int64](ctx, w.s, w.s.db, `SELECT id FROM {tokens} WHERE `+early+` ORDER BY erase_at LIMIT ?`, now, now, int64(w.Limit))
	if err != nil {
		return err
	}
	mended := 0
	return deleteRows(ctx, w, &mended, unique(all), func(tx runner, some []int64) (int64, error) {
		revoked, err := column[int64](ctx, w.s, tx, `SELECT token FROM {tombstones} WHERE token IN ?`, ids(some))
		if err != nil {
			return 0, err
		}
		live := slices.DeleteFunc(slices.Clone(some), func(id int64) bool { return slices.Contains(revoked, id) })
		if len(live) == 0 {
			return 0, nil
		}
		return w.s.exec(ctx, tx, `UPDATE {tokens} SET erase_at = CASE WHEN expires > 0 THEN expires END WHERE id IN ? AND `+early, ids(live), now, now)
	})
}

// keys erases what expired tokens open, and the keys that Revoke has kept too long.
func (w *sweeper) keys(ctx context.Context) error {
	left := w.left(w.keysErased)
	all, err := column[int64](ctx, w.s, w.s.db, `SELECT id FROM {tokens} WHERE erase_at < ? ORDER BY erase_at LIMIT ?`, int64(w.Now), left+1)
	if err != nil {
		return err
	}
	due := unique(cut(w, all, left))
	return deleteRows(ctx, w, &w.keysErased, due, func(tx runner, some []int64) (int64, error) {
		// A rotation may have put the expiry off.
		err := w.s.must(ctx, tx, len(some), `UPDATE {tokens} SET erase_at = NULL WHERE id IN ? AND erase_at < ?`, some, int64(w.Now))
		if err != nil {
			return 0, err
		}
		return int64(len(some)), w.s.eraseKeys(ctx, tx, some)
	})
}

// below erases what tokens below a recursive tombstone open, and deletes their tickets.
// Each tombstone records how far its descendants are erased.
func (w *sweeper) below(ctx context.Context) error {
	var token, from int64
	for {
		found := false
		err := w.s.each(ctx, w.s.db, func(r *sql.Rows) error {
			found = true
			return r.Scan(&token, &from)
		}, `SELECT token, unswept FROM {tombstones} WHERE unswept >= 0 ORDER BY unswept, token LIMIT 1`)
		if err != nil || !found {
			return err
		}
		most := erasure{tokens: w.left(w.keysErased), tickets: w.left(w.done.Tickets)}
		if most.tokens == 0 || most.tickets == 0 {
			w.done.More = true
			return nil
		}
		done, err := w.s.eraseBelow(ctx, token, from, most)
		if err != nil {
			return err
		}
		w.keysErased += int(done.tokens)
		w.done.Tickets += int(done.tickets)
	}
}

// uses forgets old identities of uses. If a row is also an event, the event stays.
func (w *sweeper) uses(ctx context.Context) error {
	old := int64(w.Now) - store.Remembered.Microseconds()
	left := int64(w.Limit)
	all, err := column[int64](ctx, w.s, w.s.db, `SELECT id FROM {history} WHERE used_at < ? ORDER BY used_at LIMIT ?`, old, left+1)
	if err != nil {
		return err
	}
	return deleteRows(ctx, w, &w.done.Uses, cut(w, all, left), func(tx runner, some []int64) (int64, error) {
		if _, err := w.s.exec(ctx, tx, `DELETE FROM {history} WHERE id IN ? AND named = 0 AND used_at < ?`, some, old); err != nil {
			return 0, err
		}
		_, err := w.s.exec(ctx, tx, `
			UPDATE {history} SET use_id = NULL, child_id = NULL, used_at = NULL WHERE id IN ? AND used_at < ?`, some, old)
		return int64(len(some)), err
	})
}

// commits forgets which refresh tokens were committed long ago.
func (w *sweeper) commits(ctx context.Context) error {
	old := int64(w.Now) - store.Remembered.Microseconds()
	return w.deleteKeys(ctx, &w.done.Uses,
		`SELECT grant_id, lease_id, digest FROM {commits} WHERE committed < ? ORDER BY committed LIMIT ?`, old,
		`DELETE FROM {commits} WHERE `, `grant_id = ? AND lease_id = ? AND digest = ?`)
}

// generations deletes outdated generations whose grace has ended.
func (w *sweeper) generations(ctx context.Context) error {
	return w.deleteKeys(ctx, &w.done.Others,
		`SELECT token, seq FROM {generations} WHERE grace_until < ? ORDER BY grace_until LIMIT ?`, int64(w.Now),
		`DELETE FROM {generations} WHERE `, `token = ? AND seq = ?`)
}

// deleteKeys deletes rows whose key has several columns.
func (w *sweeper) deleteKeys(ctx context.Context, count *int, query string, before int64, del, key string) error {
	left := int64(w.Limit)
	var keys [][]any
	err := w.s.each(ctx, w.s.db, func(r *sql.Rows) error {
		k := make([]any, strings.Count(key, "?"))
		into := make([]any, len(k))
		for i := range k {
			into[i] = &k[i]
		}
		err := r.Scan(into...)
		keys = append(keys, k)
		return err
	}, query, before, left+1)
	if err != nil {
		return err
	}
	return deleteRows(ctx, w, count, cut(w, keys, left), func(tx runner, some [][]any) (int64, error) {
		return w.s.exec(ctx, tx, del+either(key, len(some)), slices.Concat(some...)...)
	})
}
