package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
)

// check checks that the store can use the schema and the settings.
func (s *Store) check(ctx context.Context, d Dialect) error {
	if err := s.checkSchema(ctx); err != nil {
		return err
	}
	if d == SQLite {
		if err := s.checkSynchronous(ctx); err != nil {
			return err
		}
	}
	return s.tryDuplicate(ctx)
}

// checkDialect asks the database for its version. It returns a *[DialectError] if the
// database is of another kind than d.
func checkDialect(ctx context.Context, db *sql.DB, d Dialect) error {
	if db == nil {
		return errors.New("sqlstore: no database given: db is nil")
	}
	var said string
	ask := func() error { return db.QueryRowContext(ctx, d.engine().version()).Scan(&said) }
	err := ask()
	// SQLite refuses a connection while another process sets up the file.
	for attempt := 1; d.engine().fault(err) == faultRetry && attempt < maxAttempts && pause(ctx, attempt) == nil; attempt++ {
		err = ask()
	}
	if err == nil && d.engine().recognise(said) {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("sqlstore: ask for the version: %w", err)
	}
	for _, other := range []Dialect{PostgreSQL, MySQL, SQLite} {
		if said == "" && other != d && db.QueryRowContext(ctx, other.engine().version()).Scan(&said) != nil {
			said = ""
		}
	}
	if said == "" && err != nil {
		return fmt.Errorf("sqlstore: reach the database: %w", err)
	}
	return &DialectError{Want: d, Version: said}
}

// checkSynchronous makes sure that SQLite waits for the disk.
func (s *Store) checkSynchronous(ctx context.Context) error {
	var level int
	if err := s.db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return fmt.Errorf("sqlstore: read the setting synchronous: %w", err)
	}
	if level < 2 {
		return fmt.Errorf("%w: synchronous is %d; open the database with synchronous FULL (2) or EXTRA (3)", ErrUnsafe, level)
	}
	return nil
}

// tryDuplicate inserts a row twice, in a transaction that it rolls back. The first INSERT
// shows that the database accepts writes. The second one must fail with an error that the
// store recognises, because every step depends on telling a duplicate from other errors.
// A full database passes, so that Sweep can make room.
func (s *Store) tryDuplicate(ctx context.Context) error {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	tried := errors.New("sqlstore: only a trial")
	return s.step(ctx, "try to write", func() error {
		err := s.write(ctx, func(tx runner) error {
			if _, err := s.exec(ctx, tx, insertCommit, id, id, id, int64(0)); err != nil {
				return err
			}
			_, err := s.exec(ctx, tx, insertCommit, id, id, id, int64(0))
			switch f := s.engine.fault(err); {
			case err == nil:
				return errors.New("the table of commits accepts duplicates: its primary key is missing")
			case f == faultDuplicate:
				return tried
			case f == faultOther && ctx.Err() == nil:
				return fmt.Errorf("%w: it reported a duplicate as: %w", ErrDriver, err)
			}
			return err
		})
		if errors.Is(err, tried) || s.engine.fault(err) == faultFull {
			return nil
		}
		return err
	})
}
