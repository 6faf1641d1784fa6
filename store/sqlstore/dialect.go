package sqlstore

import (
	"context"
	"database/sql"
)

// Dialect is the kind of database behind a [*sql.DB]. The zero value is none.
type Dialect uint8

// The dialects.
const (
	// PostgreSQL 13 or later, and databases that speak its protocol and SQL.
	PostgreSQL Dialect = 1
	// MySQL 8.0.16 or later and MariaDB 10.5 or later, Galera clusters
	// included.
	MySQL Dialect = 2
	// SQLite 3.37 or later.
	SQLite Dialect = 3
)

// String returns the name of the database.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	case SQLite:
		return "SQLite"
	}
	return "unknown"
}

// engine is everything in which the databases differ. Each has one file.
type engine interface {
	// placeholder is the n-th argument in a statement, from 1.
	placeholder(n int) string
	// txOptions are those of a transaction that writes.
	txOptions() *sql.TxOptions
	// returning tells whether INSERT … RETURNING works. Otherwise the driver
	// knows the last inserted id.
	returning() bool
	// spend is the statement, or are the statements, of every use: it changes
	// the counters and adds to the history, all or nothing. It returns
	// errChanged if a counter is not there or has less left than is taken.
	spend(ctx context.Context, s *Store, on runner, d *decision) error
	// giveBack is a statement that takes one from each of a list of counters,
	// which it locks in the order of their ids.
	giveBack() string
	// oneStatement tells whether spend is a single statement, so that it needs
	// no transaction.
	oneStatement() bool
	// prepares tells whether to prepare statements that every use needs.
	prepares() bool
	// writers is how many transactions one process should have open at once
	// that write; 0 is any number.
	writers() int
	// batches is how many batches of uses are under way at once.
	batches() int
	// spendAtOnce tries to decide and to write one use in one statement. It
	// reports false, and has changed nothing, unless the use is granted as in
	// the ordinary case.
	spendAtOnce(ctx context.Context, s *Store, m *member) (bool, error)
	// version is a query for one text by which the database is recognised.
	version() string
	// recognise tells whether the text is that of such a database.
	recognise(version string) bool
	// fault says what kind of trouble a driver's error stands for.
	fault(err error) fault
}

func (d Dialect) engine() engine {
	switch d {
	case PostgreSQL:
		return postgresql{}
	case MySQL:
		return mysql{}
	case SQLite:
		return sqlite{}
	}
	return nil
}

// fault is a kind of trouble with the database.
type fault uint8

const (
	faultOther     fault = iota // whatever else
	faultRetry                  // the database asks to try the transaction again
	faultDuplicate              // a unique index has the value already
	faultReadOnly               // the database or the transaction is read-only
	faultFull                   // no space left
	faultNoTable                // a table does not exist
)
