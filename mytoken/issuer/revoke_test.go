package issuer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// family is a tree of three generations.
type family struct{ root, parent, child, sibling *mytoken.Issued }

func newFamily(t *testing.T, s *mytokentest.Service) (f family) {
	t.Helper()
	f.root = login(t, s, mytoken.Properties{Name: "root", Capabilities: allCapabilities})
	f.parent = derive(t, s, f.root.Token, mytoken.Properties{Name: "parent"})
	f.child = derive(t, s, f.parent.Token, mytoken.Properties{Name: "child"})
	f.sibling = derive(t, s, f.root.Token, mytoken.Properties{Name: "sibling"})
	return f
}

// proves P6
func TestRevokeRecursively(t *testing.T) {
	s := start(t, mytokentest.Options{})
	f := newFamily(t, s)
	r := revoke(t, s, f.parent.Token, true)
	require.Equal(t, f.parent.ID, r.Revoked)
	require.False(t, r.AtProvider, "others of the login live")
	requireDead(t, s, f.parent.Token, issuer.TokenRevoked)
	requireDead(t, s, f.child.Token, issuer.TokenRevoked)
	_, err := deriveAdjusted(t, s, f.child.Token, mytoken.Properties{})
	requireTokenError(t, err, issuer.TokenRevoked)
	requireUsable(t, s, f.sibling.Token)
	requireUsable(t, s, f.root.Token)
	require.Contains(t, events(t, s, f.parent.ID), "revoked")
}

// A token that is revoked alone leaves its children alive, below its own ancestors (D97).
//
// proves P6
func TestRevokeAlone(t *testing.T) {
	s := start(t, mytokentest.Options{})
	f := newFamily(t, s)
	revoke(t, s, f.parent.Token, false)
	requireDead(t, s, f.parent.Token, issuer.TokenRevoked)
	requireUsable(t, s, f.child.Token)
	revoke(t, s, f.root.Token, true)
	requireDead(t, s, f.child.Token, issuer.TokenRevoked)

	// A tombstone can be raised, and never lowered.
	f = newFamily(t, s)
	revoke(t, s, f.parent.Token, false)
	revoke(t, s, f.parent.Token, true)
	requireDead(t, s, f.child.Token, issuer.TokenRevoked)
	revoke(t, s, f.parent.Token, false)
	requireDead(t, s, f.child.Token, issuer.TokenRevoked)
}

// Revoking the last token of a login also revokes the refresh token (D45).
func TestRevokeAtTheProvider(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
	f := newFamily(t, s)
	requireUsable(t, s, f.child.Token) // the current refresh token is not the first
	require.False(t, revoke(t, s, f.root.Token, false).AtProvider)
	require.False(t, revoke(t, s, f.sibling.Token, false).AtProvider)
	require.False(t, revoke(t, s, f.parent.Token, false).AtProvider)
	require.Zero(t, s.Provider.Count(optest.Revoked))
	require.True(t, revoke(t, s, f.child.Token, false).AtProvider)
	require.Equal(t, 1, s.Provider.Count(optest.Revoked))
	require.Equal(t, 2, lastEvent(t, s, optest.Revoked).Generation)
}

// A token is revoked even if the provider does not answer.
func TestRevokeWithoutTheProvider(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{Faults: func(p optest.FaultPoint) optest.Fault {
		return optest.Fault{LoseRequest: p.Endpoint == optest.EndpointRevoke}
	}}})
	root := login(t, s, mytoken.Properties{})
	r := revoke(t, s, root.Token, true)
	require.Equal(t, root.ID, r.Revoked)
	require.False(t, r.AtProvider)
	require.Error(t, r.ProviderErr)
	requireDead(t, s, root.Token, issuer.TokenRevoked)
}

// Any generation with a valid signature is enough to revoke, expired or outdated (D46).
// An unknown token counts as revoked.
//
// proves P6
func TestRevokeWithWhatIsLeft(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, rotating)
	next := rotate(t, s, root.Token)
	requireUsable(t, s, next.Token)
	s.Clock.Advance(time.Minute)
	require.Equal(t, root.ID, revoke(t, s, root.Token, true).Revoked)
	requireDead(t, s, next.Token, issuer.TokenRevoked)
	require.Equal(t, root.ID, revoke(t, s, root.Token, true).Revoked, "again")
	require.Equal(t, 1, count(events(t, s, root.ID), "revoked"))

	short := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Expires: unix(s, time.Minute)}}})
	s.Clock.Advance(2 * time.Minute)
	require.Equal(t, short.ID, revoke(t, s, short.Token, false).Revoked)

	other := start(t, mytokentest.Options{})
	foreign := login(t, other, mytoken.Properties{})
	before := stateOf(t, s)
	for _, token := range []string{"abc", "abcdefghijkmnopq", "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMN", "a.b.c", foreign.Token.Reveal(), "eyJ.eyJ.abcdefghijkmnopqrstuvwxyzABCDEF"} {
		require.Equal(t, &issuer.Revocation{}, revoke(t, s, mytoken.NewSecret(token), true))
	}
	// An empty token is an error: nothing can be revoked.
	_, err := s.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Recursive: true})
	missing, ok := errors.AsType[*issuer.RequestError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "token", missing.Field)
	requireUnchanged(t, s, before)
}

func count(list []string, entry string) (n int) {
	for _, e := range list {
		if e == entry {
			n++
		}
	}
	return n
}

func TestRevokeChecksTheProvider(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{})
	_, err := s.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: root.Token, Provider: "https://elsewhere.example.org"})
	require.ErrorIs(t, err, issuer.ErrUnknownProvider)
	requireUsable(t, s, root.Token)
	_, err = s.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: root.Token, Provider: s.Provider.Issuer() + "/"})
	require.NoError(t, err)
	requireDead(t, s, root.Token, issuer.TokenRevoked)
}

// An ancestor may revoke another token, and so may a token with the capability. The token
// must belong to the same user (protocol section 5.7, D98).
func TestRevokeOther(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	try := func(by *mytoken.Issued, other mytoken.TokenID) error {
		_, err := s.Issuer.RevokeOther(ctx, issuer.RevokeOtherRequest{Token: by.Token, Other: other, Recursive: true, Client: client})
		return err
	}
	only := func(cs ...capability.Capability) mytoken.Properties { return mytoken.Properties{Capabilities: cs} }
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	parent := derive(t, s, root.Token, only(capability.AT, capability.CreateMytoken))
	child := derive(t, s, parent.Token, only(capability.AT, capability.CreateMytoken))
	grandchild := derive(t, s, child.Token, only(capability.AT))
	manager := login(t, s, only(capability.ManageMytokensRevoke))
	lister := login(t, s, only(capability.ManageMytokensList))
	bob, err := s.Login(ctx, "bob", mytoken.Properties{Capabilities: allCapabilities})
	require.NoError(t, err)

	before := stateOf(t, s)
	denied := errAs[*mytoken.CapabilityError](t, try(child, parent.ID))
	require.Equal(t, capability.ManageMytokensRevoke, denied.Needed)
	errAs[*mytoken.CapabilityError](t, try(lister, child.ID))
	errAs[*mytoken.CapabilityError](t, try(lister, bob.ID))
	errAs[*mytoken.CapabilityError](t, try(lister, mytoken.TokenID{1})) // who may not manage does not learn what exists
	require.ErrorIs(t, try(manager, bob.ID), issuer.ErrNotOwned)
	require.ErrorIs(t, try(manager, mytoken.TokenID{1}), issuer.ErrNotOwned)
	require.ErrorIs(t, try(bob, child.ID), issuer.ErrNotOwned)
	requireUnchanged(t, s, before)

	require.NoError(t, try(parent, grandchild.ID), "an ancestor needs no capability")
	requireDead(t, s, grandchild.Token, issuer.TokenRevoked)
	require.Contains(t, events(t, s, parent.ID), "revoked_other_token: mom_id: "+grandchild.ID.String())
	require.NoError(t, try(manager, child.ID))
	requireDead(t, s, child.Token, issuer.TokenRevoked)
	require.NoError(t, try(parent, parent.ID), "oneself")
	requireDead(t, s, parent.Token, issuer.TokenRevoked)
	requireTokenError(t, try(parent, root.ID), issuer.TokenRevoked)
	requireUsable(t, s, root.Token)
	requireUsable(t, s, bob.Token)
}

// A token ends the tree that it belongs to, and the answer of the store is lost. By the
// time of the repetition its key is erased. The refresh token is revoked all the same.
//
// proves P8
func TestRevokeOwnTreeAgain(t *testing.T) {
	faulty := storetest.NewFaulty(memstore.New(), storetest.FailAt(storetest.After("Revoke", 1), storetest.ErrFault))
	s := start(t, mytokentest.Options{Store: faulty})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	child := derive(t, s, root.Token, mytoken.Properties{})
	out, err := s.Issuer.RevokeOther(t.Context(), issuer.RevokeOtherRequest{Token: child.Token, Other: root.ID, Recursive: true, Client: client})
	require.NoError(t, err)
	require.NoError(t, out.ProviderErr)
	require.True(t, out.AtProvider)
	require.Equal(t, 1, s.Provider.Count(optest.Revoked))
}

// Revoking another token is a use of the authorising one, with everything that a use
// entails (D98).
//
// proves P3, P8
func TestRevokeOtherIsAUse(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: usages(3), Hosts: []string{"192.0.2.7"}}}})
	a, b := derive(t, s, root.Token, mytoken.Properties{}), derive(t, s, root.Token, mytoken.Properties{})
	req := issuer.RevokeOtherRequest{Token: root.Token, ID: issuer.NewUseID(), Other: a.ID, Client: client}
	elsewhere := req
	elsewhere.Client = issuer.Client{}
	_, err := s.Issuer.RevokeOther(ctx, elsewhere)
	requireRefused(t, err, "hosts")
	for range 3 {
		_, err := s.Issuer.RevokeOther(ctx, req)
		require.NoError(t, err, "repeated with the same ID it counts once")
	}
	requireDead(t, s, a.Token, issuer.TokenRevoked)
	_, err = s.Issuer.RevokeOther(ctx, issuer.RevokeOtherRequest{Token: root.Token, Other: b.ID, Client: client})
	requireRefused(t, err, "usages_other")
	requireUsable(t, s, b.Token)
}

// A token that revoked itself by its mom_id is revoked. Its repeated request says so, too,
// and revokes what it names below.
//
// proves P8
func TestRepeatedRevocationOfOneself(t *testing.T) {
	s := start(t, mytokentest.Options{})
	token := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: usages(2)}}})
	child, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: token.Token, Client: client})
	require.NoError(t, err)
	req := issuer.RevokeOtherRequest{Token: token.Token, ID: issuer.NewUseID(), Other: token.ID, Client: client}
	for range 2 {
		_, err := s.Issuer.RevokeOther(t.Context(), req)
		require.NoError(t, err)
		requireDead(t, s, token.Token, issuer.TokenRevoked)
	}
	requireUsable(t, s, child.Token)
	req.Recursive = true
	_, err = s.Issuer.RevokeOther(t.Context(), req)
	require.NoError(t, err)
	requireDead(t, s, child.Token, issuer.TokenRevoked)

	req.Other = child.ID
	_, err = s.Issuer.RevokeOther(t.Context(), req)
	requireTokenError(t, err, issuer.TokenRevoked)
}
