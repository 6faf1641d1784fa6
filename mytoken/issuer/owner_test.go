package issuer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

func owner(t *testing.T, s *mytokentest.Service, subject string) *issuer.OwnerAccess {
	t.Helper()
	o, err := s.Issuer.Owner(s.Provider.Issuer(), subject)
	require.NoError(t, err)
	return o
}

// The embedding service acts for an authenticated user without a token, a capability or a
// restriction. It reaches only what belongs to that user.
func TestOwner(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	f := newFamily(t, s)
	login(t, s, mytoken.Properties{Name: "second", Restrictions: restriction.List{{UsagesOther: usages(0)}}})
	bob, err := s.Login(ctx, "bob", mytoken.Properties{Name: "bob's"})
	require.NoError(t, err)
	alice := owner(t, s, "alice")

	before := stateOf(t, s)
	list, err := alice.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"root(parent(child) sibling)", "second"}, shape(list.Roots))
	subtree, err := alice.Subtree(ctx, f.parent.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"parent(child)"}, shape(subtree.Roots))
	history, err := alice.History(ctx, f.child.ID)
	require.NoError(t, err)
	require.Len(t, history.Events, 2)
	for _, id := range []mytoken.TokenID{bob.ID, {}, {1}} {
		_, err = alice.Subtree(ctx, id)
		require.ErrorIs(t, err, issuer.ErrNotOwned)
		_, err = alice.History(ctx, id)
		require.ErrorIs(t, err, issuer.ErrNotOwned)
		require.ErrorIs(t, alice.Revoke(ctx, id, true, client), issuer.ErrNotOwned)
	}
	requireUnchanged(t, s, before)

	require.NoError(t, alice.Revoke(ctx, f.parent.ID, true, client))
	requireDead(t, s, f.child.Token, issuer.TokenRevoked)
	requireUsable(t, s, f.sibling.Token)
	require.Contains(t, events(t, s, f.parent.ID), "revoked: by the user, without a token")

	_, err = s.Issuer.Owner("https://elsewhere.example.org", "alice")
	require.ErrorIs(t, err, issuer.ErrUnknownProvider)
	_, err = s.Issuer.Owner(s.Provider.Issuer(), "")
	requireRequestError(t, err, "sub")
}

// proves P6
func TestOwnerRevokeAll(t *testing.T) {
	s := start(t, mytokentest.Options{})
	f, second := newFamily(t, s), login(t, s, mytoken.Properties{})
	bob, err := s.Login(t.Context(), "bob", mytoken.Properties{})
	require.NoError(t, err)
	revoke(t, s, f.root.Token, false) // its children live on, and are no roots
	require.NoError(t, owner(t, s, "alice").RevokeAll(t.Context(), client))
	for _, token := range []*mytoken.Issued{f.root, f.parent, f.child, f.sibling, second} {
		requireDead(t, s, token.Token, issuer.TokenRevoked)
	}
	requireUsable(t, s, bob.Token)
	require.NoError(t, owner(t, s, "nobody").RevokeAll(t.Context(), client))
}

// Deleting the data of a user leaves nothing of it, not even codes and replies.
//
// proves P6, P7
func TestOwnerDelete(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	f := newFamily(t, s)
	code := transfer(t, s, f.child.Token)
	req := issuer.DeriveRequest{Token: f.root.Token, ID: issuer.NewUseID(), Client: client, Response: mytoken.Response{Type: mytoken.ResponseShortToken}}
	_, err := s.Issuer.Derive(ctx, req)
	require.NoError(t, err)
	n := native(t, s, issuer.LoginRequest{})
	agree(t, s, n, agreedProperties)

	require.NoError(t, owner(t, s, "alice").Delete(ctx))
	require.NoError(t, owner(t, s, "alice").Delete(ctx), "again")
	for _, token := range []*mytoken.Issued{f.root, f.parent, f.child, f.sibling} {
		requireDead(t, s, token.Token, issuer.TokenUnknown)
	}
	_, err = redeem(t, s, code)
	requireCodeError(t, err, issuer.CodeUnknown)
	_, err = poll(t, s, n)
	requireCodeError(t, err, issuer.CodeUnknown)
	_, err = s.Issuer.Derive(ctx, req)
	requireTokenError(t, err, issuer.TokenUnknown)

	items, _, err := s.Store.Sealed(ctx, store.Page{Limit: 100})
	require.NoError(t, err)
	require.Empty(t, items)
	dump, err := s.Store.(*memstore.Store).Dump(ctx)
	require.NoError(t, err)
	id := f.root.Claims.Owner()
	require.Empty(t, storetest.FindSecrets(dump, string(id[:]), string(f.root.ID[:]), string(f.child.ID[:])))
	require.Zero(t, s.Provider.Count(optest.Revoked))

	login(t, s, mytoken.Properties{})
}
