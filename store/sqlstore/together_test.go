package sqlstore_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// Statements that are written together take effect as a whole or not at all, wherever the
// one is that finds another state.
//
// proves P3
func TestAllOrNothing(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		st := s.on(t, db)
		_, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		const (
			grant   = `UPDATE {grants} SET created = created + 1 WHERE version = 1`
			token   = `UPDATE {tokens} SET created = created + 1 WHERE seq = 1`
			counter = `UPDATE {counters} SET used = used + 1 WHERE clause = -1`
			nothing = `UPDATE {tombstones} SET sweep_at = 1`
			process = `INSERT INTO {processes} (process_id, node_id, version, transient, lives_until, settled_at, sweep_at)
				SELECT grant_id, grant_id, 1, 0, 0, 0, 0 FROM {grants}`
			spare = `INSERT INTO {spares} (grant_id, arrival, generation, refresh) SELECT grant_id, 1, 1, refresh FROM {grants}`
			drop  = `DELETE FROM {processes}`
		)
		before, err := s.rows(t.Context(), db)
		require.NoError(t, err)
		for name, c := range map[string]struct {
			rows  []int
			texts []string
		}{
			"the first":      {[]int{1, 1}, []string{nothing, token}},
			"the last":       {[]int{1, 1, 1}, []string{grant, token, nothing}},
			"in the middle":  {[]int{1, 1, 1, 1}, []string{grant, nothing, token, process}},
			"too many":       {[]int{1, 0}, []string{grant, token}},
			"an insertion":   {[]int{1, 2}, []string{counter, process}},
			"after any rows": {[]int{sqlstore.AnyRows, 1}, []string{grant, nothing}},
		} {
			_, err := st.WriteAll(t.Context(), c.rows, c.texts)
			assert.Equal(t, store.ErrConflict, err, name)
			after, err := s.rows(t.Context(), db)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(before, after), "%s: something has changed", name)
		}

		did, err := st.WriteAll(t.Context(), []int{1, sqlstore.AnyRows, 1, sqlstore.AnyRows, 1}, []string{grant, nothing, process, counter, spare})
		require.NoError(t, err)
		assert.Equal(t, []bool{true, false, true, true, true}, did)
		for name, query := range map[string]string{
			"grants":    "SELECT created FROM " + s.table("grants"),
			"counters":  "SELECT used FROM " + s.table("counters") + " WHERE clause = -1",
			"processes": "SELECT COUNT(*) FROM " + s.table("processes"),
			"spares":    "SELECT COUNT(*) FROM " + s.table("spares"),
		} {
			var n int
			require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n))
			want := 1
			if name == "grants" {
				want = 2
			}
			assert.Equal(t, want, n, name)
		}

		before, err = s.rows(t.Context(), db)
		require.NoError(t, err)
		_, err = st.WriteAll(t.Context(), []int{1, 1}, []string{token, spare})
		assert.Equal(t, store.ErrConflict, err, "a row that exists")
		after, err := s.rows(t.Context(), db)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(before, after), "a row that exists: something has changed")
		did, err = st.WriteAll(t.Context(), []int{1, 1}, []string{token, drop})
		require.NoError(t, err)
		assert.Equal(t, []bool{true, true}, did)
	})
}
