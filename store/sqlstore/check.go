package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
)

// check checks that the store can use the schema and the settings.
func (s *Store) check(ctx context.Context, d Dialect) error {
	if err := s.checkSchema(ctx); err != nil {
		return err
	}
	for _, one := range d.engine().settings() {
		if err := s.checkSetting(ctx, one); err != nil {
			return err
		}
	}
	return s.tryToWrite(ctx)
}

// setting is a setting of a session on which the store depends.
type setting struct {
	name  string
	query string // returns the value
	fits  func(value string) bool
	want  string // what to do, for the error
	kind  error  // ErrUnsafe or ErrSetting
}

func (s *Store) checkSetting(ctx context.Context, one setting) error {
	var value string
	if err := s.db.QueryRowContext(ctx, expand(s.engine, s.names, shape{text: one.query})).Scan(&value); err != nil {
		return fmt.Errorf("sqlstore: read the setting %s: %w", one.name, err)
	}
	if !one.fits(value) {
		return fmt.Errorf("%w: %s is %q; %s", one.kind, one.name, value, one.want)
	}
	return nil
}

// is returns a test whether a setting has one of these values, in any case.
func is(values ...string) func(string) bool {
	return func(value string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, value) })
	}
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

// tryToWrite writes in a transaction that it rolls back. Empty and binary values must
// come back as they were written. A row that is inserted twice must fail with an error
// that the store recognises, because every step depends on telling a duplicate from other
// errors. A full database passes, so that Sweep can make room.
func (s *Store) tryToWrite(ctx context.Context) error {
	tried := errors.New("sqlstore: only a trial")
	err := s.step(ctx, "try to write", func() error {
		err := s.write(ctx, func(tx runner) error {
			if err := s.tryValues(ctx, tx); err != nil {
				return err
			}
			return cmp.Or(s.tryDuplicate(ctx, tx), tried)
		})
		if errors.Is(err, tried) || s.engine.fault(err) == faultFull {
			return nil
		}
		return err
	})
	return inDoubt(err) // New is no step that anybody repeats
}

// tryValues writes all bytes and an empty string, and reads them again.
func (s *Store) tryValues(ctx context.Context, tx runner) error {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	id, err := s.insert(ctx, tx, insertTrial, all, []byte{}, []byte{}, []byte{}, int64(store.UseUncounted), int64(store.NoClause))
	if err != nil {
		return err
	}
	same := false
	err = s.each(ctx, tx, func(r *sql.Rows) error {
		var name, comment []byte
		err := r.Scan(&name, &comment)
		same = bytes.Equal(name, all) && len(comment) == 0
		return err
	}, `SELECT name, comment FROM {history} WHERE id = ?`, id)
	if err == nil && !same {
		return fmt.Errorf("%w: byte strings do not come back as they were written", ErrSetting)
	}
	return err
}

// tryDuplicate returns nil if the store recognises a duplicate.
func (s *Store) tryDuplicate(ctx context.Context, tx runner) error {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	if _, err := s.exec(ctx, tx, insertCommit, id, id, id, int64(0)); err != nil {
		return err
	}
	_, err := s.exec(ctx, tx, insertCommit, id, id, id, int64(0))
	switch f := s.engine.fault(err); {
	case err == nil:
		return errors.New("the table of commits accepts duplicates: its primary key is missing")
	case f == faultDuplicate:
		return nil
	case f == faultOther && ctx.Err() == nil:
		return fmt.Errorf("%w: it reported a duplicate as: %w", ErrDriver, err)
	}
	return err
}

// chooseEngine replaces the engine by a better one if the database runs its statements.
func (s *Store) chooseEngine(ctx context.Context) error {
	text, better := s.engine.better()
	if text == "" {
		return nil
	}
	err := s.writeOne(ctx, func(on *single) error { return on.try(ctx, text, true) })
	if err != nil && s.preparesNothing(ctx) {
		err = s.writeOne(ctx, func(on *single) error { return on.try(ctx, text, false) })
	}
	if ctx.Err() != nil {
		return fmt.Errorf("sqlstore: try a statement: %w", ctx.Err())
	}
	if err == nil {
		s.engine = better
	}
	return nil
}

// try runs a statement that may leave the session in a transaction if it fails.
func (o *single) try(ctx context.Context, text string, prepared bool) error {
	return o.run(ctx, func() (err error) {
		defer func() { o.bad = err != nil }()
		if !prepared {
			_, err = o.conn.ExecContext(ctx, text)
			return err
		}
		stmt, err := o.conn.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		defer stmt.Close()
		_, err = stmt.ExecContext(ctx)
		return err
	})
}

func (s *Store) preparesNothing(ctx context.Context) bool {
	stmt, err := s.db.PrepareContext(ctx, "SELECT 1")
	if err == nil {
		stmt.Close()
	}
	return s.engine.fault(err) == faultUnprepared
}
