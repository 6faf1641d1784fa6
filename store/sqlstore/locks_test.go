package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// A refund takes the rows that it changes in the order in which a use does: the
// counters by their ids, then the history. So the two never wait for each
// other, which a database would have to notice and to resolve.
func TestRefundTakesRowsInOrder(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("SQLite has one lock")
		}
		db := s.migrate(t)
		st := s.on(t, db)
		_, child := s.lineage(t, st)
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
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = holder.Rollback() }()
		lock := func(table, where string) error {
			var one int
			return holder.QueryRowContext(t.Context(), fmt.Sprintf("SELECT 1 FROM %s WHERE %s FOR UPDATE NOWAIT", s.table(table), where)).Scan(&one)
		}
		if err := lock("counters", fmt.Sprintf("id = %d", counters[0])); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- st.Refund(t.Context(), use.ID, 1) }()
		s.awaitLockWait(t, db)
		if err := lock("counters", fmt.Sprintf("id = %d", counters[1])); err != nil {
			t.Errorf("the refund waits for the first counter and holds the second: %v", err)
		}
		if err := lock("history", "use_id = "+s.literal(use.ID[:])); err != nil {
			t.Errorf("the refund waits for a counter and holds the use: %v", err)
		}
		if err := holder.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Refund: %v", err)
		}
	})
}

// lineage stores a root and a child whose uses count against it.
func (s site) lineage(t *testing.T, st store.Store) (root, child store.Presented) {
	t.Helper()
	root, err := newRoot(t.Context(), st, 100)
	if err != nil {
		t.Fatal(err)
	}
	info, err := st.Token(t.Context(), root.ID)
	if err != nil {
		t.Fatal(err)
	}
	c := store.Token{Grant: info.Grant, Owner: info.Owner, Key: store.Sealed("key"), Created: 1, Clauses: []store.Clause{{AT: 100, Other: store.Unlimited}}}
	fresh(c.ID[:])
	fresh(c.Sum[:])
	if _, err := st.CreateChild(t.Context(), root, store.Use{ID: newUse().ID, Kind: store.UseUncounted, Now: 1}, c); err != nil {
		t.Fatal(err)
	}
	return root, store.Presented{ID: c.ID, Seq: 1, Sum: c.Sum}
}

// storeLast moves a counter behind the others, where a statement that reads the
// whole table comes across it last.
func (s site) storeLast(t *testing.T, db *sql.DB, counter int64) {
	t.Helper()
	for _, change := range []string{"+ 1000", "- 1000"} { // of an indexed column
		s.run(t, db, fmt.Sprintf("UPDATE %s SET clause = clause %s WHERE id = %d", s.table("counters"), change, counter))
	}
	if s.dialect == sqlstore.PostgreSQL {
		s.run(t, db, "ANALYZE "+s.table("counters")) // it is small: to read it all is best
	}
}

// charged is the counters that a use has spent, in the order of their ids.
func (s site) charged(t *testing.T, db *sql.DB, use store.UseID) (ids []int64) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), fmt.Sprintf(
		"SELECT h.counter FROM %s u JOIN %s h ON h.token = u.token AND h.kind = u.kind AND h.clause = u.clause WHERE u.use_id = %s ORDER BY h.counter",
		s.table("history"), s.table("chains"), s.literal(use[:])))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// renewed is how long InnoDB wants its view of transactions not to be read
// before it makes a new one, and some more.
const renewed = 120 * time.Millisecond

// awaitLockWait returns when a session that works on the site waits for a row.
func (s site) awaitLockWait(t *testing.T, db *sql.DB) {
	t.Helper()
	text := "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE ?"
	if s.dialect == sqlstore.PostgreSQL {
		text = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
	}
	observer := s.connect(t)
	for waiting := 0; waiting == 0; <-time.After(renewed) {
		if err := observer.QueryRowContext(t.Context(), text, "%"+s.table("counters")+"%").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
}

// run executes a statement.
func (s site) run(t testing.TB, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}
