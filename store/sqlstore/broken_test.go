package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// The stores of this file are this package's, each with one bug, written in the
// SQL that somebody would write who did not think of it.

// Broken returns the store with the bug.
func Broken(s *Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugCheckThenIncrement:
		return brokenSpend{s, func(ctx context.Context, tx runner, _ *member, d *decision) error {
			for _, c := range d.charges {
				if _, err := s.exec(ctx, tx, `UPDATE {counters} SET used = used + 1 WHERE id = ?`, c.counter); err != nil {
					return err
				}
			}
			return s.addHistory(ctx, tx, d.history)
		}}
	case storetest.BugReadModifyWrite:
		return brokenSpend{s, func(ctx context.Context, tx runner, m *member, d *decision) error {
			for _, l := range m.row.links {
				if d.pending(l.counter) == 0 {
					continue
				}
				if _, err := s.exec(ctx, tx, `UPDATE {counters} SET used = ? WHERE id = ?`, l.used+1, l.counter); err != nil {
					return err
				}
			}
			return s.addHistory(ctx, tx, d.history)
		}}
	case storetest.BugSpendTwice:
		return brokenSpend{s, func(ctx context.Context, tx runner, _ *member, d *decision) error {
			if err := s.engine.spend(ctx, s, tx, &decision{charges: d.charges, history: []entry{{token: -1, use: newUseID()}}}); err != nil {
				return err
			}
			for i := range d.history {
				n, err := s.count(ctx, tx, `SELECT COUNT(*) FROM {history} WHERE use_id = ?`, d.history[i].use[:])
				if err != nil || n > 0 {
					return err
				}
			}
			return s.addHistory(ctx, tx, d.history)
		}}
	case storetest.BugSerializableWithoutRetry:
		return withoutRetry{s}
	case storetest.BugRevokeByFlagging:
		return revokeByFlagging{s}
	case storetest.BugRotateWithoutCAS:
		return rotateWithoutCAS{s}
	case storetest.BugRefundTwice:
		return refundTwice{s}
	case storetest.BugNoLease:
		return noLease{s}
	case storetest.BugLastWriteWins:
		return lastWriteWins{s}
	}
	panic("no store with the bug " + bug)
}

func (s *Store) count(ctx context.Context, on runner, text string, args ...any) (n int, err error) {
	err = s.each(ctx, on, func(r *sql.Rows) error { return r.Scan(&n) }, text, args...)
	return n, err
}

// brokenSpend writes what was decided in another way.
type brokenSpend struct {
	*Store
	apply func(ctx context.Context, tx runner, m *member, d *decision) error
}

func (s brokenSpend) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	m := &member{token: p, use: &u}
	err := s.step(ctx, "spend", func() error {
		d, err := s.decide(ctx, []*member{m}, true)
		if err != nil || m.err != nil {
			return cmp.Or(err, m.err)
		}
		if m.repeated || !u.Tickets.IsZero() {
			return s.spendWith(ctx, m, d)
		}
		return s.write(ctx, func(tx runner) error {
			if err := s.apply(ctx, tx, m, d); err != nil {
				return err
			}
			return s.Store.apply(ctx, tx, &decision{confirmed: d.confirmed})
		})
	})
	return m.spent, err
}

// withoutRetry lets the isolation do the work, and its refusals through.
type withoutRetry struct{ *Store }

func (s withoutRetry) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	if !u.Tickets.IsZero() {
		return s.Store.Spend(ctx, p, u)
	}
	m := &member{token: p, use: &u}
	d, err := s.decide(ctx, []*member{m}, true)
	if err != nil || m.err != nil {
		return store.Spent{}, cmp.Or(err, m.err)
	}
	err = s.writeWith(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}, func(tx runner) error {
		for _, c := range d.charges {
			if _, err := s.count(ctx, tx, `SELECT used FROM {counters} WHERE id = ?`, c.counter); err != nil {
				return err
			}
		}
		return s.Store.apply(ctx, tx, d)
	})
	return m.spent, err
}

// revokeByFlagging gives each descendant that it finds a tombstone.
type revokeByFlagging struct{ *Store }

func (s revokeByFlagging) Revoke(ctx context.Context, r store.Revocation) (store.Revoked, error) {
	recursive := r.Recursive
	r.Recursive = false
	out, err := s.Store.Revoke(ctx, r)
	if err != nil || !recursive {
		return out, err
	}
	err = s.step(ctx, "flag", func() error {
		return s.write(ctx, func(tx runner) error {
			_, err := s.exec(ctx, tx, `
				INSERT INTO {tombstones} (token, revoked_at, recursive_at, sweep_at)
				SELECT a.token, ?, 0, 0 FROM {ancestors} a JOIN {tokens} t ON t.id = a.ancestor
				WHERE t.token_id = ? AND NOT EXISTS (SELECT 1 FROM {tombstones} s WHERE s.token = a.token)`,
				int64(r.Now), r.Token[:])
			return err
		})
	})
	if err != nil {
		return store.Revoked{}, err
	}
	return s.Store.Revoke(ctx, r)
}

// rotateWithoutCAS does not compare the generation when it writes the next one.
type rotateWithoutCAS struct{ *Store }

func (s rotateWithoutCAS) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	found, err := s.readPresented(ctx, s.db, blobs{r.From.ID[:]}, ids{int64(store.UseUncounted)}, ids{store.NoClause})
	if err != nil {
		return store.Rotated{}, err
	}
	t := found[r.From.ID]
	if t == nil || t.dead || t.seq != r.From.Seq || t.sum != r.From.Sum {
		return s.Store.Rotate(ctx, r)
	}
	err = s.step(ctx, "rotate", func() error {
		return s.write(ctx, func(tx runner) error {
			_, err := s.exec(ctx, tx, `
				UPDATE {tokens} SET seq = ?, confirmed = ?, token_sum = ?, sealed_key = ?, expires = ? WHERE id = ?`,
				int64(r.To.Seq), int64(r.From.Seq), r.To.Sum[:], []byte(r.Key), int64(r.Expires), t.id)
			if err != nil || r.Grace == 0 {
				return err
			}
			if _, err := s.exec(ctx, tx, `DELETE FROM {generations} WHERE token = ? AND seq = ?`, t.id, int64(r.From.Seq)); err != nil {
				return err
			}
			_, err = s.exec(ctx, tx, `
				INSERT INTO {generations} (token, seq, token_sum, sealed_key, successor, grace_until) VALUES (?, ?, ?, ?, ?, ?)`,
				t.id, int64(r.From.Seq), r.From.Sum[:], []byte(t.key), []byte(r.Successor), int64(r.Now.Add(r.Grace)))
			return err
		})
	})
	return store.Rotated{Successor: r.Successor, Fresh: true}, err
}

// refundTwice looks whether the use was refunded, and then refunds it.
type refundTwice struct{ *Store }

func (s refundTwice) Refund(ctx context.Context, id store.UseID, now store.Micros) error {
	u, charged, err := s.readUse(ctx, id)
	if err != nil || u == nil || u.refunded {
		return cmp.Or(err, s.Store.Refund(ctx, id, now))
	}
	return s.step(ctx, "refund", func() error {
		return s.write(ctx, func(tx runner) error {
			for _, c := range charged {
				if _, err := s.exec(ctx, tx, `UPDATE {counters} SET used = used - 1 WHERE id = ?`, c); err != nil {
					return err
				}
			}
			_, err := s.exec(ctx, tx, `UPDATE {history} SET refunded = 1, named = 0 WHERE use_id = ?`, id[:])
			return err
		})
	})
}

// noLease looks whether there is a lease, and then writes its own.
type noLease struct{ *Store }

func (s noLease) BeginRefresh(ctx context.Context, id store.GrantID, l store.LeaseID, now store.Micros, ttl time.Duration) (store.Refresh, error) {
	g, err := s.readGrant(ctx, s.db, id)
	if err != nil {
		return store.Refresh{}, err
	}
	if _, err := g.lend(l, now, ttl); err != nil {
		return store.Refresh{}, err
	}
	state, err := s.refreshState(ctx, s.db, g)
	if err != nil {
		return store.Refresh{}, err
	}
	return g.lent(state, nil), s.step(ctx, "begin", func() error {
		_, err := s.exec(ctx, s.db, `UPDATE {grants} SET version = version + 1, lease_id = ?, lease_until = ? WHERE grant_id = ?`,
			l[:], int64(g.leaseUntil), id[:])
		return err
	})
}

// lastWriteWins stores what came last.
type lastWriteWins struct{ *Store }

func (s lastWriteWins) CommitRefresh(ctx context.Context, c store.Commit) error {
	g, done, err := s.readForCommit(ctx, c.Grant, c.Lease, c.Token)
	if err != nil || done || c.Generation > g.generation {
		return cmp.Or(err, s.Store.CommitRefresh(ctx, c))
	}
	return s.step(ctx, "commit", func() error {
		return s.write(ctx, func(tx runner) error {
			_, err := s.exec(ctx, tx, `UPDATE {grants} SET version = version + 1, dead = 0, generation = ?, refresh = ? WHERE grant_id = ?`,
				int64(c.Generation+1), []byte(c.Token), c.Grant[:])
			if err != nil {
				return err
			}
			return s.remember(ctx, tx, c.Grant, c.Lease, c.Token, c.Now)
		})
	})
}

func newUseID() (id store.UseID) {
	_, _ = rand.Read(id[:])
	return id
}
