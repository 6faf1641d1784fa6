package rest_test

import (
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/store"
)

// open opens an empty store for one test.
func open(t testing.TB, e enginetest.Engine) store.Store {
	t.Helper()
	return e.Open(t, 12)
}
