package sqlstore

import (
	"context"
	"database/sql"
	"math"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// What a token still opens are its wrapped keys and the successors of its generations.
// They are erased when the token is revoked or expires; see the contract.

// eraseAt returns when Sweep erases what a token opens that expires then, or NULL for
// never.
func eraseAt(expires store.Micros) any {
	if expires == 0 {
		return nil
	}
	return int64(expires)
}

// eraseKeys erases what tokens open.
func (s *Store) eraseKeys(ctx context.Context, tx runner, tokens ids) error {
	if len(tokens) == 0 {
		return nil
	}
	_, err := s.exec(ctx, tx, `UPDATE {tokens} SET sealed_key = ?, erase_at = NULL WHERE id IN ?`, []byte{}, tokens)
	if err != nil {
		return err
	}
	// A rotation writes the row of the token first.
	_, err = s.exec(ctx, tx, `DELETE FROM {generations} WHERE token IN ?`, tokens)
	return err
}

// eraseGenerations returns the statement that erases what the generations before a
// confirmed one open. Their rows stay, to tell an old generation from a forged one.
func eraseGenerations(c confirmation) demand {
	empty := []byte{}
	return demand{
		text: `UPDATE {generations} SET sealed_key = ?, successor = ? WHERE token = ? AND seq < ?`,
		args: []any{empty, empty, c.token, int64(c.seq)}, rows: anyRows,
	}
}

// erasedTogether is the most tokens whose keys one transaction erases.
const erasedTogether = 512

// eraseDescendants erases what the descendants of a recursive tombstone open, and deletes
// their tickets, some in each transaction. If somebody else does so at the same time, the
// two share the work.
func (s *Store) eraseDescendants(ctx context.Context, token int64) error {
	for all := false; !all; {
		err := s.step(ctx, "erase the keys of descendants", func() error {
			from, err := column[int64](ctx, s, s.db, `SELECT unswept FROM {tombstones} WHERE token = ? AND unswept >= 0`, token)
			if all = err == nil && len(from) == 0; err != nil || all {
				return err
			}
			done, err := s.eraseBelow(ctx, token, from[0], erasure{tokens: erasedTogether, tickets: math.MaxInt32})
			all = err == nil && done.all
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// erasure counts tokens whose keys are erased, and deleted tickets.
type erasure struct {
	tokens, tickets int64
	all             bool // nothing is left below the tombstone
}

// descendants are some tokens at or below a tombstone, in the order of their keys.
type descendants struct {
	tokenKeys
	counters ids  // for no clause
	sealed   ids  // those that still open something
	rest     bool // there may be more
	tickets  blobs
}

// eraseBelow erases what the next descendants of a tombstone after the key from open, and
// deletes their tickets. It erases no more than most.
func (s *Store) eraseBelow(ctx context.Context, token, from int64, most erasure) (erasure, error) {
	d, err := s.readBelow(ctx, token, from, most)
	if err != nil {
		return erasure{}, err
	}
	some := d.tickets[:min(int64(len(d.tickets)), most.tickets)]
	done := erasure{tokens: int64(len(d.sealed))}
	err = s.write(ctx, func(tx runner) error {
		if err := s.lockBelow(ctx, tx, token, from, d); err != nil {
			return err
		}
		if err := s.eraseKeys(ctx, tx, d.sealed); err != nil {
			return err
		}
		done.tickets = 0
		for part := range slices.Chunk(some, chunk) {
			n, err := s.exec(ctx, tx, `DELETE FROM {tickets} WHERE ticket_id IN ? AND token_id IN ?`, part, d.public)
			if err != nil {
				return err
			}
			done.tickets += n
		}
		if len(some) < len(d.tickets) {
			return nil // the same descendants again
		}
		done.all = !d.rest
		return s.must(ctx, tx, 1, `UPDATE {tombstones} SET unswept = ? WHERE token = ? AND unswept = ?`, d.next(), token, from)
	})
	if err != nil {
		return erasure{}, err
	}
	return done, nil
}

// readBelow reads the next descendants, and one ticket more than may be deleted.
func (s *Store) readBelow(ctx context.Context, token, from int64, most erasure) (*descendants, error) {
	d := new(descendants)
	limit := min(erasedTogether, most.tokens)
	err := s.each(ctx, s.db, func(r *sql.Rows) error {
		var key, counter int64
		var public []byte
		var sealed bool
		err := r.Scan(&key, &public, &sealed, &counter)
		d.keys, d.public, d.counters = append(d.keys, key), append(d.public, public), append(d.counters, counter)
		if sealed && key != token { // which Revoke erases itself
			d.sealed = append(d.sealed, key)
		}
		return err
	}, `
		SELECT a.token, t.token_id, CASE WHEN LENGTH(t.sealed_key) > 0 THEN 1 ELSE 0 END, c.id
		FROM (SELECT token FROM {ancestors} WHERE ancestor = ? AND token > ? ORDER BY token LIMIT ?) a
		JOIN {tokens} t ON t.id = a.token
		JOIN {counters} c ON c.token = t.id AND c.clause = ? AND c.kind = ?
		ORDER BY a.token`,
		token, from, limit, int64(store.NoClause), int64(store.UseUncounted))
	if err != nil || len(d.keys) == 0 {
		return d, err
	}
	d.rest = int64(len(d.keys)) == limit
	d.tickets, err = column[[]byte](ctx, s, s.db, `SELECT ticket_id FROM {tickets} WHERE token_id IN ? LIMIT ?`, d.public, most.tickets+1)
	return d, err
}

// next returns up to which key the descendants are erased, or NULL for all.
func (d *descendants) next() any {
	if !d.rest {
		return nil
	}
	return d.keys[len(d.keys)-1]
}

// lockBelow waits for steps that add a token below one of the descendants, and keeps
// others out. It returns errChanged if such a step has added one among them.
func (s *Store) lockBelow(ctx context.Context, tx runner, token, from int64, d *descendants) error {
	if len(d.keys) == 0 {
		return nil
	}
	if err := s.must(ctx, tx, len(d.counters), s.engine.touch(), unique(d.counters)); err != nil {
		return err
	}
	last := int64(math.MaxInt64)
	if d.rest {
		last = d.keys[len(d.keys)-1]
	}
	return s.demand(ctx, tx, demand{
		text: `SELECT COUNT(*) = ? FROM {ancestors} WHERE ancestor = ? AND token > ? AND token <= ?`,
		args: []any{int64(len(d.keys)), token, from, last}, rows: 1, query: true,
	})
}
