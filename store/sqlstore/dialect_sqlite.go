package sqlstore

import (
	"database/sql"
	"errors"
	"math/bits"
	"strings"
)

type sqlite struct{}

func (sqlite) placeholder(int) string { return "?" }

// txOptions returns nil. Every transaction here writes first, so it holds the only write
// lock before it reads anything.
func (sqlite) txOptions(bool) *sql.TxOptions { return nil }
func (sqlite) deletion() *sql.TxOptions      { return nil }
func (sqlite) returning() bool               { return true }
func (sqlite) decides() bool                 { return false }
func (sqlite) writers() int                  { return 1 }
func (sqlite) batches() int                  { return 1 }

func (sqlite) grants(d *decision) []demand         { return d.writeGrants() }
func (sqlite) spendAtOnce(*atOnce) (string, []any) { return "", nil }
func (sqlite) relaxed(d demand) (demand, bool)     { return d, false }
func (sqlite) better() (string, engine)            { return "", nil }
func (sqlite) together([]demand) (string, []any)   { return "", nil }

func (sqlite) inline(string, []any) (string, bool) { return "", false }

// pingSize makes the row take pages of its own, so that Ping notices a file that cannot
// grow.
func (sqlite) pingSize() int { return 10_000 }

func (sqlite) file() string { return "SELECT file FROM pragma_database_list WHERE name = 'main'" }

func (sqlite) settings() []setting {
	return []setting{
		{"synchronous", "PRAGMA synchronous", is("2", "3"), "open the database with synchronous FULL (2) or EXTRA (3)", ErrUnsafe},
		// A database in memory has the journal mode "memory", too.
		{
			"journal_mode", `SELECT CASE WHEN (` + sqlite{}.file() + `) = '' THEN 'wal'
				ELSE (SELECT journal_mode FROM pragma_journal_mode) END`,
			is("wal", "delete", "truncate", "persist"), "open the database with journal_mode WAL", ErrUnsafe,
		},
	}
}

func (sqlite) version() string { return "SELECT 'SQLite ' || sqlite_version()" }

func (sqlite) recognise(v string) bool { return strings.HasPrefix(v, "SQLite ") }

const (
	sqliteCharge = `
		UPDATE {counters} SET used = used + ?, last_used = MAX(last_used, ?)
		WHERE id = ? AND (max_uses < 0 OR used + ? <= max_uses)`
	sqliteFull = `SELECT max_uses >= 0 AND used >= max_uses FROM {counters} WHERE id IN ?`
)

func (sqlite) prepared() ([]shape, bool) {
	return append(shapesOneByOne(), shape{text: sqliteCharge}), true
}

// spend charges each counter with a statement of its own, because a statement costs no
// round trip here. It inserts history rows in groups of a power of two, so that a few
// prepared statements fit every batch. No other transaction writes meanwhile, so it need
// not touch counters.
func (sqlite) spend(d *decision) []demand {
	var all []demand
	var full ids
	for _, c := range d.charges {
		if c.n > 0 {
			all = append(all, demand{text: sqliteCharge, args: []any{c.n, c.at, c.counter, c.n}, rows: 1})
		}
		if c.full {
			full = append(full, c.counter)
		}
	}
	if len(full) > 0 {
		all = append(all, demand{text: sqliteFull, args: []any{full}, rows: len(full), query: true})
	}
	for rest := d.history; len(rest) > 0; {
		n := 1 << (bits.Len(uint(len(rest))) - 1)
		all = append(all, insertHistory(rest[:n]))
		rest = rest[n:]
	}
	return all
}

func (sqlite) giveBack() string {
	return `UPDATE {counters} SET used = used - 1 WHERE id IN ? AND used > 0`
}

func (sqlite) locks(string, string, string) string { return "" }

func (sqlite) touchItems() string {
	return `UPDATE {items} SET version = version + 1 WHERE item_id IN ? AND owner_id = ?`
}

func (sqlite) touch() string { return `UPDATE {counters} SET used = used + 1 WHERE id IN ?` }

// fault looks at the result code. Its lower byte is the primary code.
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
	case 14: // SQLITE_CANTOPEN
		return faultUnavailable
	case 1: // SQLITE_ERROR
		if strings.Contains(err.Error(), "no such table") {
			return faultNoTable
		}
	}
	return faultOther
}
