package sqlstore_test

import (
	"database/sql"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// waitFor begins a call that waits for the connection of the pool.
func waitFor(pool *sql.DB, do func() error) *call {
	before := pool.Stats().WaitCount
	c := begin(store.Use{}, func() (store.Spent, error) { return store.Spent{}, do() })
	for pool.Stats().WaitCount == before {
		runtime.Gosched()
	}
	return c
}

// Somebody stops a compound statement in the middle. Nothing of it takes effect, and its
// locks are free. Nobody gets its connection, not even a caller that already waits for
// one: not every server lets a handler roll back then, so the transaction may still be
// open.
//
// proves P3, P4
func TestCompoundIsStopped(t *testing.T) {
	t.Parallel()
	for name, prepares := range map[string]bool{"prepared": true, "as text": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newMySQL(t)
			if !prepares {
				s.connector = refusing{s.connector, func(_ string, prepares bool) error {
					if !prepares {
						return nil
					}
					return &mysql.MySQLError{Number: 1461, Message: "Can't create more than max_prepared_stmt_count statements"}
				}}
			}
			b := block(t, s)
			assert.Equal(t, prepares, b.prepared)
			var session int64
			waited := waitFor(b.pool, func() error { return b.pool.QueryRow("SELECT CONNECTION_ID()").Scan(&session) })
			if _, err := b.admin.Exec("KILL QUERY ?", b.session); err != nil {
				t.Fatal(err)
			}
			<-b.done
			require.ErrorContains(t, b.err, "1317")
			require.NotErrorIs(t, b.err, store.ErrUnavailable, "the statement may have been stopped after its COMMIT")
			granted(t, waited)
			assert.NotEqual(t, b.session, session, "the connection is used again")
			b.release()
			begin := store.Begin{Grant: b.info.Grant, Lease: store.LeaseID{2}, Now: b.use.Now, TTL: time.Second}
			_, err := b.store.BeginRefresh(t.Context(), begin)
			require.NoError(t, err, "the lease that the stopped statement has taken")
			info, err := b.store.Token(t.Context(), b.info.ID)
			require.NoError(t, err)
			assert.Zero(t, info.Counters[0].ATUsed)
		})
	}
}

// Somebody, or the server itself, stops a compound statement between two of its parts. Then
// its session stays in the transaction. A caller that waits for the connection reads
// nothing of that, and the locks of the transaction are free.
//
// proves P3, P4
func TestStoppedCompoundLeavesATransaction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, parameter, want string }{
		{"KILL QUERY", "", "1317"},
		{"max_statement_time", "&max_statement_time=3", "1969"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newMySQL(t)
			admin := s.migrate(t)
			s.conns, s.connector = 1, byName{mysql.MySQLDriver{}, s.address + c.parameter}
			pool := s.connect(t)
			st := s.on(t, pool)
			_, err := newRoot(t.Context(), st, 10)
			require.NoError(t, err)
			const forever = "BEGIN DECLARE v INT; WHILE TRUE DO SET v = 1; END WHILE; END" // a SET that is stopped calls no handler
			use := "UPDATE " + s.table("counters") + " SET used = 7 WHERE kind = 1"
			stopped := begin(store.Use{}, func() (store.Spent, error) {
				_, err := st.WriteAll(t.Context(), []int{1, sqlstore.AnyRows}, []string{use, forever})
				return store.Spent{}, err
			})
			session, _ := s.inTransaction(t, admin, stopped, "x.trx_rows_modified > 0")
			var used int64
			waited := waitFor(pool, func() error {
				return pool.QueryRow("SELECT MAX(used) FROM " + s.table("counters")).Scan(&used)
			})
			if c.parameter == "" {
				s.run(t, admin, "KILL QUERY "+strconv.FormatInt(session, 10))
			}
			<-stopped.done
			require.ErrorContains(t, stopped.err, c.want)
			granted(t, waited)
			assert.Zero(t, used, "what nobody has committed is read")
			s.run(t, admin, "SET STATEMENT innodb_lock_wait_timeout = 5 FOR "+use)
		})
	}
}
