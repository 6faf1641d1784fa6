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
	// txOptions returns the options of a transaction that writes. A blind one reads only
	// rows that it locks.
	txOptions(blind bool) *sql.TxOptions
	// deletion returns the options of a transaction that deletes tokens. Its statements
	// see what others have committed by the time that each of them begins.
	deletion() *sql.TxOptions
	// returning reports whether INSERT … RETURNING works. If not, the driver must know
	// the last inserted id.
	returning() bool
	// spend returns the statements that write the counters and the history of a decision.
	spend(d *decision) []demand
	// grants returns the statements that write the grants of a decision, and end leases on
	// grants that were not read.
	grants(d *decision) []demand
	// decides reports whether the engine has queries for spendAtOnce at all.
	decides() bool
	// spendAtOnce returns one query that decides and writes uses and ends leases; see
	// atOnce. It returns an empty text if the engine has none for them.
	spendAtOnce(o *atOnce) (text string, args []any)
	// relaxed returns a statement that does the same, but may return before its effect
	// survives a crash of the database. That holds for this statement alone. It returns
	// false if the database has no such statement.
	relaxed(d demand) (demand, bool)
	// together returns one query that meets all demands in one transaction, in their order.
	// It returns the index of each demand whose did is to be called. If a demand is not met,
	// the query changes nothing and fails with an error that is a faultChanged. text is empty
	// if there is no such query.
	together(all []demand) (text string, args []any)
	// better returns the engine to use if the database runs and prepares a statement. The
	// text is empty if there is none.
	better() (text string, e engine)
	// giveBack returns a statement that subtracts one from each of a list of counters.
	// The statement locks them in the order of their ids.
	giveBack() string
	// touch returns a statement that adds one to each of a list of counters. It locks
	// them in the same order.
	touch() string
	// touchItems returns a statement that writes the rows of a list of items, of the owner
	// whose items they are. It locks them in the order of their ids.
	touchItems() string
	// locks returns a query that locks the rows of a table that a condition finds, in the
	// order of a column. It returns an empty text if a DELETE locks them in that order by
	// itself.
	locks(table, where, column string) string
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
	faultChanged                  // the statement says that the state is not the one that was read
	faultReadOnly                 // the database or the transaction is read-only
	faultSpoiled                  // the server behind this connection does not serve it, or has lost its state
	faultLeft                     // the same, but the database may have committed
	faultStopped                  // anything else; the session may still be in a transaction
	faultUnavailable              // the server accepts no connection now
	faultUnprepared               // the server does not prepare or run a prepared statement; nothing else has changed
	faultFull                     // no space left
	faultNoTable                  // a table does not exist
	faultColumn                   // a column exists already, where a failed migration cannot be rolled back
)

// spoils reports whether the connection should be closed.
func (f fault) spoils() bool { return f == faultReadOnly || f == faultSpoiled || f == faultLeft }

// undone reports whether a single statement that failed like this has changed nothing.
func (f fault) undone() bool {
	return f != faultOther && f != faultUnknown && f != faultLeft && f != faultStopped
}
