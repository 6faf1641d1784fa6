package issuer_test

import (
	"testing"
	"time"

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

func reconnect(t *testing.T, s *mytokentest.Service, token mytoken.Secret) *issuer.Login {
	t.Helper()
	login, err := s.Issuer.StartReconnect(t.Context(), issuer.ReconnectRequest{Token: token, ReturnTo: "/back", Client: client})
	require.NoError(t, err)
	return login
}

// endLogin ends the login of alice at the provider, and makes a request that has to wait.
// The next request learns that the login has ended.
func endLogin(t *testing.T, s *mytokentest.Service, token mytoken.Secret) {
	t.Helper()
	s.Provider.EndGrants("alice")
	_, err := accessToken(t, s, token)
	requireSuspect(t, err, 10*time.Second)
	s.Clock.Advance(11 * time.Second)
}

// The provider ended a login. A new login of the same user revives the whole tree (D62).
//
// proves P5
func TestReconnect(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
	f := newFamily(t, s)
	requireUsable(t, s, f.child.Token)
	endLogin(t, s, f.child.Token)
	for range 2 {
		_, err := accessToken(t, s, f.child.Token)
		errAs[*issuer.ReconnectError](t, err)
	}
	require.Equal(t, 2, s.Provider.Count(optest.Refused), "the end is remembered")
	i, err := s.Issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: f.root.Token, Client: client})
	require.NoError(t, err)
	require.True(t, i.Reconnect)

	result, err := s.Follow(t.Context(), "alice", reconnect(t, s, f.sibling.Token))
	require.NoError(t, err)
	require.True(t, result.Reconnected)
	require.Nil(t, result.Issued)
	require.Empty(t, result.Narrower)
	require.Equal(t, "/back", result.ReturnTo)
	for _, token := range []*mytoken.Issued{f.root, f.parent, f.child, f.sibling} {
		requireUsable(t, s, token.Token)
	}
	require.Len(t, stateOf(t, s).Tokens, 4)
	require.Zero(t, ticketsLeft(t, s))
	require.True(t, revoke(t, s, f.root.Token, true).AtProvider)
}

// Only the same user can reconnect. The refresh token of another user is revoked, and the
// old login stays.
func TestReconnectAsAnotherUser(t *testing.T) {
	s := start(t, mytokentest.Options{})
	f := newFamily(t, s)
	before := stateOf(t, s)
	_, err := s.Follow(t.Context(), "bob", reconnect(t, s, f.root.Token))
	require.Equal(t, "access_denied", errAs[*issuer.LoginError](t, err).Code)
	require.Equal(t, 1, s.Provider.Count(optest.Revoked))
	require.Equal(t, "bob", lastEvent(t, s, optest.Revoked).Subject)
	requireSameTokens(t, s, before)
	requireUsable(t, s, f.root.Token)
}

// A grant that comes back narrower is reported.
func TestReconnectNarrower(t *testing.T) {
	var granted, asked knob[[]string]
	s := start(t, mytokentest.Options{Provider: optest.Options{
		Decide: func(r optest.AuthorizationRequest) optest.Decision {
			asked.set(r.Scopes)
			return optest.Decision{Scopes: granted.get()}
		},
	}})
	granted.set([]string{"openid", "offline_access", "compute", "profile"})
	root := login(t, s, mytoken.Properties{})
	granted.set([]string{"openid", "offline_access", "compute"})
	result, err := s.Follow(t.Context(), "alice", reconnect(t, s, root.Token))
	require.NoError(t, err)
	require.Equal(t, []string{"profile"}, result.Narrower)
	require.ElementsMatch(t, []string{"openid", "offline_access", "compute", "profile"}, asked.get(), "what was granted before is asked for")
}

// A token is revoked while its user logs in. The login revives nothing.
//
// proves P6
func TestReconnectOfARevokedToken(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{})
	back := browse(t, reconnect(t, s, root.Token), "alice")
	revoke(t, s, root.Token, true)
	_, err := s.Issuer.FinishLogin(t.Context(), back)
	require.ErrorIs(t, err, issuer.ErrState)
	require.Equal(t, 1, s.Provider.Count(optest.Exchanged))
	require.Zero(t, ticketsLeft(t, s), "the grant's key is not kept for a login that has ended")
	requireDead(t, s, root.Token, issuer.TokenRevoked)
	_, err = s.Issuer.StartReconnect(t.Context(), issuer.ReconnectRequest{Token: root.Token, Client: client})
	requireTokenError(t, err, issuer.TokenRevoked)

	// Deleted meanwhile.
	root = login(t, s, mytoken.Properties{})
	back = browse(t, reconnect(t, s, root.Token), "alice")
	require.NoError(t, owner(t, s, "alice").Delete(t.Context()))
	_, err = s.Issuer.FinishLogin(t.Context(), back)
	require.ErrorIs(t, err, issuer.ErrState)
	require.Empty(t, stateOf(t, s).Sealed)
}

// Several logins for one tree are all stored, one after the other.
func TestReconnectTwiceAtOnce(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
	root := login(t, s, mytoken.Properties{})
	backs := make(chan issuer.FinishRequest, 4)
	for range cap(backs) {
		backs <- browse(t, reconnect(t, s, root.Token), "alice")
	}
	results, errs := atOnce(cap(backs), func() (*issuer.LoginResult, error) { return s.Issuer.FinishLogin(t.Context(), <-backs) })
	require.Len(t, winners(results, errs), 4, "%v", errs)
	requireUsable(t, s, root.Token)
	require.Zero(t, s.Provider.Reuses())
}

func TestReconnectNeedsAUsableToken(t *testing.T) {
	s := start(t, mytokentest.Options{})
	elsewhere := login(t, s, mytoken.Properties{Restrictions: restriction.List{{Hosts: []string{"198.51.100.1"}}}})
	before := stateOf(t, s)
	_, err := s.Issuer.StartReconnect(t.Context(), issuer.ReconnectRequest{Token: elsewhere.Token, Client: client})
	requireRefused(t, err, "hosts")
	requireUnchanged(t, s, before)
	root := login(t, s, mytoken.Properties{})
	login := reconnect(t, s, root.Token)
	s.Clock.Advance(6 * time.Minute)
	_, err = s.Follow(t.Context(), "alice", login)
	require.ErrorIs(t, err, issuer.ErrState)
}

// A token is revoked while the login is being finished. The new refresh token is not
// stored, and is revoked at the provider.
//
// proves P6
func TestReconnectOvertakenByRevocation(t *testing.T) {
	mem := memstore.New()
	var root *mytoken.Issued
	faulty := storetest.NewFaulty(mem, func(c storetest.Call) error {
		if c.Method == "ReplaceGrant" && c.Before {
			_, err := mem.Revoke(t.Context(), store.Revocation{Token: root.ID, Recursive: true, Now: 1})
			require.NoError(t, err)
		}
		return nil
	})
	s := start(t, mytokentest.Options{Store: faulty})
	root = login(t, s, mytoken.Properties{})
	_, err := s.Follow(t.Context(), "alice", reconnect(t, s, root.Token))
	require.Equal(t, "access_denied", errAs[*issuer.LoginError](t, err).Code)
	require.Equal(t, 2, lastEvent(t, s, optest.Revoked).Grant, "the new login")
	requireDead(t, s, root.Token, issuer.TokenRevoked)
}
