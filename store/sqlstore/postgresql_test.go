package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// introspection returns a use that spends nothing and leaves an event.
func introspection() store.Use {
	u := newUse()
	u.Kind, u.Candidates = store.UseUncounted, nil
	u.Event.Name = "tokeninfo_introspect"
	return u
}

// running is a call under way.
type running struct {
	done chan struct{}
	err  error
}

// later starts a call.
func later(do func() error) *running {
	r := &running{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = do()
	}()
	return r
}

func (r *running) wait() error {
	<-r.done
	return r.err
}

// newNamed creates a site whose sessions bear the name of its schema.
func newNamed(t *testing.T, isolation string) site {
	s := newPostgreSQL(t)
	s.connector = postgreSQLAt(t, s.address, map[string]string{"application_name": s.opts.Schema, "default_transaction_isolation": isolation}).connector
	return s
}

// blocked returns true when n sessions of the site wait for a lock, and false when the
// call ends first.
func (s site) blocked(t *testing.T, n int, call *running) bool {
	t.Helper()
	observer := s.connect(t)
	for {
		var waiting int
		row := observer.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1", s.opts.Schema)
		require.NoError(t, row.Scan(&waiting))
		if waiting >= n {
			return true
		}
		select {
		case <-call.done:
			return false
		case <-time.After(renewed / 12):
		}
	}
}

// holdInsert keeps a use from adding its row to the history, until release is called: a
// transaction has added one with the same id.
func (s site) holdInsert(t *testing.T, db *sql.DB, use store.UseID) (release func()) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "INSERT INTO "+s.table("history")+
		" (named, event_time, name, comment, address, user_agent, use_id, kind, clause) VALUES (0, 0, '', '', '', '', $1, 0, 0)", use[:])
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback()) }
}

// A use that spends nothing writes no row that others write. All the same, a deletion of
// its token at the same time leaves no event behind, whatever the isolation of sessions.
//
// proves P6
func TestDeletionWaitsForUncountedUses(t *testing.T) {
	for _, isolation := range []string{"read committed", "repeatable read", "serializable"} {
		for name, remove := range removals {
			t.Run(name+" at "+isolation, func(t *testing.T) {
				t.Parallel()
				s := newNamed(t, isolation)
				db := s.migrate(t)
				st := s.on(t, db)
				token, err := newRoot(t.Context(), st, 5)
				require.NoError(t, err)
				s.run(t, db, "UPDATE "+s.table("tokens")+" SET expires = 2")
				info, err := st.Token(t.Context(), token.ID)
				require.NoError(t, err)

				use := introspection()
				release := s.holdInsert(t, db, use.ID)
				used := later(func() error { _, err := st.Spend(t.Context(), token, use); return err })
				require.True(t, s.blocked(t, 1, used))
				removed := later(func() error { return remove(t.Context(), st, info.Owner) })
				s.blocked(t, 2, removed)
				release()
				require.NoError(t, used.wait())
				require.NoError(t, removed.wait())
				var events, tokens int
				row := db.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM "+s.table("history")+" WHERE named = 1), (SELECT COUNT(*) FROM "+s.table("tokens")+")")
				require.NoError(t, row.Scan(&events, &tokens))
				assert.Zero(t, tokens, "tokens that are left")
				assert.Zero(t, events, "events of deleted tokens that are left")
			})
		}
	}
}

// A use that creates a token or puts a ticket of its own token takes no part in what it
// saw before a revocation. Here the revocation holds the counter that such a use writes,
// and is committed while the use waits.
//
// proves P6
func TestCreationSeesRevocationThatItWaitedFor(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, st *sqlstore.Store, parent store.Presented) func() error{
		"creation": func(t *testing.T, st *sqlstore.Store, parent store.Presented) func() error {
			child := newChild(t, st, parent.ID, 5)
			return func() error { _, err := st.CreateChild(t.Context(), parent, newUse(), child); return err }
		},
		"uncounted creation": func(t *testing.T, st *sqlstore.Store, parent store.Presented) func() error {
			child := newChild(t, st, parent.ID, 5)
			return func() error { _, err := st.CreateChild(t.Context(), parent, introspection(), child); return err }
		},
		"ticket": func(t *testing.T, st *sqlstore.Store, token store.Presented) func() error {
			u := newUse()
			u.Tickets.Put = []store.Ticket{newTicket(token.ID)}
			return func() error { _, err := st.Spend(t.Context(), token, u); return err }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newNamed(t, "read committed")
			db := s.migrate(t)
			sp := &spy{Connector: s.connector}
			revoking, st := s.on(t, s.connectBy(t, sp)), s.on(t, db)
			token, err := newRoot(t.Context(), st, 5)
			require.NoError(t, err)
			call := start(t, st, token)

			held, release := make(chan struct{}), make(chan struct{})
			sp.hook(func(_ context.Context, st statement) error {
				if st.is("COMMIT") {
					close(held)
					<-release
				}
				return nil
			}, nil)
			revoked := later(func() error {
				_, err := revoking.Revoke(t.Context(), store.Revocation{Token: token.ID, Now: 5})
				return err
			})
			<-held
			used := later(call)
			require.True(t, s.blocked(t, 1, used))
			close(release)
			require.NoError(t, revoked.wait())
			assert.Equal(t, store.ErrRevoked, used.wait())
			assert.Equal(t, 1, s.count(t, db, "tokens"))
			assert.Zero(t, s.count(t, db, "tickets"))
			assert.Zero(t, s.count(t, db, "history"))
		})
	}
}

// A use with a lease takes rows in the order of all steps: the grant, the counters, the
// rest.
func TestUseTakesRowsInOrder(t *testing.T) {
	s := newNamed(t, "read committed")
	db := s.migrate(t)
	st := s.on(t, db)
	token, err := newRoot(t.Context(), st, 5)
	require.NoError(t, err)
	lock := func(tx *sql.Tx, table string) error {
		var n int
		return tx.QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s FOR UPDATE NOWAIT) l", s.table(table))).Scan(&n)
	}
	for i, c := range []struct {
		holds      string
		taken      []string
		free       []string
		introspect bool
	}{
		{holds: "grants", free: []string{"counters", "tokens"}},
		{holds: "counters", taken: []string{"grants"}, free: []string{"tokens"}},
		{holds: "grants", free: []string{"counters", "tokens"}, introspect: true},
		{holds: "tokens", taken: []string{"grants"}, introspect: true},
	} {
		holder, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, lock(holder, c.holds))
		use := newUse()
		if c.introspect {
			use = introspection()
		}
		use.Lease = store.LeaseRequest{ID: store.LeaseID{byte(i + 1)}, TTL: time.Second}
		used := later(func() error {
			spent, err := st.Spend(t.Context(), token, use)
			assert.NotNil(t, spent.Refresh, "the lease")
			return err
		})
		require.True(t, s.blocked(t, 1, used))
		for _, table := range append(c.taken, c.free...) {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			if err := lock(tx, table); len(c.taken) > 0 && table == c.taken[0] {
				assert.ErrorContains(t, err, "55P03", "%s while the use waits for %s", table, c.holds)
			} else {
				assert.NoError(t, err, "%s while the use waits for %s", table, c.holds)
			}
			require.NoError(t, tx.Rollback())
		}
		require.NoError(t, holder.Rollback())
		require.NoError(t, used.wait())
		s.run(t, db, "UPDATE "+s.table("grants")+" SET lease_id = NULL, lease_until = 0")
	}
}

// The server keeps the plan of a query for batches, whatever their sizes. A plan for one
// row would always look cheaper to it.
func TestOnePlanForAllBatches(t *testing.T) {
	s := newPostgreSQL(t)
	s.mass(t, s.migrate(t), 4000)
	s.conns = 1
	db := s.connect(t)
	st := s.on(t, db)
	for i := range 10 {
		var ends []store.End
		for n := range 2 {
			ends = append(ends, store.End{
				Grant: numbered[store.GrantID](1 + 2*i + n), Lease: store.LeaseID{1}, Generation: 1, Outcome: store.RefreshNotSent, Relaxed: true, Now: 1,
			})
		}
		require.NoError(t, st.EndTogether(t.Context(), ends...))
	}
	var plans, anew int
	row := db.QueryRowContext(t.Context(), "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE $1", "%ends AS MATERIALIZED%")
	require.NoError(t, row.Scan(&plans, &anew))
	assert.Equal(t, 5, anew, "executions with a plan of their own") // the server compares the first five
	assert.Equal(t, 5, plans, "executions with the common plan")
}

// The query for a use that comes alone has single values, because arrays cost the server
// more. The server keeps that plan, too.
func TestUseAloneHasNoArrays(t *testing.T) {
	s := newPostgreSQL(t)
	s.mass(t, s.migrate(t), 4000)
	s.conns = 1
	db := s.connect(t)
	st := s.on(t, db)
	tokens := live(10)
	state := introspection()
	state.State = true
	uses := []store.Use{newUse(), leasing(), introspection(), state}
	for _, u := range uses {
		for _, p := range tokens {
			fresh(u.ID[:])
			_, err := st.Spend(t.Context(), p, u)
			require.NoError(t, err)
		}
	}
	seen := 0
	rows, err := db.QueryContext(t.Context(), "SELECT generic_plans, custom_plans, statement LIKE $1 FROM pg_prepared_statements WHERE statement LIKE $2", "%[]%", "%WITH uses AS%")
	require.NoError(t, err)
	defer rows.Close()
	for ; rows.Next(); seen++ {
		var plans, anew int
		var arrays bool
		require.NoError(t, rows.Scan(&plans, &anew, &arrays))
		assert.Equal(t, 5, anew, "executions with a plan of their own")
		assert.Equal(t, 5, plans, "executions with the common plan")
		assert.False(t, arrays)
	}
	require.NoError(t, rows.Err())
	assert.Equal(t, len(uses), seen, "different statements")
}
