package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"

	"database/sql"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
)

// A database that does not say whether a token is live makes the step start again. No
// token is taken for live then.
//
// proves P6
func TestNoVerdict(t *testing.T) {
	db, err := sql.Open("sqlite", dbtest.SQLite(filepath.Join(t.TempDir(), "store.db")))
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, Migrate(t.Context(), db, SQLite, Options{}))
	s, err := New(t.Context(), db, SQLite, Options{})
	require.NoError(t, err)
	k := store.Token{ID: store.TokenID{1}, Grant: store.GrantID{1}, Owner: store.OwnerID{1}, Sum: store.Sum{1}, Key: store.Sealed("key"), Created: 1}
	g := store.Grant{ID: k.Grant, Owner: k.Owner, Refresh: store.Sealed("rt"), Created: 1}
	require.NoError(t, s.CreateRoot(t.Context(), g, k, store.TicketChanges{}))
	read := func(query string) ([]*token, error) {
		var row token
		return s.readTokens(t.Context(), row.infoFields(), &row, query, blobs{k.ID[:]})
	}
	found, err := read(oneQuery)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.True(t, found[0].Live)
	silent := strings.Replace(oneQuery, death, "NULL", 1)
	require.NotEqual(t, oneQuery, silent)
	_, err = read(silent)
	require.ErrorIs(t, err, errChanged)
	assert.True(t, s.again(err))
}
