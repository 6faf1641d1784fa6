package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/broken"
	"github.com/mytoken-go/sdk/store/internal/rules"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Each store in this file is that of this package with one bug, in SQL that somebody may
// well write.

// Broken returns a store that has the bug.
func Broken(s *Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugCheckThenIncrement:
		return brokenSpend{s, func(ctx context.Context, tx runner, _ *member, d *decision) error {
			for _, c := range d.charges {
				if _, err := s.exec(ctx, tx, `UPDATE {counters} SET used = used + 1 WHERE id = ?`, c.counter); err != nil {
					return err
				}
			}
			return s.demand(ctx, tx, insertHistory(d.history))
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
			return s.demand(ctx, tx, insertHistory(d.history))
		}}
	case storetest.BugSpendTwice:
		return brokenSpend{s, func(ctx context.Context, tx runner, _ *member, d *decision) error {
			charge := &decision{charges: d.charges, history: []entry{{token: -1, use: newUseID()}}}
			for _, one := range charge.demands(s.engine) {
				if err := s.demand(ctx, tx, one); err != nil {
					return err
				}
			}
			for i := range d.history {
				n, err := s.count(ctx, tx, `SELECT COUNT(*) FROM {history} WHERE use_id = ?`, d.history[i].use[:])
				if err != nil || n > 0 {
					return err
				}
			}
			return s.demand(ctx, tx, insertHistory(d.history))
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
	case storetest.BugLateEndIgnored:
		return lateEndIgnored{s}
	case storetest.BugProcessRevived:
		return processRevived{s}
	case storetest.BugProcessForgotten:
		return processForgotten{s}
	}
	if b := brokenLease(s, bug); b != nil {
		return b
	}
	if b := broken.Grants(s, bug); b != nil {
		return b
	}
	if b := broken.Leased(s, bug); b != nil {
		return b
	}
	if b := broken.Records(s, bug); b != nil {
		return b
	}
	if b := broken.Items(s, bug); b != nil {
		return b
	}
	if b := brokenLinks(s, bug); b != nil {
		return b
	}
	panic("no store with the bug " + bug)
}

func (s *Store) count(ctx context.Context, on runner, text string, args ...any) (n int, err error) {
	err = s.each(ctx, on, func(r *sql.Rows) error { return r.Scan(&n) }, text, args...)
	return n, err
}

// brokenSpend writes a decision in another way.
type brokenSpend struct {
	*Store
	apply func(ctx context.Context, tx runner, m *member, d *decision) error
}

func (s brokenSpend) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	m := &member{token: p, use: &u}
	err := s.step(ctx, "spend", func() error {
		d, err := s.decide(ctx, []*member{m}, true, true)
		if err != nil || m.err != nil {
			return cmp.Or(err, m.err)
		}
		if m.spent.Repeated || !u.Tickets.IsZero() {
			return s.commit(ctx, d)
		}
		return s.write(ctx, func(tx runner) error {
			if err := s.apply(ctx, tx, m, d); err != nil {
				return err
			}
			rest := &decision{grants: d.grants, confirmed: d.confirmed, tickets: d.tickets}
			return s.demandAll(ctx, tx, append(rest.demands(s.engine), rest.tickets.changes()...))
		})
	})
	return m.spent, err
}

// withoutRetry relies on the isolation of the database and passes its refusals on.
type withoutRetry struct{ *Store }

func (s withoutRetry) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	if !u.Tickets.IsZero() {
		return s.Store.Spend(ctx, p, u)
	}
	m := &member{token: p, use: &u}
	d, err := s.decide(ctx, []*member{m}, true, true)
	if err != nil || m.err != nil {
		return store.Spent{}, cmp.Or(err, m.err)
	}
	err = s.writeWith(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}, func(tx runner) error {
		for _, c := range d.charges {
			if _, err := s.count(ctx, tx, `SELECT used FROM {counters} WHERE id = ?`, c.counter); err != nil {
				return err
			}
		}
		return s.demandAll(ctx, tx, append(d.demands(s.engine), d.tickets.changes()...))
	})
	return m.spent, err
}

// revokeByFlagging puts a tombstone on each descendant that it finds.
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
	t, err := s.readAlone(ctx, r.From.ID)
	if err != nil {
		return store.Rotated{}, err
	}
	if t == nil || !t.Live || t.Seq != r.From.Seq || t.Sum != r.From.Sum {
		return s.Store.Rotate(ctx, r)
	}
	err = s.step(ctx, "rotate", func() error {
		return s.write(ctx, func(tx runner) error {
			_, err := s.exec(ctx, tx, `
				UPDATE {tokens} SET seq = ?, confirmed = ?, token_sum = ?, sealed_key = ?, expires = ? WHERE id = ?`,
				int64(r.To.Seq), int64(r.From.Seq), r.To.Sum[:], []byte(r.Key), int64(r.Expires), t.row)
			if err != nil || r.Grace == 0 {
				return err
			}
			if _, err := s.exec(ctx, tx, `DELETE FROM {generations} WHERE token = ? AND seq = ?`, t.row, int64(r.From.Seq)); err != nil {
				return err
			}
			_, err = s.exec(ctx, tx, `
				INSERT INTO {generations} (token, seq, token_sum, sealed_key, successor, grace_until) VALUES (?, ?, ?, ?, ?, ?)`,
				t.row, int64(r.From.Seq), r.From.Sum[:], []byte(t.Key), []byte(r.Successor), int64(r.Now.Add(r.Grace)))
			return err
		})
	})
	return store.Rotated{Successor: r.Successor, Fresh: true}, err
}

// refundTwice checks whether the use was refunded, and then refunds it.
type refundTwice struct{ *Store }

func (s refundTwice) Refund(ctx context.Context, id store.UseID, now store.Micros) error {
	u, charged, err := s.readUse(ctx, id)
	if err != nil || u == nil || u.Refunded {
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

// noLease checks whether there is a lease, and then writes its own.
type noLease struct{ *Store }

func (s noLease) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	g, err := s.readGrant(ctx, s.db, b.Grant, b.Process)
	if err != nil {
		return store.Refresh{}, err
	}
	g.Doubts = nil
	out, err := g.Begin(&b, g.known)
	if err != nil {
		return store.Refresh{}, err
	}
	return out, s.step(ctx, "begin", func() error {
		_, err := s.exec(ctx, s.db, `UPDATE {grants} SET version = version + 1, lease_id = ?, lease_until = ? WHERE grant_id = ?`,
			b.Lease[:], int64(out.Until), b.Grant[:])
		return err
	})
}

// lastWriteWins stores the latest refresh token over any other.
type lastWriteWins struct{ *Store }

func (s lastWriteWins) CommitRefresh(ctx context.Context, c store.Commit) error {
	this := rules.NewCommit(c.Lease, c.Token)
	g, done, err := s.readForCommit(ctx, c.Grant, this)
	if err != nil || done || c.Generation > g.Generation {
		return cmp.Or(err, s.Store.CommitRefresh(ctx, c))
	}
	return s.step(ctx, "commit", func() error {
		return s.write(ctx, func(tx runner) error {
			_, err := s.exec(ctx, tx, `UPDATE {grants} SET version = version + 1, dead = 0, generation = ?, refresh = ? WHERE grant_id = ?`,
				int64(c.Generation+1), []byte(c.Token), c.Grant[:])
			if err != nil {
				return err
			}
			return s.demand(ctx, tx, addCommit(c.Grant, this, c.Now))
		})
	})
}

// lateEndIgnored ends a lease by its id, and nothing else.
type lateEndIgnored struct{ *Store }

func (s lateEndIgnored) EndRefresh(ctx context.Context, e store.End) error {
	g, err := s.readGrant(ctx, s.db, e.Grant, noCaller)
	if err == nil && !g.Lease.ID.IsZero() && g.Lease.ID != e.Lease {
		return nil
	}
	return s.Store.EndRefresh(ctx, e)
}

// processRevived writes back what it has read of a process.
type processRevived struct{ *Store }

func (s processRevived) Beat(ctx context.Context, p store.Process, until store.Micros) error {
	known, err := s.readProcess(ctx, p.ID)
	if err != nil || !known.version.Valid || known.Settled != 0 {
		return cmp.Or(err, s.Store.Beat(ctx, p, until))
	}
	return s.step(ctx, "beat", func() error {
		_, err := s.exec(ctx, s.db, `UPDATE {processes} SET version = version + 1, lives_until = ?, settled_at = ? WHERE process_id = ?`,
			int64(max(known.Until, until)), int64(known.Settled), p.ID[:])
		return err
	})
}

// processForgotten deletes processes by their age alone.
type processForgotten struct{ *Store }

func (s processForgotten) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	out, err := s.Store.Sweep(ctx, c)
	if err != nil {
		return out, err
	}
	_, err = s.exec(ctx, s.db, `DELETE FROM {processes} WHERE lives_until < ?`, int64(c.Now.Add(-rules.ProcessesKept)))
	return out, err
}

func newUseID() (id store.UseID) {
	_, _ = rand.Read(id[:])
	return id
}
