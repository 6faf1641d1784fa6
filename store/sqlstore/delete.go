package sqlstore

import (
	"context"
	"database/sql"
	"slices"
)

// chunk is the most keys in one statement.
const chunk = 128

// tokenKeys are the internal keys and the public ids of tokens.
type tokenKeys struct {
	keys   ids
	public blobs
}

// readTokenKeys runs a query for the keys and the ids of tokens.
func (s *Store) readTokenKeys(ctx context.Context, on runner, text string, args ...any) (tokenKeys, error) {
	var d tokenKeys
	err := s.each(ctx, on, func(r *sql.Rows) error {
		var key int64
		var public []byte
		err := r.Scan(&key, &public)
		d.keys, d.public = append(d.keys, key), append(d.public, public)
		return err
	}, text, args...)
	return d, err
}

// lock locks the rows of a table whose key is in a list, in the order that all steps take,
// as far as a DELETE would not do so itself.
func (s *Store) lock(ctx context.Context, tx runner, table, key, order string, some list) error {
	text := s.engine.locks(table, key+" IN ?", order)
	if text == "" {
		return nil
	}
	return s.each(ctx, tx, func(*sql.Rows) error { return nil }, text, some)
}

// deleteCountersOf deletes the counters of tokens.
func (s *Store) deleteCountersOf(ctx context.Context, tx runner, tokens ids) error {
	for some := range slices.Chunk(tokens, chunk) {
		if err := s.lock(ctx, tx, "counters", "token", "id", some); err != nil {
			return err
		}
		if _, err := s.exec(ctx, tx, `DELETE FROM {counters} WHERE token IN ?`, some); err != nil {
			return err
		}
	}
	return nil
}

// deleteTokens deletes tokens and what belongs to them, except histories, links and
// counters. The caller deletes the counters first.
func (s *Store) deleteTokens(ctx context.Context, tx runner, d tokenKeys) error {
	for some := range slices.Chunk(d.keys, chunk) {
		if err := s.lock(ctx, tx, "tokens", "id", "id", some); err != nil {
			return err
		}
	}
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

// deleteGrantRows deletes the spares, doubts and commits of grants.
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

// deleteBy runs a statement for all keys, a chunk at a time.
func (s *Store) deleteBy(ctx context.Context, tx runner, text string, keys ids) error {
	for some := range slices.Chunk(keys, chunk) {
		if _, err := s.exec(ctx, tx, text, some); err != nil {
			return err
		}
	}
	return nil
}
