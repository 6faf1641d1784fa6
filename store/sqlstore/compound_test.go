package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// blocked is a use that takes a lease within a compound statement, and then waits for the
// lock on a counter that another session holds.
type blocked struct {
	*call
	st        *spy
	store     store.Store
	pool      *sql.DB // has one connection
	admin     *sql.DB
	info      store.TokenInfo
	release   func() // the lock
	session   int64
	isolation string
	prepared  bool
}

func block(t *testing.T, s site) *blocked {
	t.Helper()
	b := &blocked{admin: s.migrate(t), st: &spy{Connector: s.connector}}
	s.conns, s.opts.BatchTimeout = 1, time.Minute
	b.pool = s.connectBy(t, b.st)
	on := s.on(t, b.pool)
	root, err := newRoot(t.Context(), on, 10)
	require.NoError(t, err)
	b.store = on
	b.info, err = on.Token(t.Context(), root.ID)
	require.NoError(t, err)
	tx, err := b.admin.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	b.release = func() { require.NoError(t, tx.Rollback()) }
	if _, err := tx.Exec("SELECT id FROM " + s.table("counters") + " WHERE clause = 0 AND kind = 1 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	b.st.taken()
	u := newUse()
	u.Lease = store.LeaseRequest{ID: store.LeaseID{1}, TTL: time.Second}
	b.call = begin(u, func() (store.Spent, error) { return on.Spend(t.Context(), root, u) })
	b.session, b.isolation = s.lockWait(t, b.admin, b.call)
	said := b.st.taken()
	require.True(t, said[0].is("BEGIN NOT ATOMIC"), "the use is no compound statement")
	b.prepared = said[0].prepared
	return b
}

// lockWait returns when a call waits for a lock, with its session and its isolation.
func (s site) lockWait(t *testing.T, admin *sql.DB, c *call) (session int64, isolation string) {
	t.Helper()
	return s.inTransaction(t, admin, c, "x.trx_state = 'LOCK WAIT'")
}

// inTransaction returns when the transaction of a call is in a state, with its session and
// its isolation.
func (s site) inTransaction(t *testing.T, admin *sql.DB, c *call, state string) (session int64, isolation string) {
	t.Helper()
	database, _, _ := strings.Cut(s.address[strings.LastIndexByte(s.address, '/')+1:], "?")
	for session == 0 {
		err := admin.QueryRow(`
			SELECT x.trx_mysql_thread_id, x.trx_isolation_level FROM information_schema.innodb_trx x
			JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id
			WHERE `+state+` AND p.db = ?`, database).Scan(&session, &isolation)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
		select {
		case <-c.done:
			t.Fatalf("the call is over: %v", c.err)
		case <-time.After(150 * time.Millisecond): // innodb_trx changes only after a pause of 100 ms
		}
	}
	return session, isolation
}

// A compound statement runs at READ COMMITTED, whatever the session has, and leaves the
// session as it was.
//
// proves P3
func TestCompoundIsolation(t *testing.T) {
	b := block(t, newMySQL(t))
	assert.Equal(t, "READ COMMITTED", b.isolation)
	assert.True(t, b.prepared)
	b.release()
	<-b.done
	require.NoError(t, b.err)
	assert.NotNil(t, b.spent.Refresh)
}

// A token is deleted while a compound statement waits for the counter of its ancestor. The
// statement grants nothing. It does not charge the ancestor again and again, looking for
// the counter of the token.
//
// proves P4
func TestTokenIsDeletedUnderACompound(t *testing.T) {
	s := newMySQL(t)
	admin := s.migrate(t)
	st := s.open(t)
	root, err := newRoot(t.Context(), st, 1<<40)
	require.NoError(t, err)
	child := newChild(t, st, root.ID, 100)
	child.Expires = 2
	_, err = st.CreateChild(t.Context(), root, store.Use{ID: newUse().ID, Kind: store.UseUncounted, Now: 1}, child)
	require.NoError(t, err)
	require.NoError(t, spend(t.Context(), st, presented(child)))
	counter := "SELECT used FROM " + s.table("counters") + " WHERE clause = 0 AND kind = 1 AND token = (SELECT MIN(id) FROM " + s.table("tokens") + ")"
	tx, err := admin.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	var used int64
	require.NoError(t, tx.QueryRow(counter+" FOR UPDATE").Scan(&used))
	require.EqualValues(t, 1, used)
	c := begin(newUse(), func() (store.Spent, error) { return st.Spend(t.Context(), presented(child), newUse()) })
	session, _ := s.lockWait(t, admin, c)
	_, err = st.Sweep(t.Context(), store.Cleaning{Now: 1e15, Limit: 100, Retention: time.Hour})
	require.NoError(t, err)
	_, err = st.Token(t.Context(), child.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, tx.Rollback())
	peek, err := admin.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadUncommitted})
	require.NoError(t, err)
	defer peek.Rollback()
	for waits := true; waits; {
		require.NoError(t, peek.QueryRow(counter).Scan(&used))
		if used > 2 {
			s.run(t, admin, "KILL "+strconv.FormatInt(session, 10))
			t.Fatalf("one use was charged %d times", used-1)
		}
		select {
		case <-c.done:
			waits = false
		default:
		}
	}
	require.ErrorIs(t, c.err, store.ErrNotFound)
	info, err := st.Token(t.Context(), root.ID)
	require.NoError(t, err)
	assert.EqualValues(t, 1, info.Counters[0].ATUsed)
}

// A use that puts many tickets is granted like any other, and no statement gets more
// arguments than a server accepts.
func TestUseWithManyTickets(t *testing.T) {
	t.Parallel()
	s := newMySQL(t)
	s.migrate(t)
	sp := &spy{Connector: s.connector}
	st := s.on(t, s.connectBy(t, sp))
	root, err := newRoot(t.Context(), st, 10)
	require.NoError(t, err)
	u := newUse()
	for range 200 { // 12 arguments each
		u.Tickets.Put = append(u.Tickets.Put, newTicket(root.ID))
	}
	sp.taken()
	_, err = st.Spend(t.Context(), root, u)
	require.NoError(t, err)
	for _, said := range sp.taken() {
		assert.LessOrEqual(t, len(said.args), 2048)
	}
	last := u.Tickets.Put[199]
	_, err = st.ResolveTicket(t.Context(), last.Kind, []store.TicketID{last.ID}, u.Now)
	require.NoError(t, err)
}

// A compound statement that waits too long for a lock is rolled back as a whole and tried
// again. So the use is charged once.
//
// proves P3
func TestCompoundWaitsTooLong(t *testing.T) {
	s := newMySQL(t)
	s.connector = byName{mysql.MySQLDriver{}, s.address + "&innodb_lock_wait_timeout=2"}
	b := block(t, s)
	failed := make(chan error, 1)
	b.st.mu.Lock()
	b.st.failed = func(err error) error {
		select {
		case failed <- err:
			b.release()
		default:
		}
		return err
	}
	b.st.mu.Unlock()
	<-b.done
	require.NoError(t, b.err)
	require.ErrorContains(t, <-failed, "1205")
	assert.False(t, b.spent.Repeated)
	assert.NotNil(t, b.spent.Refresh)
	info, err := b.store.Token(t.Context(), b.info.ID)
	require.NoError(t, err)
	assert.EqualValues(t, 1, info.Counters[0].ATUsed)
}

// The answer to a compound statement is lost. The step may have taken effect, so the error
// is no ErrUnavailable, and a repetition finds the use.
//
// proves P3, P4
func TestAnswerOfACompoundIsLost(t *testing.T) {
	t.Parallel()
	s := newMySQL(t)
	s.migrate(t)
	sp := &spy{Connector: s.connector}
	st := s.on(t, s.connectBy(t, sp))
	root, err := newRoot(t.Context(), st, 10)
	require.NoError(t, err)
	lost := errors.New("connection reset by peer")
	sp.hook(nil, func(_ context.Context, said statement) error {
		if said.is("BEGIN NOT ATOMIC") {
			return lost
		}
		return nil
	})
	u := newUse()
	_, err = st.Spend(t.Context(), root, u)
	require.ErrorIs(t, err, lost)
	require.NotErrorIs(t, err, store.ErrUnavailable)
	sp.hook(nil, nil)
	spent, err := st.Spend(t.Context(), root, u)
	require.NoError(t, err)
	assert.True(t, spent.Repeated)
}

// The store fulfils its contract on a server that knows no compound statements, such as
// MySQL, and on one that runs them but does not prepare them.
//
// proves P3, P4, P5, P8
func TestServerWithoutCompounds(t *testing.T) {
	contractElsewhere(t)
	t.Parallel()
	for _, c := range []struct {
		name    string
		refuses func(prepares bool) error
	}{
		{"unknown", func(bool) error {
			return &mysql.MySQLError{Number: 1064, Message: "You have an error in your SQL syntax"}
		}},
		{"unprepared", func(prepares bool) error {
			if !prepares {
				return nil
			}
			return &mysql.MySQLError{Number: 1295, Message: "This command is not supported in the prepared statement protocol yet"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "unprepared" && os.Getenv("CI_LONG") == "" {
				t.Skip("CI_LONG is not set")
			}
			t.Parallel()
			refused := 0
			databases := &shelf{t: t, create: func(t testing.TB) site {
				s := newMySQL(t)
				s.connector = refusing{s.connector, func(text string, prepares bool) error {
					if !strings.HasPrefix(text, "BEGIN NOT ATOMIC") {
						return nil
					}
					refused++
					return c.refuses(prepares)
				}}
				return s
			}}
			storetest.Run(t, databases.harness(rounds(1)))
			assert.Positive(t, refused)
		})
	}
}

// refusing is a connector to a server that refuses some statements.
type refusing struct {
	driver.Connector
	refuses func(text string, prepares bool) error
}

func (r refusing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &refusingConn{&spyConn{c, &spy{}}, r.refuses}, nil
}

type refusingConn struct {
	*spyConn
	refuses func(text string, prepares bool) error
}

func (c *refusingConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if err := c.refuses(text, true); err != nil {
		return nil, err
	}
	return c.spyConn.PrepareContext(ctx, text)
}

func (c *refusingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.refuses(text, false); err != nil {
		return nil, err
	}
	return c.spyConn.ExecContext(ctx, text, args)
}

func (c *refusingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.refuses(text, false); err != nil {
		return nil, err
	}
	return c.spyConn.QueryContext(ctx, text, args)
}

// A session is still in the transaction of a statement that somebody stopped in the
// middle. Nothing that the store does on it commits that transaction, and what the store
// does there takes effect.
//
// proves P3, P4
func TestSessionIsInATransaction(t *testing.T) {
	t.Parallel()
	s := newMySQL(t)
	db := s.migrate(t)
	s.conns = 1
	pool := s.connect(t)
	st := s.on(t, pool)
	root, err := newRoot(t.Context(), st, 1000)
	require.NoError(t, err)
	info, err := st.Token(t.Context(), root.ID)
	require.NoError(t, err)
	left, err := newRoot(t.Context(), st, 1000)
	require.NoError(t, err)
	lease := store.LeaseID{1}
	used := int64(0)
	for _, c := range []struct {
		name string
		do   func() error
		done func() bool
	}{
		{"Spend", func() error { return spend(t.Context(), st, root) }, func() bool { used++; return true }},
		{"BeginRefresh", func() error {
			_, err := st.BeginRefresh(t.Context(), store.Begin{Grant: info.Grant, Lease: lease, Now: 1, TTL: time.Second})
			return err
		}, func() bool { return s.holds(t, db, "grants", "lease_until > 0") }},
		{"EndRefresh", func() error {
			return st.EndRefresh(t.Context(), store.End{Grant: info.Grant, Lease: lease, Generation: 1, Outcome: store.RefreshDone, Now: 1})
		}, func() bool { return !s.holds(t, db, "grants", "lease_until > 0") }},
		{"Beat", func() error {
			return st.Beat(t.Context(), store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}}, 5)
		},
			func() bool { return s.holds(t, db, "processes", "lives_until = 5") }},
		{"Refund", func() error { return st.Refund(t.Context(), store.UseID{1}, 5) }, func() bool { return s.holds(t, db, "history", "refunded = 1") }},
		{"Revoke", func() error {
			_, err := st.Revoke(t.Context(), store.Revocation{Token: root.ID, Now: 1})
			return err
		}, func() bool { return s.holds(t, db, "tombstones", "revoked_at = 1") }},
		{"Sweep", func() error {
			_, err := st.Sweep(t.Context(), store.Cleaning{Now: 1e15, Limit: 100, Retention: time.Hour})
			return err
		}, func() bool { return !s.holds(t, db, "processes", "lives_until = 5") }},
		{"Ping", func() error { st.ForgetPing(); return st.Ping(t.Context()) }, func() bool { return true }},
	} {
		s.run(t, pool, "START TRANSACTION")
		s.run(t, pool, "UPDATE "+s.table("counters")+" SET used = 999 WHERE kind = 1 AND token = (SELECT MAX(id) FROM "+s.table("tokens")+")")
		require.NoError(t, c.do(), c.name)
		require.True(t, c.done(), "%s has no effect", c.name)
		other, err := st.Token(t.Context(), left.ID)
		require.NoError(t, err)
		require.Zero(t, other.Counters[0].ATUsed, "%s has committed what was left", c.name)
	}
	require.False(t, s.holds(t, db, "counters", "used = 999"))
}

// holds reports whether a table has a row that another session can see.
func (s site) holds(t *testing.T, db *sql.DB, table, where string) (found bool) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT EXISTS (SELECT 1 FROM "+s.table(table)+" WHERE "+where+")").Scan(&found))
	return found
}
