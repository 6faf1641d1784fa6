package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
			if !is || !errors.Is(err, sqlstore.ErrMissingMigration) || schema.Have != 0 || schema.Want != 3 || !strings.Contains(err.Error(), "run Migrate") {
				t.Fatalf("New: %v", err)
			}
			pending, err := sqlstore.Pending(t.Context(), db, s.dialect, s.opts)
			if err != nil || !slices.Equal(pending, []string{"00001_initial.sql", "00002_erase.sql", "00003_processes.sql"}) {
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
		if _, err := db.ExecContext(t.Context(), "INSERT INTO "+s.table("migrations")+" (version_id, is_applied) VALUES (4, TRUE)"); err != nil {
			t.Fatal(err)
		}
		_, opening := sqlstore.New(t.Context(), db, s.dialect, s.opts)
		_, pending := sqlstore.Pending(t.Context(), db, s.dialect, s.opts)
		migrating := sqlstore.Migrate(t.Context(), db, s.dialect, s.opts)
		for _, err := range []error{opening, pending, migrating} {
			schema, is := errors.AsType[*sqlstore.SchemaError](err)
			if !is || !errors.Is(err, sqlstore.ErrNewerSchema) || schema.Have != 4 || schema.Want != 3 {
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
		"in the third": {"ALTER TABLE", "doubts"},
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

// Grants, leases and doubts from before the third migration go on as they were.
//
// proves P5
func TestMigrationKeepsGrants(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		st := s.on(t, db)
		const now = store.Micros(1e9)
		begin := func(g store.GrantID, l store.LeaseID, at store.Micros) (store.Refresh, error) {
			return st.BeginRefresh(t.Context(), store.Begin{Grant: g, Lease: l, Now: at, TTL: time.Second})
		}
		grant := func() store.GrantID {
			p, err := newRoot(t.Context(), st, 1)
			require.NoError(t, err)
			info, err := st.Token(t.Context(), p.ID)
			require.NoError(t, err)
			return info.Grant
		}
		held, disputed, spared := grant(), grant(), grant()
		leased, err := begin(held, store.LeaseID{1}, now)
		require.NoError(t, err)
		for _, l := range []store.LeaseID{{1}, {2}} {
			_, err := begin(disputed, l, now*store.Micros(l[0]))
			require.NoError(t, err)
			c := store.Commit{Grant: spared, Lease: l, Generation: 1, Token: store.Sealed("token"), Now: now}
			require.NoError(t, st.CommitRefresh(t.Context(), c))
		}
		require.NoError(t, st.EndRefresh(t.Context(), store.End{Grant: disputed, Lease: store.LeaseID{2}, Generation: 1, Outcome: store.RefreshUnknown, Now: now}))
		before, err := st.Grant(t.Context(), spared)
		require.NoError(t, err)

		s.undoProcesses(t, db)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts))
		st = s.on(t, db)
		after, err := st.Grant(t.Context(), spared)
		require.NoError(t, err)
		assert.Equal(t, before, after)
		assert.Len(t, after.Spares, 1)
		_, err = begin(held, store.LeaseID{2}, leased.Until)
		assert.Equal(t, &store.BusyError{Until: leased.Until}, err, "a lease from before")
		r, err := begin(held, store.LeaseID{2}, leased.Until+1)
		require.NoError(t, err)
		assert.Equal(t, []store.Doubt{{Lease: store.LeaseID{1}, Lapsed: leased.Until}}, r.Doubts)
		r, err = begin(disputed, store.LeaseID{3}, 3*now)
		require.NoError(t, err)
		assert.Equal(t, []store.Doubt{{Lease: store.LeaseID{1}, Lapsed: now + 1e6}}, r.Doubts)
		end := store.End{Grant: disputed, Lease: store.LeaseID{3}, Generation: 1, Outcome: store.RefreshDone, Worked: "openid", Now: now}
		require.NoError(t, st.EndRefresh(t.Context(), end))
		after, err = st.Grant(t.Context(), disputed)
		require.NoError(t, err)
		assert.Equal(t, "openid", after.Worked)
	})
}

// A process of an earlier version may go on using the database after the migration. It
// does not say that it holds a lease. Nobody takes that lease over because an earlier
// holder is dead, and nobody keeps a grant suspect after it has stored a refresh token.
//
// proves P5
func TestLeaseBesideEarlierVersion(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		st := s.on(t, db)
		const now = store.Micros(1e9)
		p, err := newRoot(t.Context(), st, 1)
		require.NoError(t, err)
		info, err := st.Token(t.Context(), p.ID)
		require.NoError(t, err)
		dead := store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}}
		require.NoError(t, st.Beat(t.Context(), dead, now))
		b := store.Begin{Grant: info.Grant, Lease: store.LeaseID{1}, Process: dead.ID, Now: now, TTL: time.Second}
		_, err = st.BeginRefresh(t.Context(), b)
		require.NoError(t, err)
		require.NoError(t, st.EndRefresh(t.Context(), store.End{
			Grant: info.Grant, Lease: b.Lease, Generation: 1, Outcome: store.RefreshRefused, AskAfter: 9 * now, Now: now,
		}))
		state, err := st.Grant(t.Context(), info.Grant)
		require.NoError(t, err)
		assert.Equal(t, store.Suspicion{Refusals: 1, AskAfter: 9 * now}, state.Suspect)
		b.Now = 9*now + 1
		_, err = st.BeginRefresh(t.Context(), b)
		require.NoError(t, err)
		require.NoError(t, st.Settle(t.Context(), []store.ProcessID{dead.ID}, now))

		// What a process of the version before writes: another lease, and a new refresh token.
		other := store.LeaseID{2}
		s.run(t, db, fmt.Sprintf("UPDATE %s SET version = version + 1, lease_id = %s, lease_until = %d, generation = 2 WHERE grant_id = %s",
			s.table("grants"), s.literal(other[:]), 20*now, s.literal(info.Grant[:])))
		next := store.Begin{Grant: info.Grant, Lease: store.LeaseID{3}, Now: 10 * now, TTL: time.Second}
		_, err = st.BeginRefresh(t.Context(), next)
		assert.Equal(t, &store.BusyError{Until: 20 * now}, err)
		next.Now = 20*now + 1
		r, err := st.BeginRefresh(t.Context(), next)
		require.NoError(t, err)
		assert.Equal(t, []store.Doubt{{Lease: other, Lapsed: 20 * now}}, r.Doubts)
		assert.Zero(t, r.Suspect)
		swept, err := st.Sweep(t.Context(), store.Cleaning{Now: now + 31*24*3600*1e6, Limit: 10})
		require.NoError(t, err)
		assert.Equal(t, 1, swept.Others, "no lease names the dead process any more")
	})
}

// undoProcesses takes the third migration back.
func (s site) undoProcesses(t *testing.T, db *sql.DB) {
	t.Helper()
	s.run(t, db, "DROP TABLE "+s.table("processes"))
	s.dropIndex(t, db, "grants", "grants_holder")
	s.dropIndex(t, db, "doubts", "doubts_process")
	s.run(t, db, "ALTER TABLE "+s.table("doubts")+" DROP COLUMN process_id")
	for _, column := range []string{
		"login", "worked", "refusals", "ask_after", "refused_generation", "refused_arrivals", "held_by", "held_lease",
	} {
		s.run(t, db, "ALTER TABLE "+s.table("grants")+" DROP COLUMN "+column)
	}
	s.run(t, db, "DELETE FROM "+s.table("migrations")+" WHERE version_id = 3")
}

func (s site) dropIndex(t *testing.T, db *sql.DB, table, index string) {
	t.Helper()
	drop := "DROP INDEX " + s.table(index)
	if s.dialect == sqlstore.MySQL {
		drop += " ON " + s.table(table)
	}
	s.run(t, db, drop)
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
