package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// preparedShapes lists the statements that the store keeps prepared: those that most
// requests need, in the usual sizes. The store sends all others as text. New prepares
// them once, and package database/sql prepares them again on each connection.
func preparedShapes(e engine) []shape {
	all, gains := e.prepared()
	if !gains {
		return nil
	}
	for n := 1; n <= maxBatch; n *= 2 {
		all = append(all,
			shape{text: presentQuery, lists: lists{n, 2, 2}}, // uses of the first clause
			shape{text: grantsOfQuery, lists: lists{n}})
	}
	all = append(all,
		shape{text: presentQuery, lists: lists{1, 1, 1}}, // uses that are not counted, rotations
		shape{text: presentQuery, lists: lists{1, 2, 1}}, // uses without clauses
		shape{text: presentQuery, lists: lists{1, 2, 4}}) // uses of one of several clauses
	for n := 1; n <= maxShared; n *= 2 {
		all = append(all, shape{text: oneQuery, lists: lists{n}})
	}
	for _, text := range []string{
		listQuery, countQuery, subtreeQuery, grantQuery, updateGrant, updateLease, commitQuery, endDone,
	} {
		all = append(all, shape{text: text})
	}
	return all
}

// shapesOneByOne lists the statements of transactions that an engine runs statement by
// statement.
func shapesOneByOne() []shape {
	var all []shape
	for n := 1; n <= maxBatch; n *= 2 {
		all = append(all, shape{text: historyText(n)})
	}
	for _, text := range []string{insertToken, insertAncestors, insertCounters(3), insertChains, commitOnly, commitAndEnd, endOnly, insertCommit} {
		all = append(all, shape{text: text})
	}
	return all
}

// prepare prepares the statements of [preparedShapes]. If the server does not prepare
// one, the store sends it as text.
func (s *Store) prepare(ctx context.Context) error {
	s.prepared, s.compounds = make(map[string]*sql.Stmt), make(map[string]bool)
	for _, sh := range preparedShapes(s.engine) {
		text := expand(s.engine, s.names, sh)
		var stmt *sql.Stmt
		var err error
		if isCompound(text) {
			err = s.prepareCompound(ctx, text)
		} else {
			stmt, err = s.db.PrepareContext(ctx, text)
		}
		switch {
		case err == nil && stmt == nil:
			s.compounds[text] = true
		case err == nil:
			s.prepared[text] = stmt
		case ctx.Err() != nil:
			return fmt.Errorf("sqlstore: prepare a statement: %w", err)
		case s.engine.fault(err) == faultUnprepared:
			s.unprepared.Store(true)
			return nil // the next one would fare no better
		}
	}
	return nil
}

// query is a statement that is ready to run.
type query struct {
	store *Store
	on    runner
	text  string
	stmt  *sql.Stmt // nil: not prepared
	// single is set for a statement outside of a transaction.
	single *single
}

// ready returns an expanded statement, prepared if it is on the list and as text
// otherwise.
func (s *Store) ready(ctx context.Context, on runner, text string) query {
	q := query{store: s, on: on, text: text}
	if s.unprepared.Load() {
		return q
	}
	q.stmt = s.prepared[text]
	if tx, inTx := on.(*sql.Tx); inTx && q.stmt != nil {
		q.stmt = tx.StmtContext(ctx, q.stmt)
	}
	q.single, _ = on.(*single)
	return q
}

func (q query) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return run(ctx, q, args, func(args []any) (sql.Result, error) {
		return q.stmt.ExecContext(ctx, args...)
	}, func(text string, args []any) (sql.Result, error) {
		return q.on.ExecContext(ctx, text, args...)
	})
}

func (q query) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return run(ctx, q, args, func(args []any) (*sql.Rows, error) {
		return q.stmt.QueryContext(ctx, args...)
	}, func(text string, args []any) (*sql.Rows, error) {
		return q.on.QueryContext(ctx, text, args...)
	})
}

// reach prepares to send a prepared statement outside of a transaction, on a connection
// that package sql chooses. It takes one before, so that a failure to get any is told from
// a failure of the statement.
func (q query) reach(ctx context.Context) error {
	if q.single == nil || q.single.sent {
		return nil
	}
	conn, err := q.store.db.Conn(ctx)
	if err != nil {
		return err
	}
	_ = conn.Close() // fails only if the driver has closed it already
	q.single.sent = true
	return nil
}

// run runs a statement. If the server refuses to prepare it, run writes the arguments
// into the text: without that, the driver would prepare the statement itself. From then
// on the store does so with all statements, until the process ends.
func run[T any](ctx context.Context, q query, args []any, prepared func([]any) (T, error), asText func(string, []any) (T, error)) (out T, err error) {
	if !q.store.unprepared.Load() {
		if q.stmt != nil {
			if err = q.reach(ctx); err == nil {
				out, err = prepared(args)
			}
		} else {
			out, err = asText(q.text, args)
		}
		if q.store.engine.fault(err) != faultUnprepared {
			return out, err
		}
	}
	text, ok := q.store.engine.inline(q.text, args)
	if !ok {
		if err == nil {
			return asText(q.text, args)
		}
		return out, err
	}
	q.store.unprepared.Store(true)
	return asText(text, nil)
}

// shapeOf returns the shape of a statement with its arguments.
func shapeOf(text string, args []any) shape {
	sh := shape{text: text}
	found := 0
	for _, a := range args {
		if l := asList(a); l != nil {
			sh.lists[found] = padded(l.count())
			found++
		}
	}
	return sh
}
