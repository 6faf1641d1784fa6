package issuer_test

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// copied is a copy of the database, in the hands of somebody who has the server keys.
type copied struct {
	*testing.T
	ring  *seal.Ring
	dump  []byte
	items []store.SealedItem
}

func (c *cache) copied() *copied {
	c.Helper()
	dump, err := c.Store.(*memstore.Store).Dump(c.Context())
	require.NoError(c, err)
	return &copied{c.T, c.Config.Seal, dump, stateOf(c.T, c.Service).Sealed}
}

// secrets returns what the thief can try as the secret of a key: all texts of the dump and
// its ids, what the server keys open, and the keys that the given mytokens open.
func (c *copied) secrets(tokens ...mytoken.Secret) []string {
	c.Helper()
	all := append(strings.Split(string(c.dump), "\n"), "", strings.Repeat("\x00", 32))
	for _, item := range c.items {
		all = append(all, item.Place.ID, string(item.Place.AAD()), string(item.Sealed))
		if plain, err := c.ring.Open(item.Place, item.Sealed); err == nil {
			all = append(all, string(plain))
		}
		for _, token := range tokens {
			all = append(all, token.Reveal())
			if plain, err := c.ring.OpenWith(item.Place, seal.FromSecret(seal.PurposeTokenKey, token.Reveal()), item.Sealed); err == nil {
				all = append(all, string(plain))
			}
		}
	}
	for _, secret := range all {
		all = append(all, hex.EncodeToString([]byte(secret)))
	}
	return all
}

// opens returns the kept access tokens that the thief gets with the given mytokens.
func (c *copied) opens(tokens ...mytoken.Secret) (found []string) {
	c.Helper()
	secrets := c.secrets(tokens...)
	for _, item := range c.items {
		ref, is := item.Place.TicketRef()
		if !is || ref.Kind != store.TicketAccess || item.Place.Kind != store.PlaceTicketPayload {
			continue
		}
		try := func(key seal.InnerKey) {
			plain, err := c.ring.OpenWith(item.Place, key, item.Sealed)
			if err != nil {
				return
			}
			var kept struct {
				Token string `json:"access_token"`
			}
			require.NoError(c, json.Unmarshal(plain, &kept))
			found = append(found, kept.Token)
		}
		for _, secret := range secrets {
			for _, purpose := range []seal.Purpose{"access token v1", "reply v1", seal.PurposeTicketPayload, seal.PurposeTokenKey} {
				try(seal.FromSecret(purpose, secret))
			}
			if key, err := seal.ParseDataKey([]byte(secret)); err == nil {
				try(key)
			}
		}
	}
	return found
}

// Somebody has a copy of the database and the server keys. They open no kept access token
// without a mytoken of its tree, and none that has ended: it was revoked, or rotated, or
// its user was deleted. An access token whose time is over is gone after the next Sweep.
//
// proves P7
func TestAccessTokenCacheNeedsItsToken(t *testing.T) {
	s := newCache(t, untilTheEnd, mytokentest.Options{})
	root := login(t, s.Service, mytoken.Properties{Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnOther: true}})
	child := derive(t, s.Service, root.Token, mytoken.Properties{})
	old := root.Token
	root.Token = child.Update.Token
	elsewhere := login(t, s.Service, mytoken.Properties{Capabilities: allCapabilities})
	of := make(map[*mytoken.Issued]string)
	for _, token := range []*mytoken.Issued{root, child, elsewhere} {
		of[token] = s.ask(token.Token).Token.Reveal()
	}
	require.Equal(t, 3, s.kept())
	now := s.copied()
	require.Empty(t, now.opens())
	require.ElementsMatch(t, []string{of[elsewhere]}, now.opens(elsewhere.Token))
	require.ElementsMatch(t, []string{of[root], of[child]}, now.opens(root.Token), "the tree has one key")
	require.ElementsMatch(t, []string{of[root], of[child]}, now.opens(child.Token))
	require.Empty(t, now.opens(old), "its successor was presented")

	revoke(t, s.Service, child.Token, false)
	now = s.copied()
	require.ElementsMatch(t, []string{of[root]}, now.opens(root.Token))
	require.Empty(t, now.opens(child.Token))

	s.Clock.Advance(2 * time.Hour)
	_, err := s.Issuer.Sweep(t.Context(), 100)
	require.NoError(t, err)
	require.Empty(t, s.copied().opens(root.Token, elsewhere.Token), "expired")

	again := s.ask(elsewhere.Token).Token.Reveal()
	require.Equal(t, []string{again}, s.copied().opens(elsewhere.Token))
	require.NoError(t, owner(t, s.Service, "alice").Delete(t.Context()))
	require.Empty(t, s.copied().opens(root.Token, elsewhere.Token))
	require.Empty(t, s.copied().items)
}
