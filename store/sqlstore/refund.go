package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// Refund implements [store.Tokens].
func (s *Store) Refund(ctx context.Context, id store.UseID, now store.Micros) error {
	if err := store.CheckRefund(id); err != nil {
		return err
	}
	return s.step(ctx, "refund", func() error {
		u, charged, err := s.readUse(ctx, id)
		switch {
		case err != nil:
			return err
		case u == nil:
			return s.refuse(ctx, id, now)
		case u.Refunded:
			return nil
		}
		return s.writeAll(ctx, s.refund(id, charged, now), false)
	})
}

// readUse reads a use and the counters that it charged, as far as they still exist. The
// counter for no clause has no limit and never counts down, so it is not among them.
// readUse returns nil if the use is unknown.
func (s *Store) readUse(ctx context.Context, id store.UseID) (*use, ids, error) {
	var u *use
	var charged ids
	err := s.each(ctx, s.db, func(r *sql.Rows) error {
		var counter sql.NullInt64
		u = new(use)
		if err := r.Scan(&u.Token, &u.Refunded, &counter); err != nil {
			return err
		}
		if counter.Valid {
			charged = append(charged, counter.Int64)
		}
		return nil
	}, `
		SELECT COALESCE(u.token, 0), u.refunded, c.id
		FROM {history} u
		LEFT JOIN {chains} h ON h.token = u.token AND h.kind = u.kind AND h.clause = u.clause AND h.clause >= 0
		LEFT JOIN {counters} c ON c.id = h.counter
		WHERE u.use_id = ?`, id[:])
	slices.Sort(charged)
	return u, charged, err
}

// refund returns the statements that give the charges back and then withdraw the event.
// They lock rows in the same order as a use. Of several refunds at once, only one still
// finds the event.
func (s *Store) refund(id store.UseID, charged ids, now store.Micros) []demand {
	var all []demand
	if len(charged) > 0 {
		all = append(all, demand{text: s.engine.giveBack(), args: []any{charged}, rows: len(charged)})
	}
	empty := []byte{}
	return append(all, demand{
		text: `
			UPDATE {history} SET refunded = 1, named = 0, event_time = 0, name = ?, comment = ?, address = ?, user_agent = ?,
				used_at = CASE WHEN used_at < ? THEN ? ELSE used_at END
			WHERE use_id = ? AND refunded = 0`,
		args: []any{empty, empty, empty, empty, int64(now), int64(now), id[:]}, rows: 1,
	})
}

// refuse records an unknown use as refunded, so that the store refuses it later.
func (s *Store) refuse(ctx context.Context, id store.UseID, now store.Micros) error {
	empty := []byte{}
	return s.writeAll(ctx, []demand{{
		text: `
			INSERT INTO {history} (named, event_time, name, comment, address, user_agent, use_id, kind, clause, refunded, used_at)
			VALUES (0, 0, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
		args: []any{empty, empty, empty, empty, id[:], int64(store.UseUncounted), int64(store.NoClause), int64(now)}, rows: 1,
	}}, true)
}
