package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type mysql struct {
	compounds bool // the server runs compound statements
}

func (mysql) placeholder(int) string { return "?" }

// txOptions asks for READ COMMITTED. The default of sessions is REPEATABLE READ. There a
// transaction reads the state at its beginning. A blind transaction need not ask for it,
// and so saves a round trip. But where compound statements run, a session may still be in
// the transaction of one that was stopped: asking for the isolation fails then, while a
// mere BEGIN would commit that transaction.
func (m mysql) txOptions(blind bool) *sql.TxOptions {
	if blind && !m.compounds {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

func (m mysql) deletion() *sql.TxOptions { return m.txOptions(false) }

func (mysql) returning() bool { return false }
func (m mysql) decides() bool { return m.compounds }
func (mysql) writers() int    { return 0 }
func (mysql) pingSize() int   { return 250 }
func (mysql) file() string    { return "" }
func (mysql) batches() int    { return 2 }

func (mysql) relaxed(d demand) (demand, bool) { return d, false }

// settings returns those that let a statement seem to succeed and mean something else.
func (mysql) settings() []setting {
	return []setting{
		{"autocommit", "SELECT @@SESSION.autocommit", is("1", "ON"), "set autocommit=1 in the DSN or on the server", ErrUnsafe},
		{
			"completion_type", "SELECT @@SESSION.completion_type", is("NO_CHAIN", "0"),
			"set completion_type=NO_CHAIN in the DSN or on the server", ErrUnsafe,
		},
		{"unique_checks", "SELECT @@SESSION.unique_checks", is("1", "ON"), "set unique_checks=1 in the DSN or on the server", ErrUnsafe},
		{
			"sql_mode", "SELECT @@SESSION.sql_mode", func(v string) bool { return !strings.Contains(v, "EMPTY_STRING_IS_NULL") },
			"remove EMPTY_STRING_IS_NULL, in the DSN or on the server", ErrSetting,
		}, {
			"sql_select_limit", "SELECT @@SESSION.sql_select_limit", func(v string) bool { return len(v) > 9 },
			"set sql_select_limit=DEFAULT in the DSN or on the server", ErrSetting,
		},
		{"sql_big_selects", "SELECT @@SESSION.sql_big_selects", is("1", "ON"), "set sql_big_selects=1 in the DSN or on the server", ErrSetting},
		{"storage engine", mysqlEngines, is(""), "it has no transactions; convert the table: ALTER TABLE … ENGINE=InnoDB", ErrUnsafe},
	}
}

// mysqlEngines returns a table whose engine has no transactions, or nothing. A server with
// enforce_storage_engine makes such tables, and a dump may bring them.
const mysqlEngines = `
	SELECT COALESCE(MAX(CONCAT(t.engine, ' (', t.table_name, ')')), '') FROM information_schema.tables t
	WHERE t.table_schema = DATABASE() AND t.table_name IN ('{grants}', '{spares}', '{doubts}', '{commits}', '{tokens}', '{ancestors}',
		'{tombstones}', '{counters}', '{chains}', '{generations}', '{history}', '{tickets}', '{processes}',
		'{owners}', '{items}', '{links}')
	AND t.engine NOT IN (SELECT e.engine FROM information_schema.engines e WHERE e.transactions = 'YES')`

// inline writes byte strings in hexadecimal, so that no setting of the session and no
// character set changes what they mean.
func (mysql) inline(text string, args []any) (string, bool) {
	parts := strings.Split(text, "?")
	if len(parts) != len(args)+1 {
		return "", false
	}
	var b strings.Builder
	b.WriteString(parts[0])
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return "", false
		}
		switch v := v.(type) {
		case nil:
			b.WriteString("NULL")
		case int64:
			fmt.Fprintf(&b, " %d", v) // two minus signs would begin a comment
		case bool:
			b.WriteString(strings.ToUpper(strconv.FormatBool(v)))
		case []byte:
			fmt.Fprintf(&b, "X'%x'", v)
		case string:
			fmt.Fprintf(&b, "X'%x'", v)
		default:
			return "", false
		}
		b.WriteString(parts[i+1])
	}
	return b.String(), true
}

func (mysql) version() string { return "SELECT version()" }

func (mysql) recognise(v string) bool {
	return v != "" && v[0] >= '0' && v[0] <= '9' || strings.Contains(v, "MariaDB")
}

// prepared returns the charges of uses that take the same from each counter, and the
// compound statements.
func (m mysql) prepared() ([]shape, bool) {
	if m.compounds {
		return m.compoundShapes(), true
	}
	var all []shape
	for n := 1; n <= maxBatch; n *= 2 {
		all = append(all, shape{text: mysqlCharge("?", "?"), lists: lists{n}})
	}
	return append(all, shapesOneByOne()...), true
}

// mysqlCharge returns an UPDATE that locks the rows in the order of the primary key,
// because it reads them through that key. n and at are SQL expressions for the values
// that belong to the column id.
func mysqlCharge(n, at string) string {
	return `
		UPDATE {counters} FORCE INDEX (PRIMARY) SET used = used + ` + n + `, last_used = GREATEST(last_used, ` + at + `)
		WHERE id IN ? AND (max_uses < 0 OR used + ` + n + ` <= max_uses)`
}

func (m mysql) spend(d *decision) []demand {
	var taken, own ids
	var n, at byCounter
	for _, c := range d.charges {
		if added := c.added(); added > 0 {
			taken = append(taken, c.counter)
			n.add(c.counter, added)
			at.add(c.counter, c.at)
			if c.at > 0 {
				own = append(own, c.counter)
			}
		}
	}
	var all []demand
	if full, ok := mysqlLock(d.charges); ok {
		all = append(all, full)
	}
	size := d.size()
	earliest, close := at.almostOne()
	switch {
	case len(taken) == 0:
	case m.compounds && close && n.one():
		last := padTo(own, size, -1)
		all = append(all, demand{text: mysqlChargeAll, args: []any{n.values[0], last, earliest, padTo(taken, size, taken[0]), n.values[0]}, rows: len(taken)})
	default:
		nText, nArgs := n.sql()
		atText, atArgs := at.sql()
		all = append(all, demand{text: mysqlCharge(nText, atText), args: slices.Concat(nArgs, atArgs, []any{taken}, nArgs), rows: len(taken)})
	}
	if len(d.history) > 0 {
		one := insertHistory(d.history)
		if m.compounds {
			one.size = size
		}
		all = append(all, one)
	}
	return all
}

// mysqlChargeAll takes the same from all counters. It sets the same instant for those of a
// list, which is not exact: see almostOne.
const mysqlChargeAll = `
	UPDATE {counters} FORCE INDEX (PRIMARY) SET used = used + ?, last_used = GREATEST(last_used, IF(id IN ?, ?, 0))
	WHERE id IN ? AND (max_uses < 0 OR used + ? <= max_uses)`

// padTo returns a list with at least n values.
func padTo(l ids, n int, with int64) ids {
	for len(l) < n {
		l = append(l, with)
	}
	return l
}

// mysqlLock returns a query that locks all rows in the order of their ids and checks
// which of them are full. It returns false if none has to be full. Then it is not needed:
// the UPDATE locks the rows in the same order.
func mysqlLock(charges []charge) (demand, bool) {
	all := make(ids, 0, len(charges))
	var after byCounter
	for _, c := range charges {
		all = append(all, c.counter)
		if c.full {
			after.add(c.counter, c.n)
		}
	}
	if len(after.counters) == 0 {
		return demand{}, false
	}
	text := `SELECT COALESCE(SUM(CASE id` + strings.Repeat(` WHEN ? THEN max_uses >= 0 AND used + ? >= max_uses`, len(after.counters)) +
		` ELSE TRUE END), 0) = ? FROM {counters} FORCE INDEX (PRIMARY) WHERE id IN ? FOR UPDATE`
	return demand{text: text, args: append(after.pairs(), len(all), all), rows: 1, query: true}, true
}

// giveBack reads the rows through the primary key, as spend does.
func (mysql) giveBack() string {
	return `UPDATE {counters} FORCE INDEX (PRIMARY) SET used = used - 1 WHERE id IN ? AND used > 0`
}

func (mysql) locks(string, string, string) string { return "" }

func (mysql) touchItems() string {
	return `UPDATE {items} SET version = version + 1 WHERE item_id IN ? AND owner_id = ?`
}

func (mysql) touch() string {
	return `UPDATE {counters} FORCE INDEX (PRIMARY) SET used = used + 1 WHERE id IN ?`
}

// byCounter holds a value for each counter.
type byCounter struct {
	counters, values []int64
}

func (b *byCounter) add(counter, value int64) {
	b.counters, b.values = append(b.counters, counter), append(b.values, value)
}

func (b *byCounter) pairs() []any {
	var args []any
	for i := range b.counters {
		args = append(args, b.counters[i], b.values[i])
	}
	return args
}

// one reports whether all counters have the same value.
func (b *byCounter) one() bool { return len(slices.Compact(slices.Clone(b.values))) == 1 }

// almostOne returns the least instant, and whether it may stand for all others: the
// recorded instant of the last use may be somewhat behind. 0 is no instant.
func (b *byCounter) almostOne() (int64, bool) {
	var least, most int64
	for _, v := range b.values {
		if v > 0 && (least == 0 || v < least) {
			least = v
		}
		most = max(most, v)
	}
	return least, most-least <= lag
}

// sql returns an SQL expression for the value that belongs to the column id.
func (b *byCounter) sql() (string, []any) {
	if b.one() {
		return "?", []any{b.values[0]}
	}
	return "CASE id" + strings.Repeat(" WHEN ? THEN ?", len(b.counters)) + " END", b.pairs()
}

// fault looks at the error number. The driver keeps it in a field, but also begins its
// message with it: "Error 1213 (40001): …".
func (m mysql) fault(err error) fault {
	n := mysqlNumber(err)
	switch n {
	case 1213, // ER_LOCK_DEADLOCK, and a failed certification on Galera
		1205, // ER_LOCK_WAIT_TIMEOUT
		1020, // ER_CHECKREAD: changed since the snapshot
		3101: // ER_TRANSACTION_ROLLBACK_DURING_COMMIT: a failed certification on Group Replication
		return faultRetry
	case errnoChanged:
		return faultChanged
	case 1062: // ER_DUP_ENTRY
		return faultDuplicate
	case 1290, 1792, 1836: // --read-only; read-only transaction; read-only mode
		return faultReadOnly
	case 1047: // ER_UNKNOWN_COM_ERROR: the node has left its Galera cluster
		return faultLeft
	case 1040, // ER_CON_COUNT_ERROR
		1203, // ER_TOO_MANY_USER_CONNECTIONS
		1226, // ER_USER_LIMIT_REACHED
		9001: // ProxySQL: no server in time
		return faultUnavailable
	case 1461, // ER_MAX_PREPARED_STMT_COUNT_REACHED
		1243, // ER_UNKNOWN_STMT_HANDLER: a proxy gave the session another server
		1295: // ER_UNSUPPORTED_PS
		return faultUnprepared
	case 1021, 1114: // ER_DISK_FULL, ER_RECORD_FILE_FULL
		return faultFull
	case 1060: // ER_DUP_FIELDNAME
		return faultColumn
	case 1146, 1049: // ER_NO_SUCH_TABLE, ER_BAD_DB_ERROR
		return faultNoTable
	case 1568: // ER_CANT_CHANGE_TX_CHARACTERISTICS: the session is in a transaction; see txOptions
		return faultSpoiled
	}
	if m.compounds && n != 0 {
		return faultStopped
	}
	return faultOther
}

func mysqlNumber(err error) int {
	for ; err != nil; err = errors.Unwrap(err) {
		rest, ok := strings.CutPrefix(err.Error(), "Error ")
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(rest[:max(0, strings.IndexAny(rest, " :"))]); err == nil {
			return n
		}
	}
	return 0
}
