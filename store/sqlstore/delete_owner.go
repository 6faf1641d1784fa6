package sqlstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// DeleteOwner implements [store.Records].
func (s *Store) DeleteOwner(ctx context.Context, owner store.OwnerID) error {
	return s.step(ctx, "delete everything about a user", func() error {
		grants, err := column[[]byte](ctx, s, s.db, `SELECT grant_id FROM {grants} WHERE owner_id = ? ORDER BY grant_id`, owner[:])
		if err != nil {
			return err
		}
		if len(grants) == 0 { // there may be items all the same
			found, err := column[int64](ctx, s, s.db, `SELECT revision FROM {owners} WHERE owner_id = ?`, owner[:])
			if err != nil || len(found) == 0 {
				return err
			}
		}
		return s.writeWith(ctx, s.engine.deletion(), func(tx runner) error {
			var tokens blobs
			for some := range slices.Chunk(grants, chunk) {
				gone, err := s.deleteGrants(ctx, tx, some)
				if err != nil {
					return err
				}
				tokens = append(tokens, gone...)
			}
			if err := s.deleteBelongings(ctx, tx, owner[:]); err != nil {
				return err
			}
			return s.deleteLinksOf(ctx, tx, tokens)
		})
	})
}

// deleteGrants deletes grants with everything that belongs to them, except the links of
// their tokens. It returns these tokens.
func (s *Store) deleteGrants(ctx context.Context, tx runner, grants blobs) (blobs, error) {
	if err := s.lock(ctx, tx, "grants", "grant_id", "grant_id", grants); err != nil {
		return nil, err
	}
	if err := s.must(ctx, tx, len(grants), `DELETE FROM {grants} WHERE grant_id IN ?`, grants); err != nil {
		return nil, err
	}
	tokens, err := s.deleteCounters(ctx, tx, grants)
	if err != nil {
		return nil, err
	}
	if err := s.deleteTokens(ctx, tx, tokens); err != nil {
		return nil, err
	}
	if err := s.deleteBy(ctx, tx, `DELETE FROM {history} WHERE token IN ?`, tokens.keys); err != nil {
		return nil, err
	}
	return tokens.public, s.deleteGrantRows(ctx, tx, grants)
}

// deleteCounters deletes the counters of all tokens of grants and returns the tokens. A
// step that adds a token below one of these also writes one of its counters. So the step
// either fails, or committed before the counters were deleted; then the next round finds
// the new token.
func (s *Store) deleteCounters(ctx context.Context, tx runner, grants blobs) (tokenKeys, error) {
	for known := -1; ; {
		tokens, err := s.readTokenKeys(ctx, tx, `SELECT id, token_id FROM {tokens} WHERE grant_id IN ? ORDER BY id`, grants)
		if err != nil || len(tokens.keys) == known {
			return tokens, err
		}
		known = len(tokens.keys)
		if err := s.deleteCountersOf(ctx, tx, tokens.keys); err != nil {
			return tokenKeys{}, err
		}
	}
}
