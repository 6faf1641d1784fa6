package rest_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/store"
)

// TestTagsOnEveryEngine: on each store, many requests at once that need the same missing
// tag make one. Every child that is made while its parent gets a tag has it.
func TestTagsOnEveryEngine(t *testing.T) {
	for _, e := range enginetest.All {
		t.Run(e.Name, func(t *testing.T) { tagsOnEngine(t, open(t, e)) })
	}
}

func tagsOnEngine(t *testing.T, on store.Store) {
	s := start(t, func(o *setup) { o.Store = on })
	root := s.issued("alice", mytoken.Properties{Name: "root"})
	var all sync.WaitGroup
	for k := range 32 {
		all.Go(func() {
			if k%8 == 0 {
				_, err := s.Issuer.TagToken(t.Context(), issuer.TagTokenRequest{Token: root.Token, Tag: mytoken.Tag{Name: "below", Children: true}})
				assert.NoError(t, err)
				return
			}
			_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{
				Name: fmt.Sprint(k), Tags: []mytoken.Tag{{Name: "same"}},
			}})
			assert.NoError(t, err)
		})
	}
	all.Wait()
	shown := s.tagsOf()
	require.Len(t, shown, 29)
	require.Equal(t, "below*", shown["root"])
	for k := range 32 {
		if k%8 != 0 {
			assert.Equal(t, "below* same", shown[fmt.Sprint(k)])
		}
	}
	alice, err := s.Issuer.Owner(s.Provider.Issuer(), "alice")
	require.NoError(t, err)
	require.NoError(t, alice.UpdateTag(t.Context(), "same", mytoken.Tag{Name: "renamed"}))
	require.NoError(t, alice.UntagToken(t.Context(), root.ID, "below"))
	require.Equal(t, "renamed", s.tagsOf()["1"])
	require.NoError(t, alice.DeleteTag(t.Context(), "below"))
	n, err := alice.RevokeTagged(t.Context(), "renamed", false, issuer.Client{})
	require.NoError(t, err)
	require.Equal(t, 28, n)
	require.True(t, s.live(root))
}
