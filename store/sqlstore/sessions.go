package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"sync"
)

// Package sql runs a prepared statement on a connection of its choice, and returns that
// connection to the pool before it reports an error. But a compound statement that was
// stopped may leave its session in a transaction; see dialect_mariadb.go. So the store
// runs compound statements on connections that it has taken, and keeps them prepared
// there itself. If one is stopped, nobody else gets its connection.

// sessions holds the statements that are prepared on each connection.
type sessions struct {
	mu    sync.Mutex
	known map[driver.Conn]*session
	turn  uint64
}

// session holds the statements that are prepared on one connection. Only the caller that
// has taken the connection uses them.
type session struct {
	prepared map[string]driver.StmtQueryContext
	turn     uint64 // when somebody used it last
}

var errNoSession = errors.New("sqlstore: the driver does not run prepared queries with a context")

// of returns the session of a connection. Nobody says when the pool closes a connection.
// So if there are twice as many sessions as connections, the one goes that was not used
// for the longest time. If its connection is open after all, its statements are prepared
// once more when it is used again.
func (s *sessions) of(c driver.Conn, open int) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	one := s.known[c]
	if one == nil {
		one = &session{prepared: make(map[string]driver.StmtQueryContext)}
		for len(s.known) > 2*open {
			delete(s.known, slices.MinFunc(slices.Collect(maps.Keys(s.known)), func(a, b driver.Conn) int {
				return int(int64(s.known[a].turn - s.known[b].turn))
			}))
		}
		if s.known == nil {
			s.known = make(map[driver.Conn]*session)
		}
		s.known[c] = one
	}
	one.turn = s.turn
	return one
}

// prepare returns a prepared statement of the session.
func (s *session) prepare(ctx context.Context, c driver.Conn, text string) (driver.StmtQueryContext, error) {
	if known := s.prepared[text]; known != nil {
		return known, nil
	}
	p, ok := c.(driver.ConnPrepareContext)
	if !ok {
		return nil, errNoSession
	}
	stmt, err := p.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	query, ok := stmt.(driver.StmtQueryContext)
	if !ok {
		return nil, errors.Join(errNoSession, stmt.Close())
	}
	s.prepared[text] = query
	return query, nil
}

// onSession calls do with a connection that the caller has taken, and its session.
func (s *Store) onSession(conn *sql.Conn, do func(c driver.Conn, one *session) error) error {
	return conn.Raw(func(raw any) error {
		c, ok := raw.(driver.Conn)
		if !ok || !reflect.TypeOf(c).Comparable() {
			return errNoSession
		}
		return do(c, s.sessions.of(c, s.db.Stats().OpenConnections))
	})
}

// prepareCompound prepares a statement on one connection, to find out whether that works.
func (s *Store) prepareCompound(ctx context.Context, text string) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return s.onSession(conn, func(c driver.Conn, one *session) error {
		_, err := one.prepare(ctx, c, text)
		return err
	})
}

// query runs a prepared statement on a connection that the caller has taken. It returns
// the rows of all result sets.
func (s *Store) query(ctx context.Context, conn *sql.Conn, text string, args []any) (found []cells, err error) {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, err
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	err = s.onSession(conn, func(c driver.Conn, one *session) error {
		stmt, err := one.prepare(ctx, c, text)
		if err != nil {
			return err
		}
		rows, err := stmt.QueryContext(ctx, named)
		if err != nil {
			return err
		}
		defer rows.Close()
		found, err = readAll(rows)
		return err
	})
	return found, err
}

// readAll reads the rows of all result sets.
func readAll(rows driver.Rows) ([]cells, error) {
	var all []cells
	for {
		for {
			one := make(cells, len(rows.Columns()))
			err := rows.Next(one)
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			for i, v := range one {
				if b, ok := v.([]byte); ok {
					one[i] = slices.Clone(b) // the driver may use its own again
				}
			}
			all = append(all, one)
		}
		sets, ok := rows.(driver.RowsNextResultSet)
		if !ok || !sets.HasNextResultSet() {
			return all, nil
		}
		if err := sets.NextResultSet(); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// row is a row of a result.
type row interface {
	Scan(into ...any) error
}

// cells is a row that was read without package sql.
type cells []driver.Value

// Scan does what Scan of [sql.Rows] does, for what the store reads with a compound
// statement.
func (v cells) Scan(into ...any) error {
	if len(into) != len(v) {
		return fmt.Errorf("sqlstore: a row has %d columns, want %d", len(v), len(into))
	}
	for i := range v {
		var err error
		switch to := into[i].(type) {
		case sql.Scanner:
			err = to.Scan(v[i])
		case *[]byte:
			err = orZero[[]byte]{to}.Scan(v[i])
		case *int:
			err = orZero[int]{to}.Scan(v[i])
		default:
			err = fmt.Errorf("no rule for %T", to)
		}
		if err != nil {
			return fmt.Errorf("sqlstore: column %d: %w", i, err)
		}
	}
	return nil
}
