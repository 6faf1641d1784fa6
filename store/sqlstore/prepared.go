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
			shape{text: presentQuery, lists: [3]int{n, 2, 2}}, // uses of the first clause
			shape{text: historyText(n)})
	}
	all = append(all,
		shape{text: presentQuery, lists: [3]int{1, 1, 1}}, // uses that are not counted, rotations
		shape{text: presentQuery, lists: [3]int{1, 2, 1}}, // uses without clauses
		shape{text: presentQuery, lists: [3]int{1, 2, 4}}) // uses of one of several clauses
	for _, text := range []string{
		oneQuery, listQuery, countQuery, subtreeQuery,
		insertToken, insertAncestors, insertCounters(3), insertChains,
		grantQuery, updateGrant, commitQuery, insertCommit,
	} {
		all = append(all, shape{text: text})
	}
	return all
}

// prepare prepares the statements of [preparedShapes]. If the server does not prepare
// one, the store sends it as text.
func (s *Store) prepare(ctx context.Context) error {
	s.prepared = make(map[string]*sql.Stmt)
	for _, sh := range preparedShapes(s.engine) {
		if sh.text == insertToken && s.engine.returning() {
			sh.text += returningID
		}
		text := expand(s.engine, s.names, sh)
		stmt, err := s.db.PrepareContext(ctx, text)
		switch {
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
	if one, ok := on.(*single); ok && q.stmt != nil {
		one.sent = true
	}
	return q
}

func (q query) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return run(q, args, func(args []any) (sql.Result, error) {
		return q.stmt.ExecContext(ctx, args...)
	}, func(text string, args []any) (sql.Result, error) {
		return q.on.ExecContext(ctx, text, args...)
	})
}

func (q query) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return run(q, args, func(args []any) (*sql.Rows, error) {
		return q.stmt.QueryContext(ctx, args...)
	}, func(text string, args []any) (*sql.Rows, error) {
		return q.on.QueryContext(ctx, text, args...)
	})
}

// run runs a statement. If the server refuses to prepare it, run writes the arguments
// into the text: without that, the driver would prepare the statement itself. From then
// on the store does so with all statements, until the process ends.
func run[T any](q query, args []any, prepared func([]any) (T, error), asText func(string, []any) (T, error)) (out T, err error) {
	if !q.store.unprepared.Load() {
		if q.stmt != nil {
			out, err = prepared(args)
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
