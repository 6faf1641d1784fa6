package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// readOnly connects to the same data in sessions that must not write.
func (s site) readOnly(t testing.TB) driver.Connector {
	t.Helper()
	switch s.dialect {
	case sqlstore.PostgreSQL:
		return postgreSQLAt(t, s.address, map[string]string{"default_transaction_read_only": "on"}).connector
	case sqlstore.MySQL:
		return byName{mysql.MySQLDriver{}, s.address + "&tx_read_only=ON"}
	}
	return byName{&sqlite.Driver{}, dbtest.SQLite(s.address) + "&_pragma=query_only(1)"}
}

// failover is a connector whose name leads to a server that was demoted, or to the one
// that was promoted.
type failover struct {
	driver.Connector // the server that accepts writes
	demoted          driver.Connector
	away             atomic.Bool // the name leads to the demoted one
	dialled          atomic.Int64
}

func (f *failover) Connect(ctx context.Context) (driver.Conn, error) {
	f.dialled.Add(1)
	if f.away.Load() {
		return f.demoted.Connect(ctx)
	}
	return f.Connector.Connect(ctx)
}

// afterFailover opens a store all of whose connections lead to a server that is read-only
// now, while new connections reach the one that was promoted.
func afterFailover(t *testing.T, s site) (*sqlstore.Store, store.Presented, *failover) {
	t.Helper()
	s.migrate(t)
	p, err := newRoot(t.Context(), s.open(t), store.Unlimited)
	require.NoError(t, err)
	f := &failover{Connector: s.connector, demoted: s.readOnly(t)}
	db := s.connectBy(t, f)
	st := s.on(t, db)
	db.SetMaxIdleConns(0) // closes the connections that New has opened
	db.SetMaxIdleConns(s.conns)
	f.away.Store(true)
	var held []interface{ Close() error }
	for range s.conns {
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		held = append(held, c)
	}
	for _, c := range held {
		require.NoError(t, c.Close())
	}
	f.away.Store(false)
	return st, p, f
}

// After a failover the pool is full of connections to the server that was demoted. The
// first step of any kind reaches the one that was promoted.
//
// proves P3
func TestDemotedPrimary(t *testing.T) {
	steps := map[string]func(t *testing.T, st *sqlstore.Store, p store.Presented) error{
		"Spend": func(t *testing.T, st *sqlstore.Store, p store.Presented) error { return spend(t.Context(), st, p) },
		"CreateRoot": func(t *testing.T, st *sqlstore.Store, _ store.Presented) error {
			_, err := newRoot(t.Context(), st, 5)
			return err
		},
		"Refund": func(t *testing.T, st *sqlstore.Store, _ store.Presented) error {
			return st.Refund(t.Context(), newUse().ID, 1)
		},
		"Revoke": func(t *testing.T, st *sqlstore.Store, p store.Presented) error {
			_, err := st.Revoke(t.Context(), store.Revocation{Token: p.ID, Recursive: true, Now: 5})
			return err
		},
		"ChangeTickets": func(t *testing.T, st *sqlstore.Store, p store.Presented) error {
			return st.ChangeTickets(t.Context(), store.TicketChanges{Put: []store.Ticket{newTicket(p.ID)}}, 1)
		},
		"ChangeItems": func(t *testing.T, st *sqlstore.Store, p store.Presented) error {
			return st.ChangeItems(t.Context(), newItems(p.ID))
		},
		"Ping": func(t *testing.T, st *sqlstore.Store, _ store.Presented) error { return st.Ping(t.Context()) },
	}
	onEach(t, func(t *testing.T, s site) {
		for name, step := range steps {
			t.Run(name, func(t *testing.T) {
				st, p, f := afterFailover(t, s)
				before := f.dialled.Load()
				require.NoError(t, step(t, st, p))
				assert.Greater(t, f.dialled.Load(), before, "connections after the failover")
			})
		}
	})
}

// After a failover, many callers at once lose no use, and soon no connection leads to the
// server that was demoted, so that no step reads an old state.
//
// proves P3
func TestDemotedPrimaryUnderLoad(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st, p, f := afterFailover(t, s)
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() { assert.NoError(t, spend(t.Context(), st, p)) })
		}
		wg.Wait()
		before := f.dialled.Load()
		for range 3 * s.conns {
			require.NoError(t, spend(t.Context(), st, p))
			_, err := st.Lookup(t.Context(), p, 1)
			require.NoError(t, err)
		}
		assert.LessOrEqual(t, f.dialled.Load()-before, int64(s.conns), "connections once it is over")
	})
}

// If the database becomes read-only for good, every step that writes says so, and that it
// has certainly not taken effect. Steps that only read still work.
func TestBecomesReadOnly(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st, p, f := afterFailover(t, s)
		f.away.Store(true)
		for name, err := range map[string]error{
			"Spend": spend(t.Context(), st, p), "Refund": st.Refund(t.Context(), newUse().ID, 1), "Ping": st.Ping(t.Context()),
		} {
			require.ErrorIs(t, err, sqlstore.ErrReadOnly, name)
			require.ErrorIs(t, err, store.ErrUnavailable, name)
			assert.False(t, store.IsDefinite(err), name)
		}
		_, err := st.Lookup(t.Context(), p, 1)
		require.NoError(t, err)
		before := f.dialled.Load()
		require.Error(t, spend(t.Context(), st, p))
		assert.LessOrEqual(t, f.dialled.Load()-before, int64(10), "connections for one step")
		f.away.Store(false)
		require.NoError(t, spend(t.Context(), st, p))
	})
}

// New retries as steps do.
func TestNewAfterFailover(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		f := &failover{Connector: s.connector, demoted: s.readOnly(t)}
		db := s.connectBy(t, f)
		f.away.Store(true)
		_, err := sqlstore.New(t.Context(), db, s.dialect, s.opts)
		require.True(t, errors.Is(err, sqlstore.ErrReadOnly), "%v", err)
		f.away.Store(false)
		s.on(t, db)
	})
}
