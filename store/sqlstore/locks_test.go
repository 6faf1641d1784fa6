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

// A refund takes rows in the same order as a use: the counters by their ids, then the
// history. So the two never cause a deadlock, which the database would have to detect.
func TestRefundTakesRowsInOrder(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("SQLite has one lock")
		}
		db := s.migrate(t)
		st := s.on(t, db)
		_, child := lineage(t, st)
		use := newUse()
		if _, err := st.Spend(t.Context(), child, use); err != nil {
			t.Fatal(err)
		}
		counters := s.charged(t, db, use.ID)
		if len(counters) != 2 {
			t.Fatalf("the use charges %d counters, want 2", len(counters))
		}
		s.storeLast(t, db, counters[0])

		holder, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer func() { _ = holder.Rollback() }()
		lock := func(table, where string) error {
			var one int
			return holder.QueryRowContext(t.Context(), fmt.Sprintf("SELECT 1 FROM %s WHERE %s FOR UPDATE NOWAIT", s.table(table), where)).Scan(&one)
		}
		require.NoError(t, lock("counters", fmt.Sprintf("id = %d", counters[0])))
		done := make(chan error, 1)
		go func() { done <- st.Refund(t.Context(), use.ID, 1) }()
		s.awaitLockWait(t)
		assert.NoError(t, lock("counters", fmt.Sprintf("id = %d", counters[1])), "the refund waits for the first counter and holds the second")
		assert.NoError(t, lock("history", "use_id = "+s.literal(use.ID[:])), "the refund waits for a counter and holds the use")
		require.NoError(t, holder.Rollback())
		assert.NoError(t, <-done, "Refund")
	})
}

// storeLast moves a counter behind the others, where a statement that reads the whole
// table finds it last.
func (s site) storeLast(t *testing.T, db *sql.DB, counter int64) {
	t.Helper()
	for _, change := range []string{"+ 1000", "- 1000"} { // of an indexed column
		s.run(t, db, fmt.Sprintf("UPDATE %s SET clause = clause %s WHERE id = %d", s.table("counters"), change, counter))
	}
	if s.dialect == sqlstore.PostgreSQL {
		s.run(t, db, "ANALYZE "+s.table("counters")) // it is small: to read it all is best
	}
}

// charged returns the counters that a use has spent, in the order of their ids.
func (s site) charged(t *testing.T, db *sql.DB, use store.UseID) (ids []int64) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), fmt.Sprintf(
		"SELECT h.counter FROM %s u JOIN %s h ON h.token = u.token AND h.kind = u.kind AND h.clause = u.clause WHERE u.use_id = %s ORDER BY h.counter",
		s.table("history"), s.table("chains"), s.literal(use[:])))
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var id int64
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	return ids
}

// renewed is a little longer than the interval at which InnoDB renews its view of
// transactions.
const renewed = 120 * time.Millisecond

// awaitLockWait returns when a session that works on the site waits for a row.
func (s site) awaitLockWait(t *testing.T) {
	t.Helper()
	observer := s.connect(t)
	for s.lockWaits(t, observer) == 0 {
		<-time.After(renewed)
	}
}

// lockWaits counts the sessions that wait for a row of the site's counters. Others may
// work on the same server.
func (s site) lockWaits(t *testing.T, observer *sql.DB) (waiting int) {
	t.Helper()
	text := `
		SELECT COUNT(*) FROM information_schema.innodb_trx x
		JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id
		WHERE x.trx_state = 'LOCK WAIT' AND p.db = DATABASE() AND x.trx_query LIKE ?`
	if s.dialect == sqlstore.PostgreSQL {
		text = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
	}
	require.NoError(t, observer.QueryRowContext(t.Context(), text, "%"+s.table("counters")+"%").Scan(&waiting))
	return waiting
}

// awaitLockWait does not take a session of somebody else, who uses the same server, for
// one of the site.
func TestLockWaitsOfOthers(t *testing.T) {
	for _, e := range engines[1:] { // SQLite has one lock
		t.Run(e.name, func(t *testing.T) {
			s, other := e.new(t), e.new(t)
			db := other.migrate(t)
			_, err := newRoot(t.Context(), other.on(t, db), 1)
			require.NoError(t, err)
			holder, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer func() { _ = holder.Rollback() }()
			lock := "UPDATE " + other.table("counters") + " SET clause = clause"
			_, err = holder.Exec(lock)
			require.NoError(t, err)
			done := make(chan error, 1)
			go func() {
				_, err := db.Exec(lock)
				done <- err
			}()
			other.awaitLockWait(t)
			assert.Zero(t, s.lockWaits(t, s.connect(t)))
			require.NoError(t, holder.Rollback())
			require.NoError(t, <-done)
		})
	}
}
