package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// Options say where in the database the tables are, and how long a batch may take. The
// zero value is usable.
type Options struct {
	// Prefix begins the name of every table, index and constraint. Empty means
	// "mytoken_". A prefix has at most 24 lower case letters, digits and underscores and
	// starts with a letter. Stores with different prefixes can share a database, but
	// share no data.
	Prefix string
	// Schema is the schema of the tables, on PostgreSQL only. It must exist. Empty means
	// the first schema of the search path. The same rule applies to its name as to
	// Prefix.
	Schema string
	// BatchTimeout bounds how long the store may take to commit a batch of uses. So it
	// also bounds how long a call of Spend, CreateChild or EndRefresh may outlive its own
	// context.
	// Zero means 5 seconds.
	BatchTimeout time.Duration
}

// Store implements [store.Store] on a database. It is safe for concurrent use. Any number
// of stores, in any number of processes, may share a database.
type Store struct {
	db     *sql.DB
	engine engine
	names  names

	batchTimeout time.Duration
	writing      chan struct{} // nil: any number of writers
	uses         *queue
	creations    *queue // uses that also create tokens or change tickets: these take longer
	reads        sharedReads
	expanded     sync.Map             // of shape to text
	prepared     map[string]*sql.Stmt // by expanded text; never changes
	compounds    map[string]bool      // the expanded texts to keep prepared in sessions; never changes
	sessions     sessions
	unprepared   atomic.Bool // the server has refused to prepare a statement

	ping       ping
	discarding sync.Mutex    // held while idle connections are closed
	discards   atomic.Uint64 // how often they were closed
}

var _ store.Store = (*Store)(nil)

const defaultPrefix = "mytoken_"

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,23}$`)

const identifierRule = "use at most 24 lower case letters, digits and underscores, and start with a letter"

// resolve checks the options and fills in the defaults.
func (o Options) resolve(d Dialect) (engine, names, Options, error) {
	e := d.engine()
	if e == nil {
		return nil, names{}, o, fmt.Errorf("sqlstore: unknown dialect %d: use PostgreSQL, MySQL or SQLite", d)
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if !identifier.MatchString(o.Prefix) {
		return nil, names{}, o, fmt.Errorf("sqlstore: prefix %q: %s", o.Prefix, identifierRule)
	}
	n := names{prefix: o.Prefix}
	if o.Schema != "" {
		if d != PostgreSQL {
			return nil, names{}, o, fmt.Errorf("sqlstore: %s has no schemas; use a database of its own, or a prefix", d)
		}
		if !identifier.MatchString(o.Schema) {
			return nil, names{}, o, fmt.Errorf("sqlstore: schema %q: %s", o.Schema, identifierRule)
		}
		n.schema = o.Schema + "."
	}
	if o.BatchTimeout < 0 {
		return nil, names{}, o, fmt.Errorf("sqlstore: BatchTimeout is negative: %v", o.BatchTimeout)
	}
	if o.BatchTimeout == 0 {
		o.BatchTimeout = 5 * time.Second
	}
	return e, n, o, nil
}

// New opens the store in a database whose tables [Migrate] has created. It changes
// nothing. Call New once for each db: it prepares statements that stay until db is
// closed. The store itself need not be closed; the caller closes db.
//
// New tests the database and its driver, in a transaction that it rolls back. It returns
// a *[DialectError] if the database is of another kind, and [ErrMissingMigration] or
// [ErrNewerSchema] if its schema is of another version. It returns [ErrReadOnly] if the
// database does not accept writes, and [ErrUnsafe] if SQLite's settings allow it to lose
// committed data. It returns [ErrDriver] if the errors of the driver do not contain the
// database's codes.
func New(ctx context.Context, db *sql.DB, dialect Dialect, opts Options) (*Store, error) {
	s, err := newStore(ctx, db, dialect, opts)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, dialect); err != nil {
		return nil, err
	}
	if err := s.chooseEngine(ctx); err != nil {
		return nil, err
	}
	if err := s.watch(ctx); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// newStore checks the options and the kind of the database, but not the schema.
func newStore(ctx context.Context, db *sql.DB, dialect Dialect, opts Options) (*Store, error) {
	e, n, opts, err := opts.resolve(dialect)
	if err != nil {
		return nil, err
	}
	if err := checkDialect(ctx, db, dialect); err != nil {
		return nil, err
	}
	s := &Store{
		db: db, engine: e, names: n,
		batchTimeout: opts.BatchTimeout,
		ping:         newPing(),
		reads:        sharedReads{longest: longestShare},
		uses:         newQueue(e.batches(), maxBatch),
		creations:    newQueue(e.batches(), maxCreations),
	}
	if w := e.writers(); w > 0 {
		s.writing = make(chan struct{}, w)
	}
	return s, nil
}
