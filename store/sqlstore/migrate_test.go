package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// New never migrates. Its error names the missing version, and it leaves the database as
// it was.
func TestMissingMigration(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.connect(t)
		for range 2 {
			_, err := sqlstore.New(t.Context(), db, s.dialect, s.opts)
			schema, is := errors.AsType[*sqlstore.SchemaError](err)
			if !is || !errors.Is(err, sqlstore.ErrMissingMigration) || schema.Have != 0 || schema.Want != 4 || !strings.Contains(err.Error(), "its tables are missing; call sqlstore.Migrate(ctx, db, dialect, options)") {
				t.Fatalf("New: %v", err)
			}
			pending, err := sqlstore.Pending(t.Context(), db, s.dialect, s.opts)
			if err != nil || !slices.Equal(pending, []string{"00001_initial.sql", "00002_erase.sql", "00003_processes.sql", "00004_items.sql"}) {
				t.Fatalf("Pending: %q, %v", pending, err)
			}
		}
		require.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts))
		if pending, err := sqlstore.Pending(t.Context(), db, s.dialect, s.opts); err != nil || len(pending) > 0 {
			t.Errorf("Pending: %q, %v", pending, err)
		}
		assert.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts), "Migrate again")
		s.on(t, db)
	})
}

func TestNewerSchema(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		if _, err := db.ExecContext(t.Context(), "INSERT INTO "+s.table("migrations")+" (version_id, is_applied) VALUES (5, TRUE)"); err != nil {
			t.Fatal(err)
		}
		_, opening := sqlstore.New(t.Context(), db, s.dialect, s.opts)
		_, pending := sqlstore.Pending(t.Context(), db, s.dialect, s.opts)
		migrating := sqlstore.Migrate(t.Context(), db, s.dialect, s.opts)
		for _, err := range []error{opening, pending, migrating} {
			schema, is := errors.AsType[*sqlstore.SchemaError](err)
			if !is || !errors.Is(err, sqlstore.ErrNewerSchema) || schema.Have != 5 || schema.Want != 4 || !strings.Contains(err.Error(), "has version 5, and this program knows version 4; run a newer program") {
				t.Errorf("error: %v", err)
			}
		}
	})
}

// Several processes may migrate at once.
func TestMigrateAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		var wg sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			db := s.connect(t)
			wg.Go(func() { errs[i] = sqlstore.Migrate(t.Context(), db, s.dialect, s.opts) })
		}
		wg.Wait()
		for _, err := range errs {
			assert.NoError(t, err, "Migrate")
		}
		st := s.open(t)
		p, err := newRoot(t.Context(), st, 1)
		if err == nil {
			err = spend(t.Context(), st, p)
		}
		assert.NoError(t, err)
	})
}

// If a migration fails in the middle, on an engine that cannot roll it back, the next
// Migrate completes it.
func TestMigrateAfterFailure(t *testing.T) {
	broken := errors.New("no more tables today")
	for name, at := range map[string][2]string{
		"at the first table": {"CREATE TABLE", "migrations"}, "in the middle": {"CREATE TABLE", "history"}, "in the second": {"SET erase_at = 1", "tokens"},
		"in the third": {"ALTER TABLE", "doubts"}, "in the fourth": {"CREATE TABLE", "links"},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s site) {
				sp := &spy{Connector: s.connector}
				db := s.connectBy(t, sp)
				ctx, cancel := context.WithCancel(t.Context())
				sp.hook(nil, func(_ context.Context, st statement) error {
					if strings.Contains(st.text, at[0]) && strings.Contains(st.text, s.table(at[1])+" ") {
						cancel()
						return broken
					}
					return nil
				})
				if err := sqlstore.Migrate(ctx, db, s.dialect, s.opts); err == nil || ctx.Err() == nil {
					t.Fatalf("Migrate: %v", err)
				}
				if _, err := sqlstore.New(t.Context(), db, s.dialect, s.opts); !errors.Is(err, sqlstore.ErrMissingMigration) {
					t.Fatalf("New: %v", err)
				}
				sp.hook(nil, nil)
				require.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts))
				s.on(t, db)
			})
		})
	}
}

// What was revoked or has expired before the second migration is erased by the first
// sweep after it.
//
// proves P7
func TestMigrationErases(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		st := s.on(t, db)
		root, child := lineage(t, st)
		kept, _ := lineage(t, st)
		if _, err := st.Revoke(t.Context(), store.Revocation{Token: root.ID, Recursive: true, Now: 1}); err != nil {
			t.Fatal(err)
		}
		tokens := s.table("tokens")
		s.run(t, db, "UPDATE "+tokens+" SET sealed_key = "+s.literal([]byte("old"))+" WHERE LENGTH(sealed_key) = 0")
		s.undoItems(t, db)
		s.undoProcesses(t, db)
		s.dropIndex(t, db, "tokens", "tokens_erase")
		s.run(t, db, "ALTER TABLE "+tokens+" DROP COLUMN erase_at")
		s.run(t, db, "DELETE FROM "+s.table("migrations")+" WHERE version_id = 2")
		require.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts))
		st = s.on(t, db)
		if _, err := st.Sweep(t.Context(), store.Cleaning{Now: 10, Limit: 100, Retention: time.Hour}); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[store.TokenID]bool{root.ID: false, child.ID: false, kept.ID: true} {
			if has := s.hasKey(t, st, id); has != want {
				t.Errorf("a key is left: %t, want %t", has, want)
			}
		}
	})
}

// A process of an earlier version may go on using the database after the migration. It
// puts the expiry of a token off without telling Sweep. The token keeps its key.
//
// proves P5
func TestSweepKeepsKeyBesideEarlierVersion(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		st := s.on(t, db)
		put, revoked := make([]store.Presented, 3), store.Presented{}
		for i, expires := range []string{"20", "0", "10"} {
			var err error
			put[i], err = newRoot(t.Context(), st, 100)
			require.NoError(t, err)
			s.run(t, db, "UPDATE "+s.table("tokens")+" SET expires = "+expires+", erase_at = 10 WHERE token_id = "+s.literal(put[i].ID[:]))
		}
		revoked, _ = lineage(t, st)
		_, err := st.Revoke(t.Context(), store.Revocation{Token: revoked.ID, By: revoked, Recursive: true, Now: 1})
		require.NoError(t, err)
		s.run(t, db, "UPDATE "+s.table("tokens")+" SET erase_at = 10 WHERE token_id = "+s.literal(revoked.ID[:]))
		sweep := func(now store.Micros) {
			t.Helper()
			got, err := st.Sweep(t.Context(), store.Cleaning{Now: now, Limit: 100, Retention: time.Hour})
			if err != nil || got.More {
				t.Fatalf("Sweep: %+v, %v", got, err)
			}
		}
		check := func(p store.Presented, want bool) {
			t.Helper()
			if has := s.hasKey(t, st, p.ID); has != want {
				t.Errorf("a key is left: %t, want %t", has, want)
			}
		}
		sweep(15)
		check(put[0], true)
		check(put[1], true)
		check(put[2], false)
		check(revoked, false)
		sweep(25)
		check(put[0], false)
		check(put[1], true)
	})
}

// hasKey reports whether a key of a token is stored.
func (s site) hasKey(t *testing.T, st *sqlstore.Store, id store.TokenID) bool {
	t.Helper()
	items, _, err := st.Sealed(t.Context(), store.Page{Limit: 100})
	require.NoError(t, err)
	return slices.ContainsFunc(items, func(item store.SealedItem) bool {
		of, ok := item.Place.TokenID()
		return ok && of == id && item.Place.Kind == store.PlaceTokenKey
	})
}

// The printed SQL creates the same schema as Migrate.
func TestPrintedSQL(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.opts.Prefix = "printed_"
		text, err := sqlstore.SQL(s.dialect, s.opts)
		require.NoError(t, err)
		db := s.connect(t)
		for _, statement := range strings.Split(text, ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%v\n%s", err, statement)
			}
		}
		st := s.on(t, db)
		p, err := newRoot(t.Context(), st, 1)
		if err == nil {
			err = spend(t.Context(), st, p)
		}
		assert.NoError(t, err)
		assert.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts), "Migrate after that")
	})
}

// Two stores with different prefixes share a database but no data.
func TestPrefixes(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		var stores [2]*sqlstore.Store
		for i, prefix := range []string{"one_", "two_"} {
			s.opts.Prefix = prefix
			stores[i] = s.on(t, s.migrate(t))
		}
		p, err := newRoot(t.Context(), stores[0], 1)
		require.NoError(t, err)
		if _, err := stores[1].Token(t.Context(), p.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Token in the other store: %v", err)
		}
	})
}

func TestOptions(t *testing.T) {
	db := newSQLite(t).connect(t)
	for name, c := range map[string]struct {
		dialect sqlstore.Dialect
		opts    sqlstore.Options
	}{
		"no dialect":        {0, sqlstore.Options{}},
		"unknown dialect":   {9, sqlstore.Options{}},
		"prefix with SQL":   {sqlstore.SQLite, sqlstore.Options{Prefix: "x; DROP TABLE users; --"}},
		"upper case prefix": {sqlstore.SQLite, sqlstore.Options{Prefix: "Mytoken_"}},
		"long prefix":       {sqlstore.SQLite, sqlstore.Options{Prefix: strings.Repeat("x", 25)}},
		"digit first":       {sqlstore.SQLite, sqlstore.Options{Prefix: "1x"}},
		"schema of SQLite":  {sqlstore.SQLite, sqlstore.Options{Schema: "main"}},
		"schema of MySQL":   {sqlstore.MySQL, sqlstore.Options{Schema: "test"}},
		"schema with SQL":   {sqlstore.PostgreSQL, sqlstore.Options{Schema: `a"b`}},
		"negative timeout":  {sqlstore.SQLite, sqlstore.Options{BatchTimeout: -1}},
	} {
		_, opening := sqlstore.New(t.Context(), db, c.dialect, c.opts)
		_, pending := sqlstore.Pending(t.Context(), db, c.dialect, c.opts)
		_, printing := sqlstore.SQL(c.dialect, c.opts)
		migrating := sqlstore.Migrate(t.Context(), db, c.dialect, c.opts)
		for _, err := range []error{opening, pending, printing, migrating} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
	if n := countTables(t, db); n != 0 {
		t.Errorf("%d tables were made", n)
	}
}

func countTables(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sqlite_master").Scan(&n))
	return n
}
