package sqlstore_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// site is one database for one test.
type site struct {
	name    string
	dialect sqlstore.Dialect
	opts    sqlstore.Options
	// address is the file, or the DSN.
	address string
	// connector opens connections.
	connector driver.Connector
	// conns is how many connections a pool has.
	conns int
}

// connect opens a new pool.
func (s site) connect(t testing.TB) *sql.DB { return s.connectBy(t, s.connector) }

func (s site) connectBy(t testing.TB, c driver.Connector) *sql.DB {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(s.conns)
	db.SetMaxIdleConns(s.conns)
	t.Cleanup(func() { db.Close() })
	return db
}

// engines are the databases that every test runs on.
var engines = []struct {
	name string
	new  func(t testing.TB) site
}{
	{"SQLite", newSQLite},
	{"PostgreSQL", newPostgreSQL},
	{"MariaDB", newMySQL},
}

// onEach runs a test on every engine, all at the same time.
func onEach(t *testing.T, test func(t *testing.T, s site)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, e.new(t))
		})
	}
}

// byName is a connector of a driver that has none.
type byName struct {
	driver driver.Driver
	name   string
}

func (d byName) Driver() driver.Driver                        { return d.driver }
func (d byName) Connect(context.Context) (driver.Conn, error) { return d.driver.Open(d.name) }

func newSQLite(t testing.TB) site { return newSQLiteAt(filepath.Join(t.TempDir(), "store.db")) }

func newSQLiteAt(file string) site {
	return site{name: "SQLite", dialect: sqlstore.SQLite, address: file, connector: byName{&sqlite.Driver{}, dbtest.SQLite(file)}, conns: 4}
}

// newPostgreSQL creates a schema in the test database.
func newPostgreSQL(t testing.TB) site { return newPostgreSQLWith(t, nil) }

// newPostgreSQLWith sets parameters for each session of the store.
func newPostgreSQLWith(t testing.TB, parameters map[string]string) site {
	s := postgreSQLAt(t, dbtest.PostgreSQL(), nil)
	admin := s.connect(t)
	s = postgreSQLAt(t, s.address, parameters)
	s.opts.Schema = dbtest.Unique()
	if _, err := admin.Exec("CREATE SCHEMA " + s.opts.Schema); err != nil {
		dbtest.Missing(t, "PostgreSQL", dbtest.PostgreSQLVariable, err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP SCHEMA " + s.opts.Schema + " CASCADE"); err != nil {
			t.Errorf("drop the schema: %v", err)
		}
	})
	return s
}

// postgreSQLAt connects to a server.
func postgreSQLAt(t testing.TB, dsn string, parameters map[string]string) site {
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	maps.Copy(config.RuntimeParams, parameters)
	return site{name: "PostgreSQL", dialect: sqlstore.PostgreSQL, address: dsn, connector: stdlib.GetConnector(*config), conns: 5}
}

// newMySQL creates a database on the test server.
func newMySQL(t testing.TB) site {
	config, err := mysql.ParseDSN(dbtest.MySQL())
	require.NoError(t, err)
	server := site{connector: byName{mysql.MySQLDriver{}, config.FormatDSN()}, conns: 1}
	name := dbtest.Unique()
	admin := server.connect(t)
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		dbtest.Missing(t, "MariaDB", dbtest.MySQLVariable, err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP DATABASE " + name); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	config.DBName = name
	config.InterpolateParams = true
	return mySQLAt(config.FormatDSN())
}

// mySQLAt connects to a database.
func mySQLAt(dsn string) site {
	return site{name: "MariaDB", dialect: sqlstore.MySQL, address: dsn, connector: byName{mysql.MySQLDriver{}, dsn}, conns: 5}
}

// siteAt returns the site at the address of another one.
func siteAt(t testing.TB, d sqlstore.Dialect, address string) site {
	switch d {
	case sqlstore.PostgreSQL:
		return postgreSQLAt(t, address, nil)
	case sqlstore.MySQL:
		return mySQLAt(address)
	}
	return newSQLiteAt(address)
}

// migrate creates the schema.
func (s site) migrate(t testing.TB) *sql.DB {
	t.Helper()
	db := s.connect(t)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts))
	return db
}

// open opens the store on a new pool.
func (s site) open(t testing.TB) *sqlstore.Store {
	t.Helper()
	return s.on(t, s.connect(t))
}

func (s site) on(t testing.TB, db *sql.DB) *sqlstore.Store {
	t.Helper()
	st, err := sqlstore.New(t.Context(), db, s.dialect, s.opts)
	require.NoError(t, err)
	return st
}

// longVariable asks for tests at their full size.
const longVariable = "CI_LONG"

// rounds returns how often to repeat what otherwise repeats n times.
func rounds(n int) int {
	if os.Getenv(longVariable) != "" {
		return 10 * n
	}
	return n
}

func (s site) table(name string) string {
	name = cmp.Or(s.opts.Prefix, "mytoken_") + name
	if s.opts.Schema != "" {
		return s.opts.Schema + "." + name
	}
	return name
}

// rows returns everything in the tables.
func (s site) rows(ctx context.Context, db *sql.DB) ([]byte, error) {
	var out bytes.Buffer
	for _, table := range sqlstore.Tables {
		if err := dumpTable(ctx, db, s.table(table), &out); err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
	}
	return out.Bytes(), nil
}

func dumpTable(ctx context.Context, db *sql.DB, table string, out *bytes.Buffer) error {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]sql.RawBytes, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for _, v := range values {
			out.Write(v)
			out.WriteByte('\n')
		}
	}
	return rows.Err()
}

var _ store.Store = (*sqlstore.Store)(nil)
