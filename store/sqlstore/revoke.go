package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// surveyed is the most tokens of a grant that Revoke looks at to find a live one.
const surveyed = 100

// Revoke implements [store.Tokens]. The tombstone takes one transaction, however many
// descendants the token has. Then Revoke erases what they open, in transactions of at
// most 512 tokens. If it returns an error there, the token is revoked, and the next call
// or Sweep erases the rest.
func (s *Store) Revoke(ctx context.Context, r store.Revocation) (store.Revoked, error) {
	if err := r.Check(); err != nil {
		return store.Revoked{}, err
	}
	var out store.Revoked
	var id int64
	err := s.step(ctx, "revoke", func() (err error) {
		t, err := s.readRevocable(ctx, &r)
		if err != nil {
			return err
		}
		id = t.id
		out, err = s.revoke(ctx, t, &r)
		return err
	})
	if err == nil && r.Recursive {
		err = inDoubt(s.eraseDescendants(ctx, id)) // the tombstone holds
	}
	if err != nil {
		return store.Revoked{}, err
	}
	return out, nil
}

// revocable is a token with its tombstone, if it has one.
type revocable struct {
	id        int64
	grant     store.GrantID
	revoked   store.Micros
	recursive store.Micros
	sealed    bool         // it still opens something
	tickets   int64        // that belong to it
	key       store.Sealed // wrapped for the authorising token, if that is of the same grant
}

func (s *Store) readRevocable(ctx context.Context, r *store.Revocation) (*revocable, error) {
	var t *revocable
	err := s.each(ctx, s.db, func(rows *sql.Rows) error {
		t = new(revocable)
		return rows.Scan(&t.id, scan(t.grant[:]), (*int64)(&t.revoked), (*int64)(&t.recursive), &t.sealed, &t.tickets, (*[]byte)(&t.key))
	}, `
		SELECT t.id, t.grant_id, COALESCE(s.revoked_at, 0), COALESCE(s.recursive_at, 0),
			CASE WHEN LENGTH(t.sealed_key) > 0 THEN 1 ELSE 0 END,
			(SELECT COUNT(*) FROM {tickets} k WHERE k.token_id = t.token_id),
			(SELECT b.sealed_key FROM {tokens} b
				WHERE b.token_id = ? AND b.grant_id = t.grant_id AND b.seq = ? AND b.token_sum = ? AND b.buried = 0)
		FROM {tokens} t
		LEFT JOIN {tombstones} s ON s.token = t.id
		WHERE t.token_id = ? AND t.buried = 0`, r.By.ID[:], int64(r.By.Seq), r.By.Sum[:], r.Token[:])
	if err == nil && t == nil {
		return nil, store.ErrNotFound
	}
	return t, err
}

func (s *Store) revoke(ctx context.Context, t *revocable, r *store.Revocation) (store.Revoked, error) {
	out := store.Revoked{Grant: t.grant, Key: t.key}
	if t.revoked != 0 && (t.recursive != 0 || !r.Recursive) {
		return out, s.revokeAgain(ctx, t, r, &out)
	}
	err := s.write(ctx, func(tx runner) error {
		if err := s.putTombstone(ctx, tx, t, r); err != nil {
			return err
		}
		if err := s.report(ctx, tx, r, &out); err != nil {
			return err
		}
		if !rules.KeepsKey(r, false) || rules.KeepsKey(r, out.LiveLeft) {
			return nil
		}
		return s.eraseKeys(ctx, tx, ids{t.id})
	})
	return out, err
}

// revokeAgain reports about a tombstone that an earlier call has written, and erases what
// that call has kept.
func (s *Store) revokeAgain(ctx context.Context, t *revocable, r *store.Revocation, out *store.Revoked) error {
	if err := s.report(ctx, s.db, r, out); err != nil {
		return err
	}
	erase := t.sealed && !rules.KeepsKey(r, out.LiveLeft)
	if !erase && t.tickets == 0 {
		return nil
	}
	return s.write(ctx, func(tx runner) error {
		if erase {
			if err := s.eraseKeys(ctx, tx, ids{t.id}); err != nil {
				return err
			}
		}
		_, err := s.exec(ctx, tx, dropTicketsOf, r.Token[:])
		return err
	})
}

const dropTicketsOf = `DELETE FROM {tickets} WHERE token_id = ?`

// putTombstone revokes the token. It writes the row of the grant, so that revocations in
// one grant run one after the other and the last one sees all of them. It writes a
// counter of the token, so that nobody deletes the token or adds one below it meanwhile.
// It keeps the key of the token if the caller may need it.
func (s *Store) putTombstone(ctx context.Context, tx runner, t *revocable, r *store.Revocation) error {
	if err := s.must(ctx, tx, 1, touchGrant, t.grant[:]); err != nil {
		return err
	}
	if err := s.must(ctx, tx, 1, touchToken, t.id, int64(store.NoClause), int64(store.UseUncounted)); err != nil {
		return err
	}
	if err := s.eraseRevoked(ctx, tx, t, r); err != nil {
		return err
	}
	if err := s.writeTombstone(ctx, tx, t, r); err != nil {
		return err
	}
	if t.revoked == 0 {
		if err := s.addEvents(ctx, tx, t.id, r.Event); err != nil {
			return err
		}
	}
	_, err := s.exec(ctx, tx, dropTicketsOf, r.Token[:])
	return err
}

// eraseRevoked erases what the token opens, except for a key that the caller may need.
func (s *Store) eraseRevoked(ctx context.Context, tx runner, t *revocable, r *store.Revocation) error {
	if !rules.KeepsKey(r, false) {
		return s.eraseKeys(ctx, tx, ids{t.id})
	}
	until := r.Now.Add(rules.RevokedKeyKept)
	if _, err := s.exec(ctx, tx, `UPDATE {tokens} SET erase_at = ? WHERE id = ? AND sealed_key <> ?`, int64(until), t.id, []byte{}); err != nil {
		return err
	}
	_, err := s.exec(ctx, tx, `DELETE FROM {generations} WHERE token = ?`, t.id)
	return err
}

// touchToken writes the token's counter for no clause, and so locks the token.
const touchToken = `UPDATE {counters} SET used = used + 1 WHERE token = ? AND clause = ? AND kind = ?`

// writeTombstone adds the tombstone, or makes it recursive.
func (s *Store) writeTombstone(ctx context.Context, tx runner, t *revocable, r *store.Revocation) error {
	recursive, parent := int64(0), int64(0) // no token has the key 0
	if r.Recursive {
		recursive, parent = int64(r.Now), t.id
	}
	const unswept = `CASE WHEN EXISTS (SELECT 1 FROM {ancestors} WHERE ancestor = ? AND token > ?) THEN 0 END`
	if t.revoked == 0 {
		_, err := s.exec(ctx, tx, `
			INSERT INTO {tombstones} (token, revoked_at, recursive_at, sweep_at, unswept) VALUES (?, ?, ?, ?, `+unswept+`)`,
			t.id, int64(r.Now), recursive, int64(r.Now), parent, parent)
		return err
	}
	return s.must(ctx, tx, 1, `UPDATE {tombstones} SET recursive_at = ?, unswept = `+unswept+` WHERE token = ? AND recursive_at = 0`,
		recursive, parent, parent, t.id)
}

// report fills in whether the grant may have a live token left, and its refresh tokens.
func (s *Store) report(ctx context.Context, on runner, r *store.Revocation, out *store.Revoked) error {
	g, err := s.readGrant(ctx, on, out.Grant, noCaller)
	if errors.Is(err, store.ErrNotFound) {
		return errChanged
	}
	if err != nil {
		return err
	}
	out.Refresh = g.State()
	var some, live sql.NullInt64
	err = s.each(ctx, on, func(rows *sql.Rows) error { return rows.Scan(&some, &live) }, `
		SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM {tokens} WHERE grant_id = ? AND buried = 0 LIMIT ?) n),
			CASE WHEN EXISTS (
				SELECT 1 FROM (
					SELECT id, expires FROM {tokens} WHERE grant_id = ? AND buried = 0 LIMIT ?) t
				WHERE (t.expires = 0 OR t.expires >= ?) AND NOT `+isDead+`) THEN 1 ELSE 0 END`,
		out.Grant[:], int64(surveyed+1), out.Grant[:], int64(surveyed), int64(r.Now))
	if err != nil {
		return err
	}
	if !some.Valid || !live.Valid {
		// A MariaDB node answers like this, without an error, when it gives up a
		// statement in favour of another node's transaction.
		return errChanged
	}
	out.LiveLeft = live.Int64 > 0 || some.Int64 > surveyed
	return nil
}
