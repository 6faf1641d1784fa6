package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// Options say where in the database the tables are, and how patient a store
// is. The zero value is usable.
type Options struct {
	// Prefix begins the name of every table, index and constraint. Empty is
	// "mytoken_". It consists of at most 24 lower case letters, digits and
	// underscores and starts with a letter. Stores with different prefixes
	// share a database and nothing else.
	Prefix string
	// Schema is where the tables are, for PostgreSQL only. It has to exist.
	// Empty is the first schema of the search path. The same rule as for
	// Prefix.
	Schema string
	// MaxDepth is how many ancestors a token may have. Zero is
	// [store.MaxDepth].
	MaxDepth int
	// BatchTimeout bounds how long uses that are committed together may take,
	// and so how long the call that commits them may outlive its own context.
	// Zero is 5 seconds.
	BatchTimeout time.Duration
}

// Store implements [store.Store] on a database. It is safe for concurrent use,
// and any number of them, in any number of processes, may share a database.
type Store struct {
	db     *sql.DB
	engine engine
	names  names

	maxDepth     int
	batchTimeout time.Duration
	writing      chan struct{} // nil: any number of writers
	uses         *queue
	creations    *queue   // of uses that create tokens: these take longer
	expanded     sync.Map // of shape to text
	statements   statements
}

var _ store.Store = (*Store)(nil)

const defaultPrefix = "mytoken_"

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,23}$`)

// resolve checks the options and fills in what is not said.
func (o Options) resolve(d Dialect) (engine, names, Options, error) {
	e := d.engine()
	if e == nil {
		return nil, names{}, o, errors.New("sqlstore: no dialect given")
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if !identifier.MatchString(o.Prefix) {
		return nil, names{}, o, fmt.Errorf("sqlstore: prefix %q is not made of lower case letters, digits and underscores", o.Prefix)
	}
	n := names{prefix: o.Prefix}
	if o.Schema != "" {
		if d != PostgreSQL {
			return nil, names{}, o, fmt.Errorf("sqlstore: %s has no schemas; use a database of its own, or a prefix", d)
		}
		if !identifier.MatchString(o.Schema) {
			return nil, names{}, o, fmt.Errorf("sqlstore: schema %q is not made of lower case letters, digits and underscores", o.Schema)
		}
		n.schema = o.Schema + "."
	}
	switch {
	case o.MaxDepth < 0 || o.BatchTimeout < 0:
		return nil, names{}, o, errors.New("sqlstore: negative option")
	case o.MaxDepth == 0:
		o.MaxDepth = store.MaxDepth
	}
	if o.BatchTimeout == 0 {
		o.BatchTimeout = 5 * time.Second
	}
	return e, n, o, nil
}

// New opens the store in a database whose schema [Migrate] has made. It changes
// nothing and needs no closing: the database stays the caller's.
//
// It fails with a *[DialectError] if the database is of another kind, with
// [ErrMissingMigration] or [ErrNewerSchema] if its schema is of another
// version, with [ErrReadOnly] if nothing can be written, and with [ErrUnsafe]
// if SQLite was opened so that it can lose what it has confirmed.
func New(ctx context.Context, db *sql.DB, dialect Dialect, opts Options) (*Store, error) {
	e, n, opts, err := opts.resolve(dialect)
	if err != nil {
		return nil, err
	}
	s := &Store{
		db: db, engine: e, names: n,
		maxDepth: opts.MaxDepth, batchTimeout: opts.BatchTimeout,
		uses: newQueue(e.batches(), maxBatch), creations: newQueue(e.batches(), maxCreations),
	}
	if w := e.writers(); w > 0 {
		s.writing = make(chan struct{}, w)
	}
	if err := s.check(ctx, dialect); err != nil {
		return nil, err
	}
	return s, nil
}

// check finds out whether the database can be used.
func (s *Store) check(ctx context.Context, d Dialect) error {
	if err := checkDialect(ctx, s.db, d); err != nil {
		return err
	}
	if err := s.checkSchema(ctx); err != nil {
		return err
	}
	if d == SQLite {
		if err := s.checkSynchronous(ctx); err != nil {
			return err
		}
	}
	return s.checkWritable(ctx)
}

// checkDialect asks the database what it is.
func checkDialect(ctx context.Context, db *sql.DB, d Dialect) error {
	if db == nil {
		return errors.New("sqlstore: no database given")
	}
	var said string
	ask := func() error { return db.QueryRowContext(ctx, d.engine().version()).Scan(&said) }
	err := ask()
	// SQLite refuses a connection while another process makes the file ready.
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

// checkSynchronous sees to it that SQLite waits for the disk.
func (s *Store) checkSynchronous(ctx context.Context) error {
	var level int
	if err := s.db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return fmt.Errorf("sqlstore: read the setting synchronous: %w", err)
	}
	if level < 2 {
		return fmt.Errorf("%w: synchronous is %d, wanted is FULL (2) or EXTRA (3)", ErrUnsafe, level)
	}
	return nil
}

// checkWritable changes no row, in a transaction that it rolls back.
func (s *Store) checkWritable(ctx context.Context) error {
	dry := errors.New("sqlstore: only a trial")
	err := s.step(ctx, "try to write", func() error {
		err := s.write(ctx, func(tx runner) error {
			if _, err := s.exec(ctx, tx, `UPDATE {counters} SET used = used WHERE id = 0`); err != nil {
				return err
			}
			return dry
		})
		if errors.Is(err, dry) {
			return nil
		}
		return err
	})
	return err
}
