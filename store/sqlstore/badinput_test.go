package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// New, Pending and Migrate notice that the dialect does not fit the database, and change
// nothing.
func TestWrongDialect(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.connect(t)
		for _, dialect := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
			if dialect == s.dialect {
				continue
			}
			_, opening := sqlstore.New(t.Context(), db, dialect, sqlstore.Options{})
			_, pending := sqlstore.Pending(t.Context(), db, dialect, sqlstore.Options{})
			migrating := sqlstore.Migrate(t.Context(), db, dialect, sqlstore.Options{})
			for _, err := range []error{opening, pending, migrating} {
				wrong, is := errors.AsType[*sqlstore.DialectError](err)
				if !is || wrong.Want != dialect || wrong.Version == "" || !strings.Contains(err.Error(), dialect.String()) {
					t.Errorf("%s as %s: %v", s.dialect, dialect, err)
				}
			}
		}
	})
}

func TestNoDatabase(t *testing.T) {
	db := sql.OpenDB(byName{mysql.MySQLDriver{}, "root@tcp(127.0.0.1:1)/"})
	defer db.Close()
	_, err := sqlstore.New(t.Context(), db, sqlstore.MySQL, sqlstore.Options{})
	assert.ErrorIs(t, err, syscall.ECONNREFUSED, "New")
	if _, is := errors.AsType[*sqlstore.DialectError](err); is {
		t.Errorf("New blames the dialect: %v", err)
	}
}

func TestNilDatabase(t *testing.T) {
	_, opening := sqlstore.New(t.Context(), nil, sqlstore.SQLite, sqlstore.Options{})
	_, pending := sqlstore.Pending(t.Context(), nil, sqlstore.SQLite, sqlstore.Options{})
	migrating := sqlstore.Migrate(t.Context(), nil, sqlstore.SQLite, sqlstore.Options{})
	for _, err := range []error{opening, pending, migrating} {
		if err == nil || !strings.Contains(err.Error(), "no database given") {
			t.Errorf("%v", err)
		}
	}
}

// busyAtFirst fails the first connections, as SQLite does while another process switches
// the file to WAL.
type busyAtFirst struct {
	driver.Connector
	busy error
	left int
}

func (c *busyAtFirst) Connect(ctx context.Context) (driver.Conn, error) {
	if c.left > 0 {
		c.left--
		return nil, c.busy
	}
	return c.Connector.Connect(ctx)
}

// Several processes open a new file at once. The one that is refused asks again, and none
// takes the database for one of another kind.
func TestBusyWhenOpened(t *testing.T) {
	s := newSQLite(t)
	impatient := sql.OpenDB(byName{&sqlite.Driver{}, "file:" + filepath.Join(t.TempDir(), "x.db")})
	defer impatient.Close()
	holder, err := impatient.Conn(t.Context())
	require.NoError(t, err)
	defer holder.Close()
	if _, err := holder.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	_, busy := impatient.ExecContext(t.Context(), "CREATE TABLE x (y INTEGER)")
	if busy == nil {
		t.Fatal("the file is not locked")
	}
	assert.NoError(t, sqlstore.Migrate(t.Context(), s.connectBy(t, &busyAtFirst{s.connector, busy, 3}), s.dialect, s.opts), "Migrate")
	if _, err := sqlstore.New(t.Context(), s.connectBy(t, &busyAtFirst{s.connector, busy, 3}), s.dialect, s.opts); err != nil {
		t.Errorf("New: %v", err)
	}
	synctest.Test(t, func(t *testing.T) { // it takes some seconds
		db := sql.OpenDB(&busyAtFirst{s.connector, busy, 1_000_000})
		defer db.Close()
		_, err := sqlstore.New(t.Context(), db, s.dialect, s.opts)
		if _, is := errors.AsType[*sqlstore.DialectError](err); err == nil || is {
			t.Errorf("New, locked for good: %v", err)
		}
	})
}

// New refuses a database that it cannot write to.
func TestReadOnly(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		_, err := sqlstore.New(t.Context(), s.connectBy(t, s.readOnly(t)), s.dialect, s.opts)
		assert.ErrorIs(t, err, sqlstore.ErrReadOnly, "New")
	})
}

// New refuses SQLite if it does not wait for the disk.
func TestUnsafeSynchronous(t *testing.T) {
	s := newSQLite(t)
	s.migrate(t)
	for _, level := range []string{"OFF", "NORMAL"} {
		db := s.connectBy(t, byName{&sqlite.Driver{}, "file:" + s.address + "?_pragma=synchronous(" + level + ")"})
		_, err := sqlstore.New(t.Context(), db, s.dialect, s.opts)
		if !errors.Is(err, sqlstore.ErrUnsafe) || !strings.Contains(err.Error(), "synchronous") {
			t.Errorf("New with %s: %v", level, err)
		}
	}
}

// One connection is enough for everything.
func TestOneConnection(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.conns = 1
		st := s.on(t, s.migrate(t))
		ring, _ := newRing(t)
		newLife(t, st, ring).whole(t.Context())
		p, err := newRoot(t.Context(), st, 100)
		require.NoError(t, err)
		errs := make(chan error)
		for range 20 {
			go func() { errs <- spend(t.Context(), st, p) }()
		}
		for range 20 {
			assert.NoError(t, <-errs)
		}
		if _, err := st.Sweep(t.Context(), store.Cleaning{Now: lifeNow * 2, Limit: 100}); err != nil {
			t.Error(err)
		}
	})
}

// The store leaves no setting behind in its sessions.
func TestSessionsAreLeftAsTheyWere(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.conns = 1
		db := s.migrate(t)
		queries := map[sqlstore.Dialect][]string{
			sqlstore.PostgreSQL: {"SELECT name || '=' || setting FROM pg_settings WHERE source = 'session' OR name IN ('default_transaction_isolation', 'search_path', 'statement_timeout') ORDER BY 1"},
			sqlstore.MySQL:      {"SELECT CONCAT(variable_name, '=', variable_value) FROM information_schema.session_variables WHERE variable_name IN ('TX_ISOLATION', 'AUTOCOMMIT', 'SQL_MODE', 'INNODB_LOCK_WAIT_TIMEOUT', 'TX_READ_ONLY') ORDER BY 1"},
			sqlstore.SQLite:     {"PRAGMA synchronous", "PRAGMA journal_mode", "PRAGMA foreign_keys", "PRAGMA query_only", "PRAGMA busy_timeout"},
		}[s.dialect]
		settings := func() (all []string) {
			t.Helper()
			for _, q := range queries {
				rows, err := db.QueryContext(t.Context(), q)
				require.NoError(t, err)
				for rows.Next() {
					var v string
					require.NoError(t, rows.Scan(&v))
					all = append(all, v)
				}
				rows.Close()
			}
			return all
		}
		before := settings()
		if len(before) < 3 {
			t.Fatalf("settings: %q", before)
		}
		ring, _ := newRing(t)
		newLife(t, s.on(t, db), ring).whole(t.Context())
		if after := settings(); strings.Join(before, "\n") != strings.Join(after, "\n") {
			t.Errorf("settings before: %q, after: %q", before, after)
		}
	})
}

// A full database refuses a whole step that it cannot store, and works again when there
// is space.
//
// proves P3
func TestFullDatabase(t *testing.T) {
	s := newSQLite(t)
	s.migrate(t)
	full := s
	full.connector = byName{&sqlite.Driver{}, dbtest.SQLite(s.address) + "&" + url.Values{"_pragma": {"max_page_count(120)"}}.Encode()}
	full.testFull(t, s.connect(t))
}

// The same holds on a file system that is full.
//
// proves P3
func TestFullFileSystem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	require.NoError(t, os.Mkdir(dir, 0o700))
	if err := mountSmall(dir); err != nil {
		t.Skipf("SKIPPED: no small file system can be mounted here (%v); TestFullDatabase has tested the same with max_page_count", err)
	}
	t.Cleanup(func() {
		assert.NoError(t, unmount(dir))
	})
	s := newSQLiteAt(filepath.Join(dir, "store.db"))
	s.migrate(t)
	s.testFull(t, nil)
}

// testFull fills a store up. more is the same database with more space, or nil.
func (s site) testFull(t *testing.T, more *sql.DB) {
	db := s.connect(t)
	st := s.on(t, db)
	p, err := newRoot(t.Context(), st, store.Unlimited)
	require.NoError(t, err)
	require.NoError(t, st.Ping(t.Context()), "while there is space")
	st.ForgetPing()
	spent := int64(0)
	u := newUse()
	noise := make([]byte, 100_000) // incompressible
	fresh(noise)
	size := 2000
	if s.dialect == sqlstore.PostgreSQL {
		size = len(noise)
	}
	u.Event.Comment = string(noise[:size])
	for {
		fresh(u.ID[:])
		if _, err = st.Spend(t.Context(), p, u); err != nil {
			break
		}
		spent++
	}
	if !errors.Is(err, sqlstore.ErrFull) || store.IsDefinite(err) {
		t.Fatalf("Spend: %v", err)
	}
	if _, err := newRoot(t.Context(), st, 1); err != nil && !errors.Is(err, sqlstore.ErrFull) {
		t.Errorf("CreateRoot: %v", err)
	}
	for u.Event.Comment = ""; ; spent++ { // not even a small use fits
		fresh(u.ID[:])
		if _, err = st.Spend(t.Context(), p, u); err != nil {
			break
		}
	}
	assert.ErrorIs(t, err, store.ErrUnavailable, "Spend")
	err = st.Ping(t.Context())
	require.ErrorIs(t, err, sqlstore.ErrFull, "Ping")
	require.ErrorIs(t, err, store.ErrUnavailable, "Ping")
	consistent := func(on *sqlstore.Store, want int64) {
		t.Helper()
		info, err := on.Token(t.Context(), p.ID)
		if err != nil {
			t.Fatalf("Token: %v", err)
		}
		events, _, err := on.Events(t.Context(), []store.TokenID{p.ID}, store.Page{Limit: 100_000})
		if err != nil || info.Counters[0].ATUsed != want || int64(len(events)) != want {
			t.Errorf("%d uses are counted, %d are in the history, %d were granted: %v", info.Counters[0].ATUsed, len(events), want, err)
		}
	}
	consistent(st, spent)
	if more == nil {
		return
	}
	again := s.on(t, more)
	if _, err := again.Spend(context.WithoutCancel(t.Context()), p, u); err != nil {
		t.Errorf("Spend when there is space again: %v", err)
	}
	consistent(again, spent+1)
}

// No column holds the index of such a clause.
func TestCandidatesBeyondColumns(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := s.on(t, s.migrate(t))
		token, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		for _, candidates := range [][]int{{1 << 40}, {0, 1 << 40}, {1 << 40, 0}, {math.MaxInt32}, {math.MaxInt32 - 1}} {
			u := newUse()
			u.Candidates = candidates
			_, err := st.Spend(t.Context(), token, u)
			_, is := errors.AsType[*store.ArgumentError](err)
			assert.True(t, is, "%v: %v", candidates, err)
		}
	})
}
