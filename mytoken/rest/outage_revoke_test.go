package rest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// TestRevokingNeedsAStoreThatWrites: a store that can only read, such as a copy that lags
// behind, does not make anybody believe that a token is revoked.
//
// proves P6.
func TestRevokingNeedsAStoreThatWrites(t *testing.T) {
	s := startStore(t)
	unknown := []string{
		"abcdefghijkmno", // a code
		"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQ", // a short token
		s.counted().Token.Reveal(),                 // a token whose row is gone
	}
	owner, err := s.Issuer.Owner(s.Provider.Issuer(), "alice")
	require.NoError(t, err)
	require.NoError(t, owner.Delete(t.Context()))
	requests := map[string]func(string) *reply{
		"protocol": func(token string) *reply { return s.post("/api/v0/token/revoke", m{"token": token}) },
		"RFC 7009": func(token string) *reply { return s.form("/oauth/revoke", url.Values{"token": {token}}) },
	}
	for name, send := range requests {
		for _, token := range unknown {
			assert.Less(t, send(token).StatusCode, 300, "%s %.20s", name, token)
		}
	}
	for _, err := range []error{errAway, errLost} { // Revoke only reads if there is nothing to revoke
		s.store.Reset(func(c storetest.Call) error {
			if c.Before && !slices.Contains([]string{"ResolveTicket", "Token", "Revoke"}, c.Method) {
				return err
			}
			return nil
		})
		for name, send := range requests {
			for _, token := range unknown {
				r := send(token)
				assert.True(t, s.retryLater(r), "%s %.20s: %d %s", name, token, r.StatusCode, r.text)
			}
		}
	}
}

// TestRevokingAtAReadOnlyDatabase is TestRevokingNeedsAStoreThatWrites for databases: a
// primary that was demoted, or a replica.
//
// proves P6.
func TestRevokingAtAReadOnlyDatabase(t *testing.T) {
	readOnly := map[string]string{
		"SQLite": "&_pragma=query_only(1)", "PostgreSQL": "&default_transaction_read_only=on", "MariaDB": "&tx_read_only=1",
	}
	for _, e := range enginetest.All[1:] {
		t.Run(e.Name, func(t *testing.T) {
			var dsn, suffix string
			s := start(t, func(o *setup) {
				written := e
				written.DSN = func(t testing.TB) string {
					dsn = e.DSN(t)
					return dsn
				}
				o.Store = open(t, written)
			})
			other, err := sql.Open(e.Driver, dsn)
			require.NoError(t, err)
			defer other.Close()
			db := sql.OpenDB(&connector{other.Driver(), func() string { return dsn + suffix }})
			t.Cleanup(func() { db.Close() })
			st, err := sqlstore.New(t.Context(), db, e.Dialect, sqlstore.Options{})
			require.NoError(t, err)
			demoted := s.restart(func(c *issuer.Config) { c.Store = st }, rest.Options{})
			suffix = readOnly[e.Name] // every connection from now on
			db.SetMaxIdleConns(-1)
			known := s.issued("alice", mytoken.Properties{})
			gone := s.issued("bob", mytoken.Properties{})
			owner, err := s.Issuer.Owner(s.Provider.Issuer(), "bob")
			require.NoError(t, err)
			require.NoError(t, owner.Delete(t.Context()))
			for _, token := range []string{
				"abcdefghijkmno", "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQ", gone.Token.Reveal(), known.Token.Reveal(),
			} {
				for _, r := range []*reply{
					demoted.post("/api/v0/token/revoke", m{"token": token}), demoted.form("/oauth/revoke", url.Values{"token": {token}}),
				} {
					assert.Equal(t, http.StatusServiceUnavailable, r.StatusCode, "%.20s: %s", token, r.text)
					assert.NotEmpty(t, r.Header.Get("Retry-After"))
				}
				assert.Less(t, s.post("/api/v0/token/revoke", m{"token": token}).StatusCode, 300, "at a database that writes")
			}
		})
	}
}

// connector opens connections to an address that may change.
type connector struct {
	driver driver.Driver
	dsn    func() string
}

func (c *connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn()) }

func (c *connector) Driver() driver.Driver { return c.driver }
