package sqlstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// removals delete all tokens of an owner that have expired.
var removals = map[string]func(ctx context.Context, st *sqlstore.Store, owner store.OwnerID) error{
	"DeleteOwner": func(ctx context.Context, st *sqlstore.Store, owner store.OwnerID) error {
		return st.DeleteOwner(ctx, owner)
	},
	"Sweep": func(ctx context.Context, st *sqlstore.Store, _ store.OwnerID) error {
		_, err := st.Sweep(ctx, store.Cleaning{Now: 1e15, Retention: time.Second, Limit: 1000})
		return err
	},
}

// A deletion takes the rows of each table in the order in which batches of uses take them,
// not in the order in which they lie in the table. So neither waits for the other in a
// circle. Here it waits for the first row, and holds none of the others.
func TestDeletionTakesRowsInOrder(t *testing.T) {
	const tokens = 8
	for name, remove := range removals {
		for table, key := range map[string]string{"grants": "grant_id", "counters": "id", "tokens": "id"} {
			t.Run(name+" in "+table, func(t *testing.T) {
				t.Parallel()
				s := newNamed(t, "read committed")
				db := s.migrate(t)
				st := s.on(t, db)
				for range tokens {
					_, err := newRoot(t.Context(), st, 5)
					require.NoError(t, err)
				}
				var owner store.OwnerID
				fresh(owner[:])
				s.run(t, db, fmt.Sprintf("UPDATE %s SET expires = 2", s.table("tokens")))
				s.run(t, db, fmt.Sprintf("UPDATE %s SET owner_id = %s", s.table("grants"), s.literal(owner[:])))
				// The first row in the order of keys is now the last one of the table.
				s.run(t, db, fmt.Sprintf("UPDATE %s SET id = -id", s.table("counters")))
				s.run(t, db, fmt.Sprintf("UPDATE %[1]s SET owner_id = %[2]s WHERE id = (SELECT MIN(id) FROM %[1]s)", s.table("tokens"), s.literal(owner[:])))
				rows := s.count(t, db, table)

				holder, err := db.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				_, err = holder.ExecContext(t.Context(), fmt.Sprintf("SELECT 1 FROM %s ORDER BY %s LIMIT 1 FOR UPDATE", s.table(table), key))
				require.NoError(t, err)
				removed := later(func() error { return remove(t.Context(), st, owner) })
				require.True(t, s.blocked(t, 1, removed))
				var free int
				row := db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s FOR UPDATE SKIP LOCKED) l", s.table(table)))
				require.NoError(t, row.Scan(&free))
				assert.Equal(t, rows-1, free, "rows that nobody holds")
				require.NoError(t, holder.Rollback())
				require.NoError(t, removed.wait())
				assert.Zero(t, s.count(t, db, table))
			})
		}
	}
}

// A use that spends nothing is under way while Sweep buries its token, because the token
// has a descendant that stays. No event of the use is left.
func TestBurialWaitsForUncountedUses(t *testing.T) {
	s := newNamed(t, "read committed")
	db := s.migrate(t)
	st := s.on(t, db)
	root, _ := lineage(t, st)
	s.run(t, db, "UPDATE "+s.table("tokens")+" SET expires = 2 WHERE path = ''")
	use := introspection()
	release := s.holdInsert(t, db, use.ID)
	used := later(func() error { _, err := st.Spend(t.Context(), root, use); return err })
	require.True(t, s.blocked(t, 1, used))
	buried := later(func() error { return removals["Sweep"](t.Context(), st, store.OwnerID{}) })
	s.blocked(t, 2, buried)
	release()
	require.NoError(t, used.wait())
	require.NoError(t, buried.wait())
	var tokens, events int
	row := db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*), (SELECT COUNT(*) FROM %s h WHERE h.named = 1 AND h.token = MAX(t.id)) FROM %s t WHERE t.buried = 1",
		s.table("history"), s.table("tokens")))
	require.NoError(t, row.Scan(&tokens, &events))
	assert.Equal(t, 1, tokens, "buried tokens")
	assert.Zero(t, events, "events of the buried token")
}
