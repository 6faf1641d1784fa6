// Package dbtest provides databases for tests. It finds the servers, creates a database
// for a single test, and starts PostgreSQL servers that a test may crash. It finds the
// browser too. It imports no driver: import github.com/jackc/pgx/v5/stdlib for
// [NewPostgreSQL], and github.com/go-sql-driver/mysql for [NewMySQL].
package dbtest

import (
	"cmp"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"strings"
	"testing"
)

// These environment variables hold the DSNs of the servers. Without them, tests look for
// the servers on loopback. If a server is missing, its tests are skipped. They fail
// instead if MYTOKEN_TEST_REQUIRE_SERVICES is 1.
const (
	PostgreSQLVariable = "MYTOKEN_TEST_POSTGRES"
	MySQLVariable      = "MYTOKEN_TEST_MYSQL"
	requireVariable    = "MYTOKEN_TEST_REQUIRE_SERVICES"
)

// PostgreSQL returns the DSN of the PostgreSQL server for tests.
func PostgreSQL() string {
	return cmp.Or(os.Getenv(PostgreSQLVariable), "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable")
}

// MySQL returns the DSN of the MySQL or MariaDB server for tests, without a database.
func MySQL() string { return cmp.Or(os.Getenv(MySQLVariable), "root@tcp(127.0.0.1:3306)/") }

// SQLite returns the DSN of a database file, with the settings that package sqlstore
// documents.
func SQLite(file string) string {
	return "file:" + file + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)"
}

// Missing skips a test because a server or another program is missing. If
// MYTOKEN_TEST_REQUIRE_SERVICES is 1, it fails the test instead. variable is the
// environment variable that says where the server is.
func Missing(t testing.TB, server, variable string, err error) {
	t.Helper()
	if os.Getenv(requireVariable) == "1" {
		t.Fatalf("%s is required: %v", server, err)
	}
	t.Skipf("SKIPPED: nothing was tested on %s, which does not answer (%v); set %s to say where it is", server, err, variable)
}

// Unique returns a name for a schema or a database of one test. It does not begin with
// "test_", because some MariaDB servers let everybody use such databases.
func Unique() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return "probe_" + hex.EncodeToString(b[:])
}

// NewPostgreSQL creates a schema and drops it at the end of the test. It returns the DSN
// of the schema.
func NewPostgreSQL(t testing.TB) string {
	t.Helper()
	at, err := url.Parse(PostgreSQL())
	if err != nil {
		t.Fatalf("%s is not a URL: write it as postgres://user@host:port/database", PostgreSQLVariable)
	}
	name := Unique()
	temporary(t, "pgx", at.String(), "CREATE SCHEMA "+name, "DROP SCHEMA "+name+" CASCADE", func(err error) {
		t.Helper()
		Missing(t, "PostgreSQL", PostgreSQLVariable, err)
	})
	query := at.Query()
	query.Set("search_path", name)
	at.RawQuery = query.Encode()
	return at.String()
}

// NewMySQL creates a database and drops it at the end of the test. It returns the DSN of
// the database.
func NewMySQL(t testing.TB) string {
	t.Helper()
	name := Unique()
	temporary(t, "mysql", MySQL(), "CREATE DATABASE "+name, "DROP DATABASE "+name, func(err error) {
		t.Helper()
		Missing(t, "MariaDB", MySQLVariable, err)
	})
	dsn := MySQL()
	end := strings.LastIndexByte(dsn, '/') + 1
	parameters := "?interpolateParams=true" // saves round trips
	if _, more, ok := strings.Cut(dsn[end:], "?"); ok {
		parameters += "&" + more
	}
	return dsn[:end] + name + parameters
}

// temporary creates something on a server now and drops it at the end of the test.
func temporary(t testing.TB, driver, dsn, create, drop string, missing func(error)) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(create); err != nil {
		db.Close()
		missing(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec(drop); err != nil {
			t.Errorf("%s: %v", drop, err)
		}
		db.Close()
	})
}
