package issuer_test

import (
	"context"
	"encoding/binary"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

// everywhere is a crowd in which every token that is listed has all tags.
type everywhere struct {
	crowd
	tags  []store.ItemID
	links int // how many were read
}

func (e *everywhere) Links(_ context.Context, tokens []store.TokenID) (out []store.Link, err error) {
	for _, token := range tokens {
		for _, tag := range e.tags {
			out = append(out, store.Link{Item: tag, Token: token, Own: true})
		}
	}
	e.links += len(out)
	return out, nil
}

// However many tags tokens have, a list reads about as many as it shows, and still names
// every token.
func TestListsReadFewTags(t *testing.T) {
	c := &everywhere{crowd: crowd{Store: memstore.New()}}
	s := start(t, mytokentest.Options{Store: c})
	root := login(t, s, mytoken.Properties{Name: "root", Capabilities: allCapabilities})
	alice := owner(t, s, "alice")
	for n := range 100 {
		require.NoError(t, alice.CreateTag(t.Context(), mytoken.Tag{Name: strconv.Itoa(n)}))
	}
	info, err := c.Token(t.Context(), root.ID)
	require.NoError(t, err)
	items, err := c.Items(t.Context(), info.Owner)
	require.NoError(t, err)
	for _, item := range items.List {
		c.tags = append(c.tags, item.ID)
	}
	for n := range 5000 {
		one := store.TokenInfo{Live: true, Created: info.Created}
		binary.BigEndian.PutUint64(one.ID[:], uint64(n+1))
		c.before = append(c.before, one)
	}
	r, err := s.Issuer.List(t.Context(), issuer.InfoRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	require.Len(t, r.Roots, 5001)
	require.True(t, r.Truncated)
	require.Len(t, r.Roots[0].Tags, 100)
	require.Len(t, r.Roots[1999].Tags, 100)
	require.Empty(t, r.Roots[2000].Tags)
	require.LessOrEqual(t, c.links, 250_000)

	c.before, c.links = c.before[:1999], 0
	r, err = s.Issuer.List(t.Context(), issuer.InfoRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	require.False(t, r.Truncated, "all have a place")
	require.Len(t, r.Roots[1999].Tags, 100)
	require.Equal(t, 200_000, c.links)
}
