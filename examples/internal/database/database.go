// Package database opens databases for the examples, in the way that package sqlstore
// needs: SQLite, PostgreSQL, MariaDB and MySQL.
package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/store/sqlstore"
)

// connections is the most connections that a process keeps open. A connection to a server
// ends after its lifetime, so that all of them follow a failover. It ends earlier if
// nobody has used it, before something in between drops it.
const (
	connections = 12
	lifetime    = 10 * time.Minute
	idle        = 2 * time.Minute
)

// Store is a database with the store in it.
type Store struct {
	*sql.DB
	Store *sqlstore.Store
}

// OpenStore opens a database like Open, updates its tables, and opens the store in it.
func OpenStore(ctx context.Context, file, dsn string) (*Store, error) {
	db, dialect, err := Open(file, dsn)
	if err != nil {
		return nil, err
	}
	s := &Store{DB: db}
	if err = sqlstore.Migrate(ctx, db, dialect, sqlstore.Options{}); err == nil {
		s.Store, err = sqlstore.New(ctx, db, dialect, sqlstore.Options{})
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Open opens the database that the DSN names. Without a DSN it opens an SQLite file and
// makes it if it is missing; only the owner can read the file. Open does not connect yet.
// Its errors show nothing of the DSN, because that may hold a password.
func Open(file, dsn string) (*sql.DB, sqlstore.Dialect, error) {
	db, dialect, err := open(file, dsn)
	if err != nil {
		return nil, 0, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if dialect != sqlstore.SQLite {
		db.SetConnMaxLifetime(lifetime)
		db.SetConnMaxIdleTime(idle)
	}
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
	config.InterpolateParams = true                              // saves round trips
	config.ReadTimeout = cmp.Or(config.ReadTimeout, time.Minute) // ends a connection whose path died
	db, err := sql.Open("mysql", config.FormatDSN())
	return db, sqlstore.MySQL, err
}

// openSQLite makes the file itself, because SQLite would let others read it. SQLite gives
// the same mode to the files that it puts beside it.
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
