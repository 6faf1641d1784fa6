package sqlstore_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

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

		s.undoItems(t, db)
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

		// A process of the version before writes another lease and a new refresh token.
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

// Users of a database from before the fourth migration keep their tokens, and can keep
// items from then on.
func TestMigrationAddsItems(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		p, err := newRoot(t.Context(), s.on(t, db), 5)
		require.NoError(t, err)
		s.undoItems(t, db)
		_, err = sqlstore.New(t.Context(), db, s.dialect, s.opts)
		require.ErrorIs(t, err, sqlstore.ErrMissingMigration)
		pending, err := sqlstore.Pending(t.Context(), db, s.dialect, s.opts)
		require.NoError(t, err)
		require.Equal(t, []string{"00004_items.sql"}, pending)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts))

		st := s.on(t, db)
		c := newItems(p.ID)
		require.NoError(t, st.ChangeItems(t.Context(), c))
		items, err := st.Items(t.Context(), c.Owner)
		require.NoError(t, err)
		assert.Equal(t, store.Items{Revision: 1, List: c.Put}, items)
		links, err := st.Links(t.Context(), []store.TokenID{p.ID})
		require.NoError(t, err)
		assert.Equal(t, []store.Link{c.Links[0].Link}, links)
		require.NoError(t, spend(t.Context(), st, p))
	})
}

// undoItems takes the fourth migration back.
func (s site) undoItems(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, table := range []string{"owners", "items", "links"} {
		s.run(t, db, "DROP TABLE "+s.table(table))
	}
	s.run(t, db, "DELETE FROM "+s.table("migrations")+" WHERE version_id = 4")
}

// undoProcesses takes the third migration back, after undoItems.
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
