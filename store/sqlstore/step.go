package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Each step reads, decides in Go, and then writes in one transaction. Some steps first try
// a statement that decides and writes at once; see atOnce and grant_unread.go. Every
// statement of the transaction checks that the state is still the one that was read. If a
// row was changed or deleted meanwhile, the statement changes no row. If a row was added
// meanwhile, the statement violates a unique index. Then the store rolls the transaction
// back, and the step starts again from reading. So no step depends on the isolation of
// the database, nor on locks, which the nodes of a Galera cluster do not share.
//
// All steps write rows in one order: grants, counters, tokens, the rest. A step that uses
// or changes a token writes one of its counters or its row; on PostgreSQL, a use that
// spends nothing only locks the row. A step that deletes a token deletes its counters
// first, then its row, then its history.
//
// Only two things can take effect: a COMMIT, and a single statement outside of a
// transaction. If one of them fails and the answer does not prove that the database did
// not do it, the error is marked; see inDoubt. After any other error the step has
// certainly not taken effect, and explain says so with [store.ErrUnavailable]. So steps
// write by write, writeBlind, writeOne and writeAll alone. A method that goes on after its
// first transaction marks later errors itself, as Revoke and Sweep do.

// maxAttempts and maxPause bound how often a step is repeated. The pauses of all attempts
// add up to about four seconds.
const (
	maxAttempts = 50
	maxPause    = 128 * time.Millisecond
)

// maxReconnects bounds how often a step is tried again on another connection, because the
// server behind the first one does not serve it.
const maxReconnects = 3

// step calls try until the outcome of the step is decided, but not if ctx has ended. It
// returns [ErrContended] after maxAttempts.
func (s *Store) step(ctx context.Context, name string, try func() error) error {
	doubt, reconnects := false, 0
	if err := ctx.Err(); err != nil {
		return s.explain(name, err, doubt)
	}
	for attempt := 1; ; attempt++ {
		seen := s.discards.Load()
		err := try()
		if err == nil {
			return nil
		}
		doubt = doubt || isInDoubt(err)
		f := s.engine.fault(err)
		if f.spoils() {
			s.discardIdle(ctx, seen)
		}
		switch {
		case f.spoils() && reconnects < maxReconnects:
			reconnects++
		case !s.again(err):
			return s.explain(name, err, doubt)
		case attempt == maxAttempts:
			return s.explain(name, fmt.Errorf("%w: %w", ErrContended, err), doubt)
		}
		if stop := pause(ctx, attempt); stop != nil {
			return s.explain(name, stop, doubt)
		}
	}
}

// again reports whether an error asks to start the step again.
func (s *Store) again(err error) bool {
	if err == nil {
		return false
	}
	f := s.engine.fault(err)
	return f == faultRetry || f == faultUnknown || s.unmet(err)
}

// pause waits for a random time that grows with the attempts. The first repetition is
// immediate, because usually another step has just finished.
func pause(ctx context.Context, attempt int) error {
	if attempt == 1 {
		return ctx.Err()
	}
	longest := min(maxPause, time.Millisecond<<min(attempt-2, 10))
	t := time.NewTimer(rand.N(longest) + longest/8)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write runs a transaction.
func (s *Store) write(ctx context.Context, do func(tx runner) error) error {
	return s.writeWith(ctx, s.engine.txOptions(false), do)
}

// writeBlind runs a transaction that reads only rows that it locks. Its isolation does
// not matter. Not setting the isolation saves a round trip.
func (s *Store) writeBlind(ctx context.Context, do func(tx runner) error) error {
	return s.writeWith(ctx, s.engine.txOptions(true), do)
}

func (s *Store) writeWith(ctx context.Context, options *sql.TxOptions, do func(tx runner) error) error {
	release, err := s.writer(ctx)
	if err != nil {
		return err
	}
	defer release()
	conn, tx, err := s.transaction(ctx, options)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		s.putBack(ctx, conn, errors.Join(within(ctx, tx.Rollback), s.spoiled(err)))
		return err
	}
	err = within(ctx, tx.Commit)
	s.putBack(ctx, conn, err)
	switch s.engine.fault(err) {
	case faultRetry, faultDuplicate, faultReadOnly, faultFull:
		return err // the database has rolled back
	}
	return inDoubt(err)
}

// grace is how long a COMMIT or a ROLLBACK may outlive its context: long enough for a
// server that works.
const grace = 500 * time.Millisecond

// within ends a transaction. It returns the error of the context if there is no answer
// soon after the context has ended. Not every driver looks at the context there, and on a
// path that died the answer never comes. The connection stays with the call that waits.
func within(ctx context.Context, end func() error) error {
	done := make(chan error, 1)
	go func() { done <- end() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return ctx.Err()
	}
}

// writeAll meets demands in one transaction, with a single statement if possible. blind
// says that they read only rows that they lock.
func (s *Store) writeAll(ctx context.Context, all []demand, blind bool) error {
	if len(all) == 0 {
		return nil
	}
	if text, args := s.engine.together(all); text != "" {
		return s.writeOne(ctx, func(on *single) error { return meet(ctx, on, all, text, args) })
	}
	if len(all) == 1 {
		return s.writeOne(ctx, func(on *single) error { return s.demand(ctx, on, all[0]) })
	}
	write := s.write
	if blind {
		write = s.writeBlind
	}
	return write(ctx, func(tx runner) error { return s.demandAll(ctx, tx, all) })
}

// meet runs a statement that meets demands together. It returns the indices of those whose
// demand.did is to be called.
func meet(ctx context.Context, on *single, all []demand, text string, args []any) error {
	return on.each(ctx, func(r row) error {
		var i int
		err := r.Scan(&i)
		if err == nil {
			all[i].did()
		}
		return err
	}, text, args...)
}

// writer waits until this store may begin another writing transaction. The caller calls
// release after the transaction.
func (s *Store) writer(ctx context.Context) (release func(), err error) {
	if s.writing == nil {
		return func() {}, nil
	}
	select {
	case s.writing <- struct{}{}:
		return func() { <-s.writing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// writeOne runs a single statement outside of a transaction.
func (s *Store) writeOne(ctx context.Context, do func(on *single) error) error {
	release, err := s.writer(ctx)
	if err != nil {
		return err
	}
	defer release()
	on := &single{store: s}
	defer on.close()
	err = do(on)
	on.judge(err)
	if !on.sent || errors.Is(err, errChanged) || s.engine.fault(err).undone() {
		return err
	}
	return inDoubt(err)
}
