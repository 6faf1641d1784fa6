package issuer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
)

// A token that may revoke others revokes all that have a tag, with what was made from them
// or without.
//
// It proves P6.
func TestRevokeTagged(t *testing.T) {
	for _, recursive := range []bool{true, false} {
		s := start(t, mytokentest.Options{})
		f, ctx := newFamily(t, s), t.Context()
		by := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.ManageMytokensRevoke}, Rotation: &mytoken.Rotation{OnOther: true}})
		alice := owner(t, s, "alice")
		require.NoError(t, alice.TagToken(ctx, f.parent.ID, mytoken.Tag{Name: "old"}))
		require.NoError(t, alice.TagToken(ctx, f.sibling.ID, mytoken.Tag{Name: "old", Children: true}))
		nephew := derive(t, s, f.sibling.Token, mytoken.Properties{})
		others := manyTokens(t, s, 120) // more than a page of the store

		req := issuer.RevokeTaggedRequest{Token: by.Token, ID: issuer.NewUseID(), Tag: "old", Recursive: recursive, Client: client}
		done, err := s.Issuer.RevokeTagged(ctx, req)
		require.NoError(t, err)
		require.Equal(t, 3, done.Count, "parent, sibling and nephew")
		require.False(t, done.Self)
		require.NotNil(t, done.Update)
		for _, token := range []*mytoken.Issued{f.parent, f.sibling, nephew} {
			requireDead(t, s, token.Token, issuer.TokenRevoked)
		}
		if recursive {
			requireDead(t, s, f.child.Token, issuer.TokenRevoked)
		} else {
			requireUsable(t, s, f.child.Token)
		}
		for _, token := range append(others, f.root) {
			requireUsable(t, s, token.Token)
		}
		require.Contains(t, events(t, s, f.parent.ID), "revoked: because of a tag")

		again, err := s.Issuer.RevokeTagged(ctx, issuer.RevokeTaggedRequest{Token: done.Update.Token, Tag: "old", Recursive: recursive, Client: client})
		require.NoError(t, err)
		require.Zero(t, again.Count, "they are gone")
		_, err = s.Issuer.RevokeTagged(ctx, issuer.RevokeTaggedRequest{Token: again.Update.Token, Tag: "unknown", Client: client})
		require.ErrorIs(t, err, issuer.ErrUnknownTag)
		_, err = s.Issuer.RevokeTagged(ctx, issuer.RevokeTaggedRequest{Token: f.root.Token, Tag: "old", Client: client})
		require.NoError(t, err, "manage_mytokens includes it")
		bob, err := s.Login(ctx, "bob", mytoken.Properties{Capabilities: allCapabilities})
		require.NoError(t, err)
		_, err = s.Issuer.RevokeTagged(ctx, issuer.RevokeTaggedRequest{Token: bob.Token, Tag: "old", Client: client})
		require.ErrorIs(t, err, issuer.ErrUnknownTag, "tags of others do not exist")
		_, err = s.Issuer.RevokeTagged(ctx, issuer.RevokeTaggedRequest{Token: others[0].Token, Tag: "old", Client: client})
		require.True(t, is[*mytoken.CapabilityError](err), "%v", err)
	}
}

// A token that revokes itself in this way learns so, and gets no successor.
func TestRevokeTaggedSelf(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Tags: []mytoken.Tag{{Name: "old"}}})
	child := derive(t, s, root.Token, mytoken.Properties{Rotation: &mytoken.Rotation{OnOther: true}})
	done, err := s.Issuer.RevokeTagged(t.Context(), issuer.RevokeTaggedRequest{Token: child.Token, Tag: "old", Recursive: true, Client: client})
	require.NoError(t, err)
	require.Equal(t, &issuer.RevokedTokens{Count: 1, Self: true}, done)
	requireDead(t, s, child.Token, issuer.TokenRevoked)
}

// The embedding service sorts and revokes tokens of a user whom it has authenticated.
//
// It proves P6.
func TestOwnerTags(t *testing.T) {
	s := start(t, mytokentest.Options{})
	f, ctx := newFamily(t, s), t.Context()
	alice, bob := owner(t, s, "alice"), owner(t, s, "bob")
	require.NoError(t, alice.CreateTag(ctx, mytoken.Tag{Name: "a", Color: "#00ff00"}))
	require.NoError(t, alice.UpdateTag(ctx, "a", mytoken.Tag{Name: "b"}))
	tags, err := alice.Tags(ctx)
	require.NoError(t, err)
	require.Equal(t, []mytoken.Tag{{Name: "b", Color: "00ff00"}}, tags)
	require.NoError(t, alice.TagToken(ctx, f.parent.ID, mytoken.Tag{Name: "b", Children: true}))
	require.NoError(t, alice.UntagToken(ctx, f.child.ID, "b"))
	require.Equal(t, map[string]string{"parent": "b*"}, tagged(t, s))

	before := stateOf(t, s)
	for _, id := range []mytoken.TokenID{f.parent.ID, {}, {1}} {
		require.ErrorIs(t, bob.TagToken(ctx, id, mytoken.Tag{Name: "b"}), issuer.ErrNotOwned)
		require.ErrorIs(t, bob.UntagToken(ctx, id, "b"), issuer.ErrNotOwned)
	}
	require.ErrorIs(t, bob.UpdateTag(ctx, "b", mytoken.Tag{Name: "c"}), issuer.ErrUnknownTag)
	requireRequestError(t, alice.CreateTag(ctx, mytoken.Tag{Name: "a/b"}), "tag")
	requireRequestError(t, alice.TagToken(ctx, f.root.ID, mytoken.Tag{}), "tag")
	_, err = bob.RevokeTagged(ctx, "b", true, client)
	require.ErrorIs(t, err, issuer.ErrUnknownTag)
	requireUnchanged(t, s, before)

	count, err := alice.RevokeTagged(ctx, "b", true, client)
	require.NoError(t, err)
	require.Equal(t, 1, count)
	requireDead(t, s, f.child.Token, issuer.TokenRevoked)
	requireUsable(t, s, f.sibling.Token)

	require.NoError(t, alice.Delete(ctx))
	tags, err = alice.Tags(ctx)
	require.NoError(t, err)
	require.Empty(t, tags)
}

func manyTokens(t *testing.T, s *mytokentest.Service, n int) (tokens []*mytoken.Issued) {
	t.Helper()
	root := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
	for range n {
		tokens = append(tokens, derive(t, s, root.Token, mytoken.Properties{}))
	}
	return tokens
}
