package sqlstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// tagged stores a token that has expired and an item that is linked with it. It returns the
// change that made the link.
func tagged(t *testing.T, s site) (*sqlstore.Store, store.Presented, store.ItemChanges) {
	t.Helper()
	db := s.migrate(t)
	st := s.on(t, db)
	p, err := newRoot(t.Context(), st, 1)
	require.NoError(t, err)
	s.run(t, db, "UPDATE "+s.table("tokens")+" SET expires = 2")
	c := newItems(p.ID)
	require.NoError(t, st.ChangeItems(t.Context(), c))
	return st, p, c
}

// removal is a sweep that deletes the token of tagged.
var removal = store.Cleaning{Now: lifeNow, Limit: 100}

// Somebody links a token again just before Sweep deletes it. No link of it is left.
//
// proves P7
func TestLinkRacesTheEndOfItsToken(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("SQLite has one writer: nothing comes between the statements of a transaction")
		}
		other, p, c := tagged(t, s)
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		again := store.ItemChanges{Owner: c.Owner, Links: c.Links, Now: lifeNow}
		linked := 0
		sp.hook(func(ctx context.Context, said statement) error {
			if linked == 0 && strings.Contains(said.text, "DELETE FROM "+s.table("counters")) {
				linked++
				return other.ChangeItems(ctx, again)
			}
			return nil
		}, nil)
		done, err := st.Sweep(t.Context(), removal)
		require.NoError(t, err)
		assert.Equal(t, 1, linked)
		assert.Equal(t, 1, done.Tokens)
		links, err := other.Links(t.Context(), []store.TokenID{p.ID})
		require.NoError(t, err)
		assert.Empty(t, links)
	})
}

// Sweep deletes no more links in one call than its limit, and keeps their token meanwhile.
func TestLinksAreSweptInBatches(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st, p, c := tagged(t, s)
		more := c
		more.Revision, more.Put, more.Links = 1, nil, nil
		fresh(more.ID[:])
		for range 6 {
			one := newItems(p.ID)
			more.Put, more.Links = append(more.Put, one.Put...), append(more.Links, one.Links...)
		}
		require.NoError(t, st.ChangeItems(t.Context(), more))
		batch := removal
		batch.Limit = 3
		for left := 7 - batch.Limit; ; left -= batch.Limit {
			done, err := st.Sweep(t.Context(), batch)
			require.NoError(t, err)
			links, err := st.Links(t.Context(), []store.TokenID{p.ID})
			require.NoError(t, err)
			require.Len(t, links, max(left, 0))
			require.Equal(t, left > 0, done.More)
			if !done.More {
				require.Equal(t, 1, done.Tokens)
				return
			}
			require.Zero(t, done.Tokens)
		}
	})
}

// A change of links takes the rows of the items in the order of their ids, not in the order in
// which they lie in the table. So of two changes neither waits for the other in a circle. Here
// it waits for the first row, and holds none of the others.
func TestLinksTakeItemsInOrder(t *testing.T) {
	const items = 8
	s := newNamed(t, "read committed")
	db := s.migrate(t)
	st := s.on(t, db)
	links := store.ItemChanges{Now: lifeNow}
	for n := range items {
		c := newItems(store.TokenID{1})
		c.Put[0].ID = store.ItemID{byte(items - n)} // the first one is now the last row of the table
		c.Revision, c.Owner, c.Links = uint64(n), store.OwnerID{1}, nil
		require.NoError(t, st.ChangeItems(t.Context(), c))
		links.Owner = c.Owner
		links.Links = append(links.Links, store.NewLink{Link: store.Link{Item: c.Put[0].ID, Token: store.TokenID{1}, Own: true}})
	}
	holder, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = holder.ExecContext(t.Context(), fmt.Sprintf("SELECT 1 FROM %s ORDER BY item_id LIMIT 1 FOR UPDATE", s.table("items")))
	require.NoError(t, err)
	linked := later(func() error { return st.ChangeItems(t.Context(), links) })
	require.True(t, s.blocked(t, 1, linked))
	var free int
	row := db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s FOR UPDATE SKIP LOCKED) l", s.table("items")))
	require.NoError(t, row.Scan(&free))
	assert.Equal(t, items-1, free, "rows that nobody holds")
	require.NoError(t, holder.Rollback())
	require.NoError(t, linked.wait())
}
