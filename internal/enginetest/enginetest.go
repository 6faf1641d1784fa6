// Package enginetest lists the stores that tests and benchmarks run on: one in memory and
// one on each database. It imports no driver. Import modernc.org/sqlite,
// github.com/jackc/pgx/v5/stdlib and github.com/go-sql-driver/mysql.
package enginetest

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// Engine is a kind of store.
type Engine struct {
	Name    string
	Driver  string // of package sql; empty: in memory
	Dialect sqlstore.Dialect
	// DSN makes an empty database for one test and returns its DSN. See package dbtest.
	DSN func(testing.TB) string
}

// All are all engines. The first is in memory, and has neither driver nor database.
var All = []Engine{
	{Name: "memory"},
	{"SQLite", "sqlite", sqlstore.SQLite, func(t testing.TB) string { return dbtest.SQLite(filepath.Join(t.TempDir(), "store.db")) }},
	{"PostgreSQL", "pgx", sqlstore.PostgreSQL, dbtest.NewPostgreSQL},
	{"MariaDB", "mysql", sqlstore.MySQL, dbtest.NewMySQL},
}

// Open opens an empty store for one test, on a pool of so many connections.
func (e Engine) Open(t testing.TB, connections int) store.Store {
	t.Helper()
	if e.Driver == "" {
		return memstore.New()
	}
	db, err := sql.Open(e.Driver, e.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if err := sqlstore.Migrate(t.Context(), db, e.Dialect, sqlstore.Options{}); err != nil {
		t.Fatal(err)
	}
	// As patient as possible: the machine may be busy with other things.
	st, err := sqlstore.New(t.Context(), db, e.Dialect, sqlstore.Options{BatchTimeout: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return st
}
