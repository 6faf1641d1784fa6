package sqlstore_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// New refuses a driver whose errors lack the codes of the database, because the store
// could not tell a duplicate from other errors. The trial leaves nothing in the database.
func TestDriverWithoutCodes(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		hiding := &spy{Connector: s.connector, failed: func(err error) error {
			return errors.New("something failed: " + err.Error())
		}}
		_, err := sqlstore.New(t.Context(), s.connectBy(t, hiding), s.dialect, s.opts)
		require.ErrorIs(t, err, sqlstore.ErrDriver)
		assert.ErrorContains(t, err, "something failed", "the error shows what the driver said")
		assert.Zero(t, s.count(t, db, "commits"))
	})
}

// New accepts a driver that wraps the errors of another one, and the store recognises its
// duplicates.
func TestDriverThatWrapsErrors(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		wrapping := &spy{Connector: s.connector, failed: func(err error) error { return wrapped{err} }}
		st := s.on(t, s.connectBy(t, wrapping))
		assert.Zero(t, s.count(t, db, "commits"), "the trial leaves a row behind")
		p, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		u := newUse()
		_, err = st.Spend(t.Context(), p, u)
		require.NoError(t, err)
		again, err := st.Spend(t.Context(), p, u)
		require.NoError(t, err)
		assert.True(t, again.Repeated)
	})
}

type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }

// The primary key makes duplicates fail. New refuses a schema without it.
func TestMissingPrimaryKey(t *testing.T) {
	s := newSQLite(t)
	db := s.migrate(t)
	s.run(t, db, "DROP TABLE "+s.table("commits"))
	s.run(t, db, "CREATE TABLE "+s.table("commits")+" (grant_id BLOB, lease_id BLOB, digest BLOB, committed INTEGER)")
	_, err := sqlstore.New(t.Context(), db, s.dialect, s.opts)
	require.ErrorContains(t, err, "primary key")
	assert.False(t, store.IsDefinite(err))
}
