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

// prepare prepares the statements of [preparedShapes].
func (s *Store) prepare(ctx context.Context) error {
	s.prepared = make(map[string]*sql.Stmt)
	for _, sh := range preparedShapes(s.engine) {
		if sh.text == insertToken && s.engine.returning() {
			sh.text += returningID
		}
		text := expand(s.engine, s.names, sh)
		stmt, err := s.db.PrepareContext(ctx, text)
		if err != nil {
			return fmt.Errorf("sqlstore: prepare a statement: %w", err)
		}
		s.prepared[text] = stmt
	}
	return nil
}

// query is a statement that is ready to run.
type query interface {
	ExecContext(ctx context.Context, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
}

// ready returns an expanded statement, prepared if it is on the list and as text
// otherwise.
func (s *Store) ready(ctx context.Context, on runner, text string) query {
	stmt := s.prepared[text]
	tx, inTx := on.(*sql.Tx)
	switch {
	case stmt == nil:
		return asText{on, text}
	case inTx:
		return tx.StmtContext(ctx, stmt)
	}
	return stmt
}

// asText is a statement that is not prepared.
type asText struct {
	on   runner
	text string
}

func (q asText) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return q.on.ExecContext(ctx, q.text, args...)
}

func (q asText) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return q.on.QueryContext(ctx, q.text, args...)
}
