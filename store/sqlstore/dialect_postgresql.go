package sqlstore

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"
)

type postgresql struct{}

func (postgresql) placeholder(n int) string { return "$" + strconv.Itoa(n) }

// txOptions leaves the isolation to the session. Every step is correct at READ COMMITTED
// and above.
func (postgresql) txOptions(bool) *sql.TxOptions { return nil }

// deletion asks for READ COMMITTED. A use that spends nothing only locks the row of its
// token. A deletion waits for that lock and then deletes the histories. With an older
// snapshot it would not see the event of the use.
func (postgresql) deletion() *sql.TxOptions { return &sql.TxOptions{Isolation: sql.LevelReadCommitted} }

func (postgresql) returning() bool           { return true }
func (postgresql) decides() bool             { return true }
func (postgresql) prepared() ([]shape, bool) { return nil, false }
func (postgresql) writers() int              { return 0 }
func (postgresql) pingSize() int             { return 250 }
func (postgresql) file() string              { return "" }
func (postgresql) batches() int              { return 2 }

// inline returns false: a failure to prepare ends a transaction here.
func (postgresql) inline(string, []any) (string, bool) { return "", false }

func (postgresql) settings() []setting { return nil }

func (postgresql) version() string { return "SELECT version()" }

func (postgresql) recognise(v string) bool {
	return strings.Contains(v, "PostgreSQL") || strings.Contains(v, "CockroachDB")
}

// The query locks all rows in the order of their ids before it changes any. A query that
// locks rows sees what concurrent transactions have committed, so taken has the newest
// counts. charged computes the new count from taken. It must not read the row again,
// neither for a condition nor for the sum: an UPDATE first evaluates the snapshot of the
// statement, in which the counter may have been full. It goes on to the newest row only
// if the snapshot passes, constraints included.
//
// Rows with the id -1, or without a use_id, pad the lists to a power of two.
const (
	postgresqlSpend = `
WITH want (id, n, full_after, at) AS MATERIALIZED (VALUES `
	postgresqlCharge = `
), taken AS MATERIALIZED (
    SELECT c.id, w.n, w.at, c.used,
           (c.max_uses < 0 OR c.used + w.n <= c.max_uses)
           AND (w.full_after = 0 OR c.max_uses >= 0 AND c.used + w.n >= c.max_uses) AS fits
    FROM want w JOIN {counters} c ON c.id = w.id
    ORDER BY c.id FOR NO KEY UPDATE OF c
), verdict AS MATERIALIZED (
    SELECT count(*) = ? AS granted FROM taken WHERE fits
), charged AS (
    UPDATE {counters} c SET used = t.used + t.n, last_used = GREATEST(c.last_used, t.at)
    FROM taken t
    WHERE c.id = t.id AND t.n > 0 AND (SELECT granted FROM verdict)
), done (` + historyColumns + `) AS MATERIALIZED (VALUES `
	postgresqlRemember = `
), remembered AS (
    INSERT INTO {history} (` + historyColumns + `)
    SELECT * FROM done WHERE use_id IS NOT NULL AND (SELECT granted FROM verdict)
)
` + postgresqlVerdict
	postgresqlVerdict = `SELECT granted FROM verdict`

	postgresqlWantTypes    = `(?::bigint, ?::bigint, ?::bigint, ?::bigint)`
	postgresqlHistoryTypes = `(?::bigint, ?::smallint, ?::bigint, ?::bytea, ?::bytea, ?::bytea, ?::bytea,
	?::bytea, ?::smallint, ?::integer, ?::bytea, ?::bigint)`
)

func (postgresql) grants(d *decision) []demand { return d.writeGrants() }

func (postgresql) spend(d *decision) []demand {
	wanted, rows := padded(len(d.charges)), padded(len(d.history))
	args := make([]any, 0, 4*wanted+1+historyWidth*rows)
	for i := range wanted {
		c := charge{counter: -1}
		if i < len(d.charges) {
			c = d.charges[i]
		}
		args = append(args, c.counter, c.added(), flag(c.full), c.at)
	}
	args = append(args, int64(len(d.charges)))
	for i := range rows {
		var e entry
		if i < len(d.history) {
			e = d.history[i]
		}
		args = append(args, e.columns()...)
	}
	text := postgresqlSpend + typed(postgresqlWantTypes, wanted, 4) + postgresqlCharge +
		typed(postgresqlHistoryTypes, rows, historyWidth) + postgresqlRemember
	return []demand{{text: text, args: args, rows: 1, query: true}}
}

func (postgresql) better() (string, engine) { return "", nil }

// giveBack locks rows like spend. A plain UPDATE would lock them in the order in which it
// finds them. That can cause a deadlock, which the server notices only after a second.
func (postgresql) giveBack() string {
	return `
WITH taken AS MATERIALIZED (
    SELECT id, used FROM {counters} WHERE id IN ? ORDER BY id FOR NO KEY UPDATE
)
UPDATE {counters} c SET used = t.used - 1 FROM taken t WHERE c.id = t.id AND t.used > 0`
}

func (postgresql) touch() string {
	return `
WITH taken AS MATERIALIZED (
    SELECT id, used FROM {counters} WHERE id IN ? ORDER BY id FOR NO KEY UPDATE
)
UPDATE {counters} c SET used = t.used + 1 FROM taken t WHERE c.id = t.id`
}

// touchItems takes the rows in the order of their keys, as touch does. An UPDATE alone takes
// them as its plan finds them, and the plan depends on how many they are.
func (postgresql) touchItems() string {
	return `
WITH taken AS MATERIALIZED (
    SELECT item_id FROM {items} WHERE item_id IN ? AND owner_id = ? ORDER BY item_id FOR NO KEY UPDATE
)
UPDATE {items} i SET version = i.version + 1 FROM taken t WHERE i.item_id = t.item_id`
}

// locks returns a query that also waits for uses that spend nothing and only lock the row of
// their token. An UPDATE would not wait for them.
func (postgresql) locks(table, where, column string) string {
	return `SELECT ` + column + ` FROM {` + table + `} WHERE ` + where + ` ORDER BY ` + column + ` FOR UPDATE`
}

// typed returns rows of placeholders. The first row is the one given, which names the
// types.
func typed(first string, rows, columns int) string {
	if rows == 1 {
		return first
	}
	return first + ", " + values(rows-1, columns)
}

// fault looks at the SQLSTATE, which drivers offer as a method.
func (postgresql) fault(err error) fault {
	if err == nil {
		return faultOther
	}
	var e interface{ SQLState() string }
	if !errors.As(err, &e) {
		return faultOther
	}
	switch e.SQLState() {
	case "40001", // serialization_failure
		"40P01", // deadlock_detected
		"55P03": // lock_not_available
		return faultRetry
	case "40003": // statement_completion_unknown, in distributed engines
		return faultUnknown
	case "23505": // unique_violation
		return faultDuplicate
	case "22012": // division_by_zero
		return faultChanged // see together
	case "25006": // read_only_sql_transaction
		return faultReadOnly
	case "26000", // invalid_sql_statement_name: a pooler gave the session another server
		"42P05": // duplicate_prepared_statement
		return faultSpoiled
	case "0A000": // feature_not_supported
		if strings.Contains(err.Error(), "cached plan") { // a migration has changed a table
			return faultSpoiled
		}
	case "53300", // too_many_connections
		"57P03": // cannot_connect_now
		return faultUnavailable
	case "53100": // disk_full
		return faultFull
	case "42P01", "3F000": // undefined_table, invalid_schema_name
		return faultNoTable
	}
	return faultOther
}
