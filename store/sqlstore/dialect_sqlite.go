package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

type sqlite struct{}

func (sqlite) placeholder(int) string { return "?" }

// txOptions are none. Every transaction here writes first, so that it takes
// the only write lock before it has seen anything that may change.
func (sqlite) txOptions() *sql.TxOptions { return nil }
func (sqlite) returning() bool           { return true }
func (sqlite) oneStatement() bool        { return false }
func (sqlite) prepares() bool            { return true }
func (sqlite) writers() int              { return 1 }
func (sqlite) batches() int              { return 1 }

// spendAtOnce: there is no such statement.
func (sqlite) spendAtOnce(context.Context, *Store, *member) (bool, error) { return false, nil }

func (sqlite) version() string { return "SELECT 'SQLite ' || sqlite_version()" }

func (sqlite) recognise(v string) bool { return strings.HasPrefix(v, "SQLite ") }

const (
	sqliteCharge = `
		UPDATE {counters} SET used = used + ?, last_used = MAX(last_used, ?)
		WHERE id = ? AND (max_uses < 0 OR used + ? <= max_uses)`
	sqliteFull = `SELECT COUNT(*) FROM {counters} WHERE id = ? AND max_uses >= 0 AND used >= max_uses`
)

func (sqlite) spend(ctx context.Context, s *Store, on runner, d *decision) error {
	for _, c := range d.charges {
		if c.n == 0 {
			continue
		}
		if err := s.must(ctx, s.often(on), 1, sqliteCharge, c.n, c.at, c.counter, c.n); err != nil {
			return err
		}
	}
	for _, c := range d.charges {
		if !c.full {
			continue
		}
		full := 0
		if err := s.each(ctx, on, func(r *sql.Rows) error { return r.Scan(&full) }, sqliteFull, c.counter); err != nil {
			return err
		}
		if full == 0 {
			return errChanged
		}
	}
	return s.addHistory(ctx, on, d.history)
}

func (sqlite) giveBack() string {
	return `UPDATE {counters} SET used = used - 1 WHERE id IN ? AND used > 0`
}

// fault goes by the result code; its lower byte is the primary one.
func (sqlite) fault(err error) fault {
	var e interface{ Code() int }
	if !errors.As(err, &e) {
		return faultOther
	}
	switch code := e.Code(); code & 0xff {
	case 5, 6: // SQLITE_BUSY (517: its snapshot is outdated), SQLITE_LOCKED
		return faultRetry
	case 19: // SQLITE_CONSTRAINT
		if code == 1555 || code == 2067 { // of a primary key, of a unique index
			return faultDuplicate
		}
	case 8: // SQLITE_READONLY
		return faultReadOnly
	case 13: // SQLITE_FULL
		return faultFull
	case 1: // SQLITE_ERROR
		if strings.Contains(err.Error(), "no such table") {
			return faultNoTable
		}
	}
	return faultOther
}
