// Package database opens the databases of the examples: SQLite, PostgreSQL, and
// MariaDB or MySQL, as package sqlstore wants them.
package database

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/store/sqlstore"
)

// connections bounds how many connections a process has open.
const connections = 12

// Open opens the database that the DSN names, or without one an SQLite file,
// which is made if it is missing, readable by its owner alone. Nothing is
// reached yet. No error shows anything of a DSN, because it may hold a password.
func Open(file, dsn string) (*sql.DB, sqlstore.Dialect, error) {
	db, dialect, err := open(file, dsn)
	if err != nil {
		return nil, 0, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, dialect, nil
}

func open(file, dsn string) (*sql.DB, sqlstore.Dialect, error) {
	if dsn == "" {
		db, err := openSQLite(file)
		return db, sqlstore.SQLite, err
	}
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, 0, errors.New("database: the DSN is not of the form postgres://user:password@host/database")
		}
		return stdlib.OpenDB(*config), sqlstore.PostgreSQL, nil
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil || config.DBName == "" {
		return nil, 0, errors.New("database: the DSN is neither postgres://user:password@host/database nor user:password@tcp(host)/database")
	}
	config.InterpolateParams = true // saves round trips
	db, err := sql.Open("mysql", config.FormatDSN())
	return db, sqlstore.MySQL, err
}

// openSQLite makes the file itself, because SQLite would let others read it. Its
// companions get the mode of the file.
func openSQLite(name string) (*sql.DB, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	path := (&url.URL{Path: filepath.ToSlash(name)}).EscapedPath()
	return sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)")
}
