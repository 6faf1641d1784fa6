package killtest_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// site is a database, as the setup of a process describes it.
type site struct {
	Driver, DSN string
	Dialect     sqlstore.Dialect
	Schema      string
	Conns       int
}

func (s site) options() sqlstore.Options { return sqlstore.Options{Schema: s.Schema} }

func (s site) connect() (*sql.DB, error) {
	db, err := sql.Open(s.Driver, s.DSN)
	if err == nil {
		db.SetMaxOpenConns(s.Conns)
		db.SetMaxIdleConns(s.Conns)
	}
	return db, err
}

func (s site) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := s.connect()
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// migrated creates the schema and returns a store on it.
func (s site) migrated(t testing.TB) *sqlstore.Store {
	t.Helper()
	db := s.open(t)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, s.Dialect, s.options()))
	st, err := sqlstore.New(t.Context(), db, s.Dialect, s.options())
	require.NoError(t, err)
	return st
}

func onSQLite(t testing.TB) site {
	return site{Driver: "sqlite", DSN: dbtest.SQLite(filepath.Join(t.TempDir(), "store.db")), Dialect: sqlstore.SQLite, Conns: 4}
}

func onPostgreSQL(t testing.TB) site {
	s := postgreSQLAt(dbtest.PostgreSQL())
	admin := s.open(t)
	s.Schema = dbtest.Unique()
	if _, err := admin.Exec("CREATE SCHEMA " + s.Schema); err != nil {
		dbtest.Missing(t, "PostgreSQL", dbtest.PostgreSQLVariable, err)
	}
	t.Cleanup(func() {
		_, err := admin.Exec("DROP SCHEMA " + s.Schema + " CASCADE")
		require.NoError(t, err)
	})
	return s
}

func postgreSQLAt(dsn string) site {
	return site{Driver: "pgx", DSN: dsn, Dialect: sqlstore.PostgreSQL, Conns: 6}
}

func onMariaDB(t testing.TB) site {
	server, parameters, _ := strings.Cut(dbtest.MySQL(), "?")
	dsn := func(database string) string { return server + database + "?interpolateParams=true&" + parameters }
	s := site{Driver: "mysql", DSN: dsn(""), Dialect: sqlstore.MySQL, Conns: 6}
	admin := s.open(t)
	name := dbtest.Unique()
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		dbtest.Missing(t, "MariaDB", dbtest.MySQLVariable, err)
	}
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + name)
		require.NoError(t, err)
	})
	s.DSN = dsn(name)
	return s
}
