package rest_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// engine is a kind of store.
type engine struct {
	name, driver string // no driver: in memory
	dialect      sqlstore.Dialect
	dsn          func(testing.TB) string
}

var engines = []engine{
	{name: "memory"},
	{"SQLite", "sqlite", sqlstore.SQLite, func(t testing.TB) string { return dbtest.SQLite(filepath.Join(t.TempDir(), "store.db")) }},
	{"PostgreSQL", "pgx", sqlstore.PostgreSQL, dbtest.NewPostgreSQL},
	{"MariaDB", "mysql", sqlstore.MySQL, dbtest.NewMySQL},
}

// open opens an empty store.
func (e engine) open(t testing.TB) store.Store {
	t.Helper()
	if e.driver == "" {
		return memstore.New()
	}
	db, err := sql.Open(e.driver, e.dsn(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(12)
	db.SetMaxIdleConns(12)
	if err := sqlstore.Migrate(t.Context(), db, e.dialect, sqlstore.Options{}); err != nil {
		t.Fatal(err)
	}
	// As patient as possible: the machine may be busy with other things.
	st, err := sqlstore.New(t.Context(), db, e.dialect, sqlstore.Options{BatchTimeout: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return st
}
