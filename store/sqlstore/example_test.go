package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// How does a small service keep its tokens in a file?
func Example_sqlite() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "portal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "mytoken.db")+
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(4)
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, sqlstore.Options{}); err != nil {
		fmt.Println(err)
		return
	}
	st, err := sqlstore.New(ctx, db, sqlstore.SQLite, sqlstore.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = st.Token(ctx, store.TokenID{1})
	fmt.Println(err == store.ErrNotFound)
	// Output: true
}

// How does a portal on PostgreSQL keep its tokens in its own database, in a schema of
// their own? The schema was created and migrated at deployment.
func Example_postgreSQL() {
	db, err := sql.Open("pgx", "postgres://portal@db.example.org/portal?sslmode=verify-full")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	st, err := sqlstore.New(context.Background(), db, sqlstore.PostgreSQL, sqlstore.Options{Schema: "mytoken"})
	if err != nil {
		fmt.Println(err)
		return
	}
	serve(st)
}

// How does a portal open a store in MariaDB or MySQL?
func Example_mariaDB() {
	db, err := sql.Open("mysql", "portal:secret@tcp(db.example.org:3306)/portal?interpolateParams=true&tls=true")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	db.SetConnMaxLifetime(time.Hour)
	st, err := sqlstore.New(context.Background(), db, sqlstore.MySQL, sqlstore.Options{Prefix: "mytoken_"})
	if err != nil {
		fmt.Println(err)
		return
	}
	serve(st)
}

// serve is where the portal builds its issuer on the store.
func serve(store.Store) {}

// What would a migration do? An operator wants to read it before it runs.
func ExampleSQL() {
	text, err := sqlstore.SQL(sqlstore.PostgreSQL, sqlstore.Options{Schema: "mytoken"})
	if err != nil {
		fmt.Println(err)
		return
	}
	first, _, _ := strings.Cut(text, "\n")
	fmt.Println(first)
	// Output: CREATE TABLE mytoken.mytoken_migrations (
}

// How does a portal clean up? Every few minutes, until nothing is left to do.
func ExampleStore_Sweep() {
	clean := func(ctx context.Context, st *sqlstore.Store) error {
		for {
			done, err := st.Sweep(ctx, store.Cleaning{
				Now: store.At(time.Now()), Limit: 1000, Retention: 30 * 24 * time.Hour,
			})
			if err != nil || !done.More {
				return err
			}
		}
	}
	_ = clean // call it from a time.Ticker
}
