package main

import (
	"database/sql"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestFailover: the health check says that a database is read-only, although it answers.
// When new connections reach one that accepts writes, the service works again by itself:
// it does not keep its connections to the one that was demoted. // proves P3
func TestFailover(t *testing.T) {
	dsn, err := url.Parse(dbtest.NewPostgreSQL(t))
	require.NoError(t, err)
	admin, err := sql.Open("pgx", dsn.String())
	require.NoError(t, err)
	t.Cleanup(func() { admin.Close() })
	run := func(text string) {
		t.Helper()
		_, err := admin.Exec(text)
		require.NoError(t, err)
	}
	role := dbtest.Unique()
	run("CREATE ROLE " + role + " LOGIN")
	t.Cleanup(func() { run("DROP OWNED BY " + role); run("DROP ROLE " + role) })
	run("GRANT ALL ON SCHEMA " + dsn.Query().Get("search_path") + " TO " + role)
	dsn.User = url.User(role)

	p := earnest(t, startProvider(t, optest.Options{}), []string{"PORTAL_DSN=" + dsn.String()}, "-data", t.TempDir())
	token, _ := p.login()
	client := p.client()
	until := func(want int) {
		t.Helper()
		for begin := time.Now(); ; {
			status, _, err := send(t.Context(), client, http.MethodGet, "http://"+p.health, "", "")
			require.NoError(t, err)
			if status == want {
				return
			}
			if time.Since(begin) > time.Minute {
				t.Fatalf("the health check still answers %d, want %d", status, want)
			}
		}
	}
	until(http.StatusOK)
	run("ALTER ROLE " + role + " SET default_transaction_read_only = on") // of new sessions
	run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + role + "'")
	until(http.StatusServiceUnavailable)
	if status, got := p.api("token/access", object{"grant_type": "mytoken", "mytoken": token}); status < 500 {
		t.Errorf("an access token from a database that is read-only: %d %v", status, got)
	}
	run("ALTER ROLE " + role + " RESET default_transaction_read_only")
	p.access(token) // the first request
	until(http.StatusOK)
	p.stop()
}
