package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
)

type mysql struct{}

func (mysql) placeholder(int) string { return "?" }

// txOptions: sessions default to REPEATABLE READ, under which a transaction
// reads what was true when it began.
func (mysql) txOptions() *sql.TxOptions { return &sql.TxOptions{Isolation: sql.LevelReadCommitted} }
func (mysql) returning() bool           { return false }
func (mysql) oneStatement() bool        { return false }
func (mysql) prepares() bool            { return true }
func (mysql) writers() int              { return 0 }
func (mysql) batches() int              { return 2 }

// spendAtOnce: there is no such statement.
func (mysql) spendAtOnce(context.Context, *Store, *member) (bool, error) { return false, nil }

func (mysql) version() string { return "SELECT version()" }

func (mysql) recognise(v string) bool {
	return v != "" && v[0] >= '0' && v[0] <= '9' || strings.Contains(v, "MariaDB")
}

// spend takes the rows in the order of the primary key: the UPDATE reads them
// through it.
func (e mysql) spend(ctx context.Context, s *Store, on runner, d *decision) error {
	if err := e.lockFull(ctx, s, on, d); err != nil {
		return err
	}
	var taken ids
	n, at := byCounter{}, byCounter{}
	for _, c := range d.charges {
		if c.n > 0 {
			taken = append(taken, c.counter)
			n.add(c.counter, c.n)
			at.add(c.counter, c.at)
		}
	}
	nText, nArgs := n.sql()
	atText, atArgs := at.sql()
	args := slices.Concat(nArgs, atArgs, []any{taken}, nArgs)
	err := s.must(ctx, s.varied(on), len(taken), `
		UPDATE {counters} FORCE INDEX (PRIMARY) SET used = used + `+nText+`, last_used = GREATEST(last_used, `+atText+`)
		WHERE id IN ? AND (max_uses < 0 OR used + `+nText+` <= max_uses)`, args...)
	if err != nil {
		return err
	}
	return s.addHistory(ctx, on, d.history)
}

// giveBack reads the rows through the primary key, as spend does.
func (mysql) giveBack() string {
	return `UPDATE {counters} FORCE INDEX (PRIMARY) SET used = used - 1 WHERE id IN ? AND used > 0`
}

// byCounter is a value for each counter.
type byCounter struct {
	counters, values []int64
}

func (b *byCounter) add(counter, value int64) {
	b.counters, b.values = append(b.counters, counter), append(b.values, value)
}

// sql is an expression for the value of the counter id.
func (b *byCounter) sql() (string, []any) {
	if len(slices.Compact(slices.Clone(b.values))) == 1 {
		return "?", []any{b.values[0]}
	}
	var args []any
	for i := range b.counters {
		args = append(args, b.counters[i], b.values[i])
	}
	return "CASE id" + strings.Repeat(" WHEN ? THEN ?", len(b.counters)) + " END", args
}

// lockFull takes all rows in their order if some must turn out to be full. The
// others are taken in that order by the UPDATE.
func (mysql) lockFull(ctx context.Context, s *Store, on runner, d *decision) error {
	all := make(ids, 0, len(d.charges))
	after := make(map[int64]int64)
	for _, c := range d.charges {
		all = append(all, c.counter)
		if c.full {
			after[c.counter] = c.n
		}
	}
	if len(after) == 0 {
		return nil
	}
	return s.each(ctx, on, func(r *sql.Rows) error {
		var id, limit, used int64
		if err := r.Scan(&id, &limit, &used); err != nil {
			return err
		}
		if n, ok := after[id]; ok && (limit < 0 || used+n < limit) {
			return errChanged
		}
		return nil
	}, `SELECT id, max_uses, used FROM {counters} WHERE id IN ? ORDER BY id FOR UPDATE`, all)
}

// fault goes by the number. The driver keeps it in a field, but says it at the
// beginning of its message: "Error 1213 (40001): …".
func (mysql) fault(err error) fault {
	switch mysqlNumber(err) {
	case 1213, // ER_LOCK_DEADLOCK, and a failed certification on Galera
		1205, // ER_LOCK_WAIT_TIMEOUT
		1020: // ER_CHECKREAD: changed since the snapshot
		return faultRetry
	case 1062: // ER_DUP_ENTRY
		return faultDuplicate
	case 1290, 1792, 1836: // --read-only; read-only transaction; read-only mode
		return faultReadOnly
	case 1021, 1114: // ER_DISK_FULL, ER_RECORD_FILE_FULL
		return faultFull
	case 1146, 1049: // ER_NO_SUCH_TABLE, ER_BAD_DB_ERROR
		return faultNoTable
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
