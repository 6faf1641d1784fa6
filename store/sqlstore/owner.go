package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// DeleteOwner implements [store.Records].
func (s *Store) DeleteOwner(ctx context.Context, owner store.OwnerID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.step(ctx, "delete everything about a user", func() error {
		grants, err := column[[]byte](ctx, s, s.db, `SELECT grant_id FROM {grants} WHERE owner_id = ? ORDER BY grant_id`, owner[:])
		if err != nil || len(grants) == 0 {
			return err
		}
		return s.write(ctx, func(tx runner) error {
			for some := range slices.Chunk(grants, chunk) {
				if err := s.deleteGrants(ctx, tx, some); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// doomed are tokens that are deleted.
type doomed struct {
	keys   ids
	public blobs
}

// readDoomed runs a query for the keys and the ids of tokens.
func (s *Store) readDoomed(ctx context.Context, on runner, text string, args ...any) (doomed, error) {
	var d doomed
	err := s.each(ctx, on, func(r *sql.Rows) error {
		var key int64
		var public []byte
		err := r.Scan(&key, &public)
		d.keys, d.public = append(d.keys, key), append(d.public, public)
		return err
	}, text, args...)
	return d, err
}

// deleteGrants deletes grants with all that belongs to them.
func (s *Store) deleteGrants(ctx context.Context, tx runner, grants blobs) error {
	if err := s.must(ctx, tx, len(grants), `DELETE FROM {grants} WHERE grant_id IN ?`, grants); err != nil {
		return err
	}
	tokens, err := s.disarm(ctx, tx, grants)
	if err != nil {
		return err
	}
	if err := s.deleteTokens(ctx, tx, tokens); err != nil {
		return err
	}
	for some := range slices.Chunk(tokens.keys, chunk) {
		if _, err := s.exec(ctx, tx, `DELETE FROM {history} WHERE token IN ?`, some); err != nil {
			return err
		}
	}
	return s.deleteGrantRows(ctx, tx, grants)
}

// chunk is how many keys a statement gets at most.
const chunk = 128

// disarm deletes the counters of all tokens of grants, and returns the tokens.
// Whoever was about to add a token below one of these has written a counter:
// so the token is found when these are deleted, or is not added.
func (s *Store) disarm(ctx context.Context, tx runner, grants blobs) (doomed, error) {
	for known := -1; ; {
		tokens, err := s.readDoomed(ctx, tx, `SELECT id, token_id FROM {tokens} WHERE grant_id IN ? ORDER BY id`, grants)
		if err != nil || len(tokens.keys) == known {
			return tokens, err
		}
		known = len(tokens.keys)
		if err := s.deleteBy(ctx, tx, `DELETE FROM {counters} WHERE token IN ?`, tokens.keys); err != nil {
			return doomed{}, err
		}
	}
}

// deleteTokens deletes what hangs on tokens except for their histories. Their
// counters are deleted already.
func (s *Store) deleteTokens(ctx context.Context, tx runner, d doomed) error {
	for _, text := range []string{
		`DELETE FROM {tokens} WHERE id IN ?`,
		`DELETE FROM {ancestors} WHERE token IN ?`,
		`DELETE FROM {chains} WHERE token IN ?`,
		`DELETE FROM {tombstones} WHERE token IN ?`,
		`DELETE FROM {generations} WHERE token IN ?`,
	} {
		if err := s.deleteBy(ctx, tx, text, d.keys); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(d.public, chunk) {
		if _, err := s.exec(ctx, tx, `DELETE FROM {tickets} WHERE token_id IN ?`, some); err != nil {
			return err
		}
	}
	return nil
}

// deleteGrantRows deletes what hangs on grants except for tokens.
func (s *Store) deleteGrantRows(ctx context.Context, tx runner, grants blobs) error {
	for _, text := range []string{
		`DELETE FROM {spares} WHERE grant_id IN ?`,
		`DELETE FROM {doubts} WHERE grant_id IN ?`,
		`DELETE FROM {commits} WHERE grant_id IN ?`,
	} {
		if _, err := s.exec(ctx, tx, text, grants); err != nil {
			return err
		}
	}
	return nil
}

// deleteBy runs a statement for a list of keys, some at a time.
func (s *Store) deleteBy(ctx context.Context, tx runner, text string, keys ids) error {
	for some := range slices.Chunk(keys, chunk) {
		if _, err := s.exec(ctx, tx, text, some); err != nil {
			return err
		}
	}
	return nil
}
