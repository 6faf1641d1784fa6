package sqlstore

import (
	"context"
	"database/sql"
	"math/bits"
	"slices"
	"strings"
)

// Statements are written with {tokens} for the name of a table, {:tokens_grant}
// for that of an index or a constraint, ? for an argument, and IN ? for an
// argument that is a list.

// runner is a *sql.DB or a *sql.Tx.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// list is an argument of several values.
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

// padded is the length that a list is filled up to, so that there are few
// different statements.
func padded(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }

// padding repeats the last value. An empty list is one NULL, which is equal to
// nothing.
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

// shape is what decides how a statement is expanded: its text and how long its
// lists are.
type shape struct {
	text  string
	lists [3]int
}

// prepare turns a statement with its arguments into what the driver gets.
func (s *Store) prepare(text string, args []any) (string, []any) {
	key := shape{text: text}
	flat := args
	lists := 0
	for i, a := range args {
		l := asList(a)
		if l == nil {
			if lists > 0 {
				flat = append(flat, a)
			}
			continue
		}
		if lists == 0 {
			flat = slices.Clone(args[:i])
		}
		n := padded(l.count())
		for j := range n {
			flat = append(flat, padding(l, j))
		}
		key.lists[lists] = n
		lists++
	}
	if known, ok := s.expanded.Load(key); ok {
		return known.(string), flat
	}
	out := expand(s.engine, s.names, key)
	if len(text) < 4096 { // what is longer is rare, and hardly ever the same
		s.expanded.Store(key, out)
	}
	return out, flat
}

// expand writes the names of tables and the placeholders.
func expand(e engine, n names, sh shape) string {
	var b strings.Builder
	arguments, lists := 0, 0
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
			count = sh.lists[lists]
			lists++
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

// exec runs a statement and tells how many rows it changed.
func (s *Store) exec(ctx context.Context, on runner, text string, args ...any) (int64, error) {
	text, args = s.prepare(text, args)
	res, err := on.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// must runs a statement that changes exactly n rows unless the state that the
// step was decided on has changed.
func (s *Store) must(ctx context.Context, on runner, n int, text string, args ...any) error {
	changed, err := s.exec(ctx, on, text, args...)
	if err == nil && changed != int64(n) {
		return errChanged
	}
	return err
}

// insert adds one row to a table whose key is id, and returns it.
func (s *Store) insert(ctx context.Context, on runner, text string, args ...any) (id int64, err error) {
	if s.engine.returning() {
		err = s.each(ctx, on, func(r *sql.Rows) error { return r.Scan(&id) }, text+" RETURNING id", args...)
		return id, err
	}
	text, args = s.prepare(text, args)
	res, err := on.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// each runs a query and calls scan for each row.
func (s *Store) each(ctx context.Context, on runner, scan func(*sql.Rows) error, text string, args ...any) error {
	text, args = s.prepare(text, args)
	rows, err := on.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
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

// values repeats a row of placeholders for an INSERT of several rows.
func values(rows, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + ")"
	return strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ")
}

// unique sorts a list and removes what is there twice.
func unique(l ids) ids {
	slices.Sort(l)
	return slices.Compact(l)
}

// filled is b, and never nil: an empty value is not NULL.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// orNull is nil for an id that was never set.
func orNull[T interface{ IsZero() bool }](id T, bytes []byte) any {
	if id.IsZero() {
		return nil
	}
	return bytes
}
