package sqlstore_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// ownMariaDB returns a way to create databases on a server of the test's own, and a
// connection for changing its settings.
func ownMariaDB(t *testing.T, parameters string, options ...string) (create func(testing.TB) site, admin *sql.DB) {
	t.Helper()
	dsn := dbtest.NewMariaDB(t, options...)
	admin = mySQLAt(dsn).connect(t)
	return func(t testing.TB) site {
		t.Helper()
		config, err := mysql.ParseDSN(dsn + parameters)
		require.NoError(t, err)
		config.DBName = dbtest.Unique()
		_, err = admin.Exec("CREATE DATABASE " + config.DBName)
		require.NoError(t, err)
		return mySQLAt(config.FormatDSN())
	}, admin
}

// The store fulfils its contract on a server that prepares no statement at all, whether
// or not the driver writes arguments into the text itself.
//
// proves P3, P4, P5, P8
func TestServerPreparesNothing(t *testing.T) {
	contractElsewhere(t)
	t.Parallel()
	for _, parameters := range []string{"?interpolateParams=true", ""} {
		t.Run("DSN with "+parameters, func(t *testing.T) {
			const writes = "?interpolateParams=true" // the driver prepares nothing for migrations
			create, admin := ownMariaDB(t, writes)
			_, err := admin.ExecContext(t.Context(), "SET GLOBAL max_prepared_stmt_count = 0")
			require.NoError(t, err)
			databases := &shelf{t: t, create: create, through: func(s site) site {
				return mySQLAt(strings.TrimSuffix(s.address, writes) + parameters)
			}}
			storetest.Run(t, databases.harness(1))
		})
	}
}

// Other programs use up the server's prepared statements after New. Connections that are
// opened then work all the same, in transactions and outside of them.
//
// proves P3
func TestPreparedStatementsRunOut(t *testing.T) {
	create, admin := ownMariaDB(t, "?interpolateParams=true")
	s := create(t)
	s.migrate(t)
	st := s.open(t)
	p, err := newRoot(t.Context(), st, store.Unlimited)
	require.NoError(t, err)
	info, err := st.Token(t.Context(), p.ID)
	require.NoError(t, err)
	_, err = admin.ExecContext(t.Context(), "SET GLOBAL max_prepared_stmt_count = 0")
	require.NoError(t, err)
	// The pool has prepared the statements on one connection only.
	calls := []func() error{
		func() error { return spend(t.Context(), st, p) },
		func() error { _, err := newRoot(t.Context(), st, 5); return err },
		func() error { _, err := st.Lookup(t.Context(), p, 1); return err },
		func() error { _, err := st.Grant(t.Context(), info.Grant); return err },
		func() error {
			lease := store.LeaseID{1}
			begun, err := st.BeginRefresh(t.Context(), store.Begin{Grant: info.Grant, Lease: lease, Now: 1, TTL: 5})
			end := store.End{Grant: info.Grant, Lease: lease, Generation: begun.Generation, Outcome: store.RefreshDone, Now: 1}
			return errors.Join(err, st.EndRefresh(t.Context(), end))
		},
		func() error { return st.Ping(t.Context()) },
	}
	for range 3 {
		done := make(chan error)
		for _, call := range calls[:4] {
			go func() { done <- call() }()
		}
		for range 4 {
			require.NoError(t, <-done)
		}
	}
	for _, call := range calls {
		require.NoError(t, call())
	}
	before, err := st.Token(t.Context(), p.ID)
	require.NoError(t, err)
	assert.Equal(t, int64(4), before.Counters[0].ATUsed, "uses that are counted")
}

// A server that is set read-only while it runs refuses with another error than a
// read-only session, and lets the sessions live. The connections are closed all the same.
//
// proves P3
func TestServerIsSetReadOnly(t *testing.T) {
	create, admin := ownMariaDB(t, "?interpolateParams=true")
	s := create(t)
	s.migrate(t)
	config, err := mysql.ParseDSN(s.address)
	require.NoError(t, err)
	for _, text := range []string{
		"CREATE USER portal IDENTIFIED BY ''", "GRANT SELECT, INSERT, UPDATE, DELETE ON " + config.DBName + ".* TO portal",
	} {
		_, err := admin.ExecContext(t.Context(), text)
		require.NoError(t, err)
	}
	config.User = "portal" // root may write all the same
	f := &failover{Connector: byName{mysql.MySQLDriver{}, config.FormatDSN()}}
	st := s.on(t, s.connectBy(t, f))
	p, err := newRoot(t.Context(), st, store.Unlimited)
	require.NoError(t, err)
	_, err = admin.ExecContext(t.Context(), "SET GLOBAL read_only = 1")
	require.NoError(t, err)
	before := f.dialled.Load()
	err = spend(t.Context(), st, p)
	require.ErrorIs(t, err, sqlstore.ErrReadOnly)
	require.ErrorIs(t, err, store.ErrUnavailable)
	assert.Greater(t, f.dialled.Load(), before, "connections that were opened instead")
	require.ErrorIs(t, st.Ping(t.Context()), sqlstore.ErrReadOnly)
	_, err = admin.ExecContext(t.Context(), "SET GLOBAL read_only = 0")
	require.NoError(t, err)
	require.NoError(t, spend(t.Context(), st, p))
}

// The store fulfils its contract in any SQL mode but the one that New refuses, and if the
// driver does not write arguments into the text.
//
// proves P3, P4, P5, P8
func TestMariaDBWithOddSettings(t *testing.T) {
	contractElsewhere(t)
	t.Parallel()
	create, _ := ownMariaDB(t, "?interpolateParams=true")
	for name, settings := range map[string]map[string]string{
		"Oracle": {"sql_mode": "'ORACLE'", "charset": "latin1", "interpolateParams": "false"},
		"strict": {
			"sql_mode": "'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,IGNORE_SPACE,HIGH_NOT_PRECEDENCE,PAD_CHAR_TO_FULL_LENGTH," +
				"NO_UNSIGNED_SUBTRACTION,REAL_AS_FLOAT,TRADITIONAL,ONLY_FULL_GROUP_BY,NO_AUTO_VALUE_ON_ZERO,SIMULTANEOUS_ASSIGNMENT'",
			"sql_safe_updates": "1", "sql_auto_is_null": "1",
		},
	} {
		t.Run(name, func(t *testing.T) { testOddSettings(t, create, settings) })
	}
}
