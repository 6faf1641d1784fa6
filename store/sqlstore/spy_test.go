package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// spy is a connector that sees every statement that the store sends to a database.
type spy struct {
	driver.Connector

	prepared atomic.Int64 // statements that were prepared

	mu         sync.Mutex
	statements []statement
	// The spy calls before before each statement. If before returns an error, the
	// statement fails with it. after is the same for a statement that has succeeded.
	before, after func(ctx context.Context, st statement) error
	// failed, if set, is called when the database refuses a statement. The statement
	// fails with what it returns.
	failed func(error) error
}

// statement is one round trip.
type statement struct {
	text     string // BEGIN, COMMIT and ROLLBACK included
	args     []driver.NamedValue
	prepared bool
}

// is reports whether the statement begins with a word.
func (st statement) is(word string) bool { return strings.HasPrefix(strings.TrimSpace(st.text), word) }

// taken returns the statements since the last call.
func (s *spy) taken() []statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.statements
	s.statements = nil
	return all
}

func (s *spy) hook(before, after func(context.Context, statement) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// run lets a statement pass.
func (s *spy) run(ctx context.Context, st statement, do func() error) error {
	st.args = slices.Clone(st.args)
	s.mu.Lock()
	s.statements = append(s.statements, st)
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx, st); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		s.mu.Lock()
		failed := s.failed // as it is when the database refuses
		s.mu.Unlock()
		if failed != nil {
			err = failed(err)
		}
		return err
	}
	if after != nil {
		return after(ctx, st)
	}
	return nil
}

// Connect implements [driver.Connector].
func (s *spy) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &spyConn{c, s}, nil
}

type spyConn struct {
	driver.Conn
	spy *spy
}

func (c *spyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	var tx driver.Tx
	err := c.spy.run(ctx, statement{text: "BEGIN"}, func() (err error) {
		tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
		return err
	})
	return &spyTx{tx, c.spy}, err
}

func (c *spyConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	c.spy.prepared.Add(1)
	st, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &spyStmt{st, text, c.spy}, nil
}

func (c *spyConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (res driver.Result, err error) {
	err = c.spy.run(ctx, statement{text: text, args: args}, func() (err error) {
		res, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
		return err
	})
	return res, err
}

func (c *spyConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.spy.run(ctx, statement{text: text, args: args}, func() (err error) {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
		return err
	})
	if err != nil && rows != nil {
		_ = rows.Close() // the answer that the test loses
	}
	return rows, err
}

func (c *spyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *spyConn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *spyConn) IsValid() bool {
	if v, ok := c.Conn.(driver.Validator); ok {
		return v.IsValid()
	}
	return true
}

type spyTx struct {
	driver.Tx
	spy *spy
}

func (t *spyTx) Commit() error {
	return t.spy.run(context.Background(), statement{text: "COMMIT"}, t.Tx.Commit)
}

func (t *spyTx) Rollback() error {
	return t.spy.run(context.Background(), statement{text: "ROLLBACK"}, t.Tx.Rollback)
}

type spyStmt struct {
	driver.Stmt
	text string
	spy  *spy
}

func (st *spyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	err = st.spy.run(ctx, statement{text: st.text, args: args, prepared: true}, func() (err error) {
		res, err = st.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	})
	return res, err
}

func (st *spyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = st.spy.run(ctx, statement{text: st.text, args: args, prepared: true}, func() (err error) {
		rows, err = st.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
		return err
	})
	if err != nil && rows != nil {
		_ = rows.Close()
	}
	return rows, err
}

func (st *spyStmt) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := st.Stmt.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
