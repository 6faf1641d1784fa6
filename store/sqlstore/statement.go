package sqlstore

import (
	"context"
	"database/sql"
	"math/bits"
	"slices"
	"strings"
)

// The statements of this package use these placeholders: {tokens} for the name of a
// table, {:tokens_grant} for the name of an index or a constraint, ? for an argument, and
// IN ? for an argument that is a list.

// runner is a *sql.DB or a *sql.Tx.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// list is an argument with several values.
type list interface {
	count() int
	at(i int) any
}

// ids is a list of internal keys.
type ids []int64

func (l ids) count() int   { return len(l) }
func (l ids) at(i int) any { return l[i] }

// blobs is a list of byte strings.
type blobs [][]byte

func (l blobs) count() int   { return len(l) }
func (l blobs) at(i int) any { return l[i] }

// asList returns nil if the argument is a single value.
func asList(arg any) list {
	switch l := arg.(type) {
	case list:
		return l
	case []int64:
		return ids(l)
	case [][]byte:
		return blobs(l)
	}
	return nil
}

// padded returns the length to which a list of n values is padded, so that there are few
// different statements.
func padded(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }

// padding returns the ith value of a padded list. It repeats the last value. An empty
// list becomes one NULL, which equals nothing.
func padding(l list, i int) any {
	if l.count() == 0 {
		return nil
	}
	return l.at(min(i, l.count()-1))
}

// names are the names of tables and indices in statements.
type names struct {
	schema string // with the dot, or empty
	prefix string
}

// lists holds the lengths of the lists of a statement, in their order.
type lists [8]int

// shape determines how a statement is expanded: by its text and the lengths of its lists.
type shape struct {
	text  string
	lists lists
}

// expand turns a statement and its arguments into those for the driver.
func (s *Store) expand(text string, args []any) (string, []any) {
	key := shape{text: text}
	flat := args
	found := 0
	for i, a := range args {
		l := asList(a)
		if l == nil {
			if found > 0 {
				flat = append(flat, a)
			}
			continue
		}
		if found == 0 {
			flat = slices.Clone(args[:i])
		}
		n := padded(l.count())
		for j := range n {
			flat = append(flat, padding(l, j))
		}
		key.lists[found] = n
		found++
	}
	if known, ok := s.expanded.Load(key); ok {
		return known.(string), flat
	}
	out := expand(s.engine, s.names, key)
	if len(text) < 1<<15 { // longer ones are rare and hardly ever the same
		s.expanded.Store(key, out)
	}
	return out, flat
}

// expand fills in the names of tables and the driver's placeholders.
func expand(e engine, n names, sh shape) string {
	var b strings.Builder
	arguments, found := 0, 0
	text := sh.text
	for {
		i := strings.IndexAny(text, "{?")
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		if text[i] == '{' {
			end := i + strings.IndexByte(text[i:], '}')
			b.WriteString(n.expand(text[i+1 : end]))
			text = text[end+1:]
			continue
		}
		count := 1
		if strings.HasSuffix(text[:i], "IN ") {
			count = sh.lists[found]
			found++
			b.WriteByte('(')
		}
		for j := range count {
			if j > 0 {
				b.WriteString(", ")
			}
			arguments++
			b.WriteString(e.placeholder(arguments))
		}
		if strings.HasSuffix(text[:i], "IN ") {
			b.WriteByte(')')
		}
		text = text[i+1:]
	}
}

func (n names) expand(name string) string {
	if index, ok := strings.CutPrefix(name, ":"); ok {
		return n.prefix + index
	}
	return n.schema + n.prefix + name
}

// exec runs a statement and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, on runner, text string, args ...any) (int64, error) {
	text, args = s.expand(text, args)
	res, err := s.ready(ctx, on, text).ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// demand is a statement with the result that it must have. Any other result means that
// the state on which a step was decided has changed.
type demand struct {
	text string
	args []any
	// rows is how many rows the statement must change, or anyRows. A query must return
	// that many rows, each with one column that is true.
	rows  int
	query bool
	// size, if set, says that the statement is an INSERT into the history, and how many rows
	// an engine may make room for, so that a few texts fit all numbers of rows.
	size int
	// after says that the statement reads rows that an earlier one of the same list has
	// written, or that others have written while an earlier one waited for them.
	after bool
	// did, if set, is called if the statement has changed a row, or as many as all says.
	did func()
	all int
}

// anyRows says that a statement may change any number of rows.
const anyRows = -1

// demand runs a statement. It returns errChanged if the result is another one.
func (s *Store) demand(ctx context.Context, on runner, d demand) error {
	if !d.query {
		changed, err := s.exec(ctx, on, d.text, d.args...)
		if d.did != nil && err == nil && changed >= int64(max(d.all, 1)) {
			d.did()
		}
		if err == nil && changed != int64(d.rows) && d.rows != anyRows {
			return errChanged
		}
		return err
	}
	verdicts, err := column[bool](ctx, s, on, d.text, d.args...)
	if err == nil && (len(verdicts) != d.rows || slices.Contains(verdicts, false)) {
		return errChanged
	}
	return err
}

// demandAll runs statements until one fails.
func (s *Store) demandAll(ctx context.Context, on runner, all []demand) error {
	for _, d := range all {
		if err := s.demand(ctx, on, d); err != nil {
			return err
		}
	}
	return nil
}

// must runs a statement. It returns errChanged unless the statement changes exactly n
// rows. anyRows allows every number.
func (s *Store) must(ctx context.Context, on runner, n int, text string, args ...any) error {
	return s.demand(ctx, on, demand{text: text, args: args, rows: n})
}

const returningID = " RETURNING id"

// insert adds one row to a table whose key is id, and returns that key.
func (s *Store) insert(ctx context.Context, on runner, text string, args ...any) (id int64, err error) {
	if s.engine.returning() {
		err = s.each(ctx, on, func(r *sql.Rows) error { return r.Scan(&id) }, text+returningID, args...)
		return id, err
	}
	text, args = s.expand(text, args)
	res, err := s.ready(ctx, on, text).ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// each runs a query and calls scan for each row of all its result sets.
func (s *Store) each(ctx context.Context, on runner, scan func(*sql.Rows) error, text string, args ...any) error {
	text, args = s.expand(text, args)
	rows, err := s.ready(ctx, on, text).QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// column runs a query for one column.
func column[T any](ctx context.Context, s *Store, on runner, text string, args ...any) ([]T, error) {
	var all []T
	err := s.each(ctx, on, func(r *sql.Rows) error {
		var v T
		err := r.Scan(&v)
		all = append(all, v)
		return err
	}, text, args...)
	return all, err
}

// values returns rows of placeholders for an INSERT.
func values(rows, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + ")"
	return strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ")
}

// either returns a condition that finds the rows of n keys, each by the same condition.
func either(key string, n int) string {
	return strings.TrimSuffix(strings.Repeat("("+key+") OR ", n), " OR ")
}

// unique sorts a list and removes duplicates.
func unique(l ids) ids {
	slices.Sort(l)
	return slices.Compact(l)
}

// filled returns b, or an empty slice if b is nil, because the driver would store nil as
// NULL.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// orNull returns nil for an id that was never set.
func orNull[T interface{ IsZero() bool }](id T, bytes []byte) any {
	if id.IsZero() {
		return nil
	}
	return bytes
}

// textOrNull returns nil for an empty text. Some servers store it as NULL anyway.
func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return []byte(s)
}
