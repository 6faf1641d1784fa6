package sqlstore

import "database/sql"

// Dialect is the kind of database behind a [*sql.DB]. The zero value is no dialect.
type Dialect uint8

// The dialects.
const (
	// PostgreSQL is PostgreSQL 13 or later, or a database that speaks its protocol and
	// SQL.
	PostgreSQL Dialect = 1
	// MySQL is MySQL 8.0.16 or later, MariaDB 10.5 or later, or a Galera cluster of
	// either.
	MySQL Dialect = 2
	// SQLite is SQLite 3.37 or later.
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

// engine holds everything that differs between the databases. An engine runs nothing: it
// returns SQL and arguments.
type engine interface {
	// placeholder returns the nth argument of a statement, from 1.
	placeholder(n int) string
	// txOptions returns the options of a transaction that reads and writes.
	txOptions() *sql.TxOptions
	// returning reports whether INSERT … RETURNING works. If not, the driver must know
	// the last inserted id.
	returning() bool
	// spend returns the statements that write the counters and the history of a decision.
	spend(d *decision) []demand
	// spendAtOnce returns a query that decides and writes one ordinary use. If the query
	// grants the use, it returns one row (grant, owner and sealed key). Otherwise it
	// changes nothing. text is empty if there is no such query.
	spendAtOnce(m *member) (text string, args []any)
	// giveBack returns a statement that subtracts one from each of a list of counters.
	// The statement locks them in the order of their ids.
	giveBack() string
	// touch returns a statement that adds one to each of a list of counters. It locks
	// them in the same order.
	touch() string
	// prepared returns the engine's own statements to keep prepared. It returns false if
	// preparing statements gains nothing.
	prepared() ([]shape, bool)
	// writers returns how many writing transactions one process may have open at once. 0
	// means any number.
	writers() int
	// batches returns how many batches of uses may be under way at once, in each of the
	// two queues.
	batches() int
	// inline returns a statement with its arguments written into it, for a server that
	// prepares no more statements. It returns false if the database needs no such way.
	inline(text string, args []any) (string, bool)
	// pingSize returns how many bytes Ping writes.
	pingSize() int
	// file returns a query for the path of the database's file. It returns an empty text
	// for a server.
	file() string
	// settings returns the settings that New checks.
	settings() []setting
	// version returns a query for a text that identifies the database.
	version() string
	// recognise reports whether the text identifies a database of this kind.
	recognise(version string) bool
	// fault classifies an error of the driver.
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

// fault is a class of errors of a database.
type fault uint8

const (
	faultOther       fault = iota // anything else
	faultRetry                    // the database asks to try the transaction again
	faultUnknown                  // the same, but the database does not know whether it has committed
	faultDuplicate                // a unique index has the value already
	faultReadOnly                 // the database or the transaction is read-only
	faultSpoiled                  // the server behind this connection does not serve it, or has lost its state
	faultUnavailable              // the server accepts no connection now
	faultUnprepared               // the server does not prepare or run a prepared statement; nothing else has changed
	faultFull                     // no space left
	faultNoTable                  // a table does not exist
	faultColumn                   // a column exists already, where a failed migration cannot be rolled back
)

// spoils reports whether the connection should be closed.
func (f fault) spoils() bool { return f == faultReadOnly || f == faultSpoiled }

// undone reports whether a single statement that failed like this has changed nothing.
func (f fault) undone() bool { return f != faultOther && f != faultUnknown }
