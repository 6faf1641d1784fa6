package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
)

type fakeConn struct{ driver.Conn }

// The store forgets what is prepared on connections that the pool has closed long ago, and
// remembers the connections that are in use.
func TestSessionsAreForgotten(t *testing.T) {
	var all sessions
	const open = 3
	used := &fakeConn{}
	mine := all.of(used, open)
	for range 100 {
		all.of(&fakeConn{}, open)
		require.Same(t, mine, all.of(used, open))
		require.LessOrEqual(t, len(all.known), 2*open+1)
	}
}

// A pool that keeps no connection costs the store no memory.
func TestSessionsOfClosedConnections(t *testing.T) {
	t.Parallel()
	s := newOn(t, "mysql", dbtest.NewMySQL(t), MySQL)
	s.db.SetMaxIdleConns(-1)
	for range 20 {
		require.NoError(t, s.EndTogether(t.Context(), store.End{Grant: store.GrantID{1}, Outcome: store.RefreshDone}))
	}
	assert.NotEmpty(t, s.sessions.known, "the statement is not prepared")
	assert.LessOrEqual(t, len(s.sessions.known), 4)
}

// slicedConn is a connection that cannot be the key of a map.
type slicedConn struct {
	driver.Conn
	_ []int
}

type slicedConnector struct{ driver.Connector }

func (slicedConnector) Connect(context.Context) (driver.Conn, error) { return slicedConn{}, nil }

// The store prepares nothing on connections that it cannot tell apart.
func TestConnectionsThatDoNotCompare(t *testing.T) {
	db := sql.OpenDB(slicedConnector{})
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	s := &Store{db: db}
	require.ErrorIs(t, s.onSession(conn, nil), errNoSession)
}

// A row that the store has read itself scans like one of package sql.
func TestCells(t *testing.T) {
	t.Parallel()
	var n int
	var b []byte
	var v sql.Null[int64]
	into := []any{&n, &b, &v}
	require.NoError(t, cells{int64(5), []byte("x"), nil}.Scan(into...))
	assert.Equal(t, []any{5, []byte("x"), false}, []any{n, b, v.Valid})
	require.NoError(t, cells{[]byte("6"), nil, int64(7)}.Scan(into...))
	assert.Equal(t, []any{6, []byte(nil), int64(7)}, []any{n, b, v.V})
	require.ErrorContains(t, cells{nil}.Scan(into...), "1 columns")
	require.ErrorContains(t, cells{"five", nil, nil}.Scan(into...), "column 0")
	require.ErrorContains(t, cells{nil}.Scan(new(string)), "no rule")
}
