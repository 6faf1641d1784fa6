package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// A pool keeps its connections for long. Some of them outlive their use: the server was
// demoted and is read-only now, a node has left its cluster, or a pooler has dropped the
// prepared statements. The store closes such a connection, and all idle ones with it, so
// that the next attempt connects anew and reaches the server that works now. Reads would
// never notice: they would go on showing an old state.

// maxStale bounds how many dead connections of the pool one transaction tries. The pool
// replaces each of them.
const maxStale = 16

// transaction takes a connection and begins a transaction. It tries another connection while
// the driver reports that the first one was dead before anything was sent.
func (s *Store) transaction(ctx context.Context, options *sql.TxOptions) (*sql.Conn, *sql.Tx, error) {
	for tried := 1; ; tried++ {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		tx, err := conn.BeginTx(ctx, options)
		if err == nil {
			return conn, tx, nil
		}
		s.putBack(ctx, conn, err)
		if !errors.Is(err, driver.ErrBadConn) || tried == maxStale {
			return nil, nil, err
		}
	}
}

// putBack returns a connection to the pool, or closes it if trouble is not nil: a
// connection on which a COMMIT or a ROLLBACK failed may still be in a transaction, which
// the next BEGIN could commit.
//
// If the context has ended, package sql may be rolling back at the same time, for as long
// as the network lets it. putBack does not wait for that.
func (s *Store) putBack(ctx context.Context, conn *sql.Conn, trouble error) {
	switch {
	case trouble == nil:
		_ = conn.Close() // fails only if the driver has closed it already
	case ctx.Err() != nil:
		go discard(conn)
	default:
		discard(conn)
	}
}

// discard closes a connection instead of returning it to the pool.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}

// spoiled returns the error if the connection on which it occurred should not be used
// again.
func (s *Store) spoiled(err error) error {
	if s.engine.fault(err).spoils() {
		return err
	}
	return nil
}

// discardIdle closes the idle connections of the pool, because the server behind one of
// them does not serve the store any more. seen is the value of s.discards before the
// attempt that noticed. If somebody has closed them since, discardIdle closes one only:
// that of the attempt.
func (s *Store) discardIdle(ctx context.Context, seen uint64) {
	s.discarding.Lock()
	defer s.discarding.Unlock()
	idle := s.db.Stats().Idle
	if s.discards.Load() != seen {
		idle = min(idle, 1)
	}
	for ; idle > 0 && s.db.Stats().Idle > 0; idle-- {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			break
		}
		discard(conn)
	}
	s.discards.Add(1)
}

// single runs one statement outside of a transaction. It takes a connection first, so
// that a failure to get one is told from a failure of the statement, and so that it can
// close the connection if the statement has left the session in a transaction.
type single struct {
	store *Store
	conn  *sql.Conn
	sent  bool // the statement may have reached the database
	bad   bool // the connection must not be used again
}

func (o *single) ExecContext(ctx context.Context, text string, args ...any) (res sql.Result, err error) {
	err = o.run(ctx, func() error {
		res, err = o.conn.ExecContext(ctx, text, args...)
		return err
	})
	return res, err
}

func (o *single) QueryContext(ctx context.Context, text string, args ...any) (rows *sql.Rows, err error) {
	err = o.run(ctx, func() error {
		rows, err = o.conn.QueryContext(ctx, text, args...)
		return err
	})
	return rows, err
}

// each runs a query and calls scan for each row of all its result sets.
func (o *single) each(ctx context.Context, scan func(row) error, text string, args ...any) error {
	s := o.store
	if expanded, flat := s.expand(text, args); s.compounds[expanded] && !s.unprepared.Load() {
		var found []cells
		err := o.run(ctx, func() (err error) {
			found, err = s.query(ctx, o.conn, expanded, flat)
			return err
		})
		if s.engine.fault(err) != faultUnprepared {
			for i := 0; i < len(found) && err == nil; i++ {
				err = scan(found[i])
			}
			return err
		}
		s.unprepared.Store(true)
	}
	return s.each(ctx, o, func(r *sql.Rows) error { return scan(r) }, text, args...)
}

func (o *single) run(ctx context.Context, do func() error) error {
	for tried := 1; ; tried++ {
		o.close()
		conn, err := o.store.db.Conn(ctx)
		if err != nil {
			return err
		}
		o.conn, o.sent = conn, true
		err = do()
		// Not every driver is strict about what this error promises, so sent stays true.
		if !errors.Is(err, driver.ErrBadConn) || tried == maxStale {
			return err
		}
	}
}

// judge decides whether the connection can be used again after an error.
func (o *single) judge(err error) {
	f := o.store.engine.fault(err)
	o.bad = o.bad || f.spoils() || f == faultStopped
}

// close returns the connection. The rows of a query must be closed by then.
func (o *single) close() {
	if o.conn == nil {
		return
	}
	if o.bad {
		discard(o.conn)
	} else {
		_ = o.conn.Close() // fails only if the driver has closed it already
	}
	o.conn, o.bad = nil, false
}
