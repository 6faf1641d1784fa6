package sqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store/sqlstore"
)

// New finds that a table is missing although the version of the schema is right. Otherwise
// the first request that needs the table would find it.
func TestDroppedTable(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.connect(t)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, s.dialect, s.opts))
		for _, table := range []string{"processes", "history", "tickets"} {
			_, err := sqlstore.New(t.Context(), db, s.dialect, s.opts)
			if table == "processes" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "a table is missing although the schema has version 4: restore a whole backup")
				require.Regexp(t, "processes|history", err.Error(), "the database names it")
			}
			_, err = db.ExecContext(t.Context(), "DROP TABLE "+s.table(table))
			require.NoError(t, err)
		}
	})
}
