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
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"sweep tokens", w.tokens},
		{"sweep tickets of dead tokens", w.deadTickets},
		{"sweep expired tickets", w.expiredTickets},
		{"sweep uses", w.uses},
		{"sweep refreshes", w.commits},
		{"sweep generations", w.generations},
	} {
		if err := s.step(ctx, part.name, func() error { return part.do(ctx) }); err != nil {
			return store.Cleaned{}, err
		}
	}
	return w.done, nil
}

// sweeper is one call of Sweep. It counts rows once they are deleted.
type sweeper struct {
	s *Store
	store.Cleaning
	done store.Cleaned
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

// expiredTickets erases the contents of tickets that have expired. It deletes tickets
// that expired more than a day ago.
func (w *sweeper) expiredTickets(ctx context.Context) error {
	type row struct {
		id    []byte
		old   bool
		empty bool
	}
	old := int64(w.Now) - rules.ExpiredTicketsKept.Microseconds()
	var found []row
	left := w.left(w.done.Tickets)
	err := w.s.each(ctx, w.s.db, func(r *sql.Rows) error {
		var n row
		var expires, size int64
		err := r.Scan(&n.id, &expires, &size)
		n.old, n.empty = expires < old, size == 0
		found = append(found, n)
		return err
	}, `
		SELECT ticket_id, expires, LENGTH(sealed_key) + LENGTH(payload) FROM {tickets}
		WHERE sweep_at < ? ORDER BY sweep_at LIMIT ?`, int64(w.Now), left+1)
	if err != nil {
		return err
	}
	var gone, erased blobs
	count := 0
	for _, n := range cut(w, found, left) {
		if n.old {
			gone = append(gone, n.id)
		} else {
			erased = append(erased, n.id)
		}
		if n.old || !n.empty {
			count++
		}
	}
	if len(gone)+len(erased) == 0 {
		return nil
	}
	err = w.s.write(ctx, func(tx runner) error { return w.eraseTickets(ctx, tx, gone, erased, old) })
	if err == nil {
		w.done.Tickets += count
	}
	return err
}

func (w *sweeper) eraseTickets(ctx context.Context, tx runner, gone, erased blobs, old int64) error {
	for some := range slices.Chunk(gone, chunk) {
		_, err := w.s.exec(ctx, tx, `DELETE FROM {tickets} WHERE ticket_id IN ? AND expires > 0 AND expires < ?`, some, old)
		if err != nil {
			return err
		}
	}
	for some := range slices.Chunk(erased, chunk) {
		_, err := w.s.exec(ctx, tx, `
			UPDATE {tickets} SET version = version + 1, sealed_key = ?, payload = ?, sweep_at = expires + ?
			WHERE ticket_id IN ? AND expires > 0 AND expires < ? AND sweep_at = expires`,
			[]byte{}, []byte{}, rules.ExpiredTicketsKept.Microseconds(), some, int64(w.Now))
		if err != nil {
			return err
		}
	}
	return nil
}

// deadTickets deletes the tickets of tokens below a recursive tombstone. Each tombstone
// records how far deadTickets has searched its descendants.
func (w *sweeper) deadTickets(ctx context.Context) error {
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
		if w.left(w.done.Tickets) == 0 {
			w.done.More = true
			return nil
		}
		if err := w.ticketsBelow(ctx, token, from); err != nil {
			return err
		}
	}
}

// ticketsBelow deletes the tickets of some descendants of a tombstone: the next ones
// after the key from.
func (w *sweeper) ticketsBelow(ctx context.Context, token, from int64) error {
	left := w.left(w.done.Tickets)
	below, err := w.s.readTokenKeys(ctx, w.s.db, `
		SELECT a.token, t.token_id FROM {ancestors} a JOIN {tokens} t ON t.id = a.token
		WHERE a.ancestor = ? AND a.token > ? ORDER BY a.token LIMIT ?`, token, from, int64(chunk))
	if err != nil {
		return err
	}
	var tickets blobs
	if len(below.keys) > 0 {
		tickets, err = column[[]byte](ctx, w.s, w.s.db, `SELECT ticket_id FROM {tickets} WHERE token_id IN ? LIMIT ?`, below.public, left+1)
		if err != nil {
			return err
		}
	}
	some := cut(w, tickets, left)
	deleted := int64(0)
	err = w.s.write(ctx, func(tx runner) (err error) {
		if len(some) > 0 {
			deleted, err = w.s.exec(ctx, tx, `DELETE FROM {tickets} WHERE ticket_id IN ? AND token_id IN ?`, some, below.public)
			if err != nil {
				return err
			}
		}
		if len(some) < len(tickets) {
			return nil // the same descendants again
		}
		var next any // NULL: all were searched
		if len(below.keys) == chunk {
			next = below.keys[chunk-1]
		}
		return w.s.must(ctx, tx, 1, `UPDATE {tombstones} SET unswept = ? WHERE token = ? AND unswept = ?`, next, token, from)
	})
	if err == nil {
		w.done.Tickets += int(deleted)
	}
	return err
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
		either := strings.TrimSuffix(strings.Repeat("("+key+") OR ", len(some)), " OR ")
		return w.s.exec(ctx, tx, del+either, slices.Concat(some...)...)
	})
}
