package issuer_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

const (
	audienceA = "https://a.example.org"
	audienceB = "urn:example:b"
	audienceC = "https://c.example.org"
)

// startLoginOnly starts a service whose provider gives access tokens only for audiences
// that the login asked for, and uses up the refresh token for any other.
func startLoginOnly(t *testing.T, rotation optest.Rotation) *mytokentest.Service {
	return start(t, mytokentest.Options{
		Provider: optest.Options{Rotation: rotation, LoginAudiencesOnly: true},
		Upstream: func(c *oidcupstream.Config) {
			c.Audience.LoginOnly, c.RefreshTokensNeverRotate = true, rotation == optest.RotateOff
		},
	})
}

func accessFor(t *testing.T, s *mytokentest.Service, token mytoken.Secret, audiences ...string) (*issuer.AccessToken, error) {
	t.Helper()
	return s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token, Audiences: audiences, Client: client})
}

// requireOtherAudience asks for an access token over which the provider would end the
// login. The provider is not asked, and nothing is charged.
func requireOtherAudience(t *testing.T, s *mytokentest.Service, token *mytoken.Issued, audiences ...string) {
	t.Helper()
	asked := len(s.Provider.Record())
	info, err := s.Store.Token(t.Context(), token.ID)
	require.NoError(t, err)
	history := events(t, s, token.ID)

	_, err = accessFor(t, s, token.Token, audiences...)
	up := errAs[*issuer.UpstreamError](t, err)
	require.Equal(t, 400, up.Status)
	require.Equal(t, "invalid_target", up.Code)
	require.Contains(t, up.Description, "the login asked for")
	require.False(t, up.Charged)
	require.ErrorIs(t, err, oidcupstream.ErrRequest)

	require.Len(t, s.Provider.Record(), asked, "the provider was asked")
	after, err := s.Store.Token(t.Context(), token.ID)
	require.NoError(t, err)
	require.Equal(t, info.Counters, after.Counters, "charged")
	require.Equal(t, history, events(t, s, token.ID))
}

// A request for an audience that the login did not ask for does not end the login of the
// tree.
//
// proves P5
func TestAudienceThatTheLoginDidNotAskFor(t *testing.T) {
	for _, rotation := range []optest.Rotation{optest.RotateStrict, optest.RotateOff} {
		s := startLoginOnly(t, rotation)
		open := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
		named := derive(t, s, open.Token, mytoken.Properties{Restrictions: restriction.List{{Audiences: []string{audienceA}, UsagesAT: usages(1)}}})
		for range 3 {
			requireOtherAudience(t, s, open, audienceA)
			requireOtherAudience(t, s, named) // its clause names it
			requireOtherAudience(t, s, named, audienceA)
			requireUsable(t, s, open.Token)
		}

		bounded := login(t, s, mytoken.Properties{
			Capabilities: allCapabilities,
			Restrictions: restriction.List{{Audiences: []string{audienceA}, UsagesAT: usages(2)}, {Audiences: []string{audienceB}}},
		})
		requireOtherAudience(t, s, open, audienceB) // another login
		at, err := accessFor(t, s, bounded.Token)
		require.NoError(t, err)
		require.Equal(t, []string{audienceA}, at.Audiences)
		at, err = accessFor(t, s, bounded.Token, audienceB)
		require.NoError(t, err)
		require.Equal(t, []string{audienceB}, at.Audiences)
		require.Zero(t, s.Provider.Count(optest.Refused))
		require.Zero(t, s.Provider.Reuses())
	}
}

// A request with an ID is refused as often as it is repeated. Its ID can still be used
// for another attempt.
//
// proves P8
func TestOtherAudienceRepeated(t *testing.T) {
	s := startLoginOnly(t, optest.RotateStrict)
	token := login(t, s, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(1)}}})
	req := issuer.AccessTokenRequest{Token: token.Token, ID: issuer.NewUseID(), Audiences: []string{audienceA}, Client: client}
	for range 3 {
		_, err := s.Issuer.AccessToken(t.Context(), req)
		require.Equal(t, "invalid_target", errAs[*issuer.UpstreamError](t, err).Code)
	}
	req.Audiences = nil
	_, err := s.Issuer.AccessToken(t.Context(), req)
	require.NoError(t, err)
	_, err = accessToken(t, s, token.Token)
	requireRefused(t, err, "usages_AT")
}

// Other providers are asked for whatever audience a client wants.
func TestAnyAudienceWhereTheProviderGivesIt(t *testing.T) {
	s := start(t, mytokentest.Options{})
	at, err := accessFor(t, s, login(t, s, mytoken.Properties{}).Token, audienceA)
	require.NoError(t, err)
	require.Equal(t, []string{audienceA}, at.Audiences)
}

// A new login for a tree asks for the audiences of the first one.
//
// proves P5
func TestReconnectAsksForTheSameAudiences(t *testing.T) {
	s := startLoginOnly(t, optest.RotateStrict)
	audiences := []string{audienceA, audienceB}
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Audiences: audiences}}})
	child := derive(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{{Audiences: []string{audienceB}}}})
	for range 2 {
		s.Provider.EndGrants("alice")
		_, err := accessToken(t, s, child.Token)
		errAs[*issuer.ReconnectError](t, err)
		_, err = s.Follow(t.Context(), "alice", reconnect(t, s, child.Token))
		require.NoError(t, err)
		require.Equal(t, audiences, lastEvent(t, s, optest.Authorized).Audiences)
		for _, audience := range audiences {
			at, err := accessFor(t, s, root.Token, audience)
			require.NoError(t, err)
			require.Equal(t, []string{audience}, at.Audiences)
		}
		requireUsable(t, s, child.Token)
	}

	open := login(t, s, mytoken.Properties{})
	_, err := s.Follow(t.Context(), "alice", reconnect(t, s, open.Token))
	require.NoError(t, err)
	require.Empty(t, lastEvent(t, s, optest.Authorized).Audiences, "nothing was asked for, nor is now")
}

// An adoption says what its login asked for, and the issuer believes it.
func TestAdoptAudiences(t *testing.T) {
	s := startLoginOnly(t, optest.RotateStrict)
	ctx := t.Context()
	refreshToken, err := s.RefreshToken(ctx, "alice", audienceA, audienceB)
	require.NoError(t, err)
	a := adoption(s, refreshToken)
	for name, bad := range map[string]string{
		"empty": "", "space": "a b", "other white space": "a\u00a0b", "control character": "a\x00", "not UTF-8": "a\xff",
		"long": strings.Repeat("a", 32<<10+1),
	} {
		a.Audiences = []string{audienceA, bad}
		_, err := s.Issuer.Adopt(ctx, a)
		require.Equal(t, "audience", errAs[*issuer.RequestError](t, err).Field, name)
	}
	require.Zero(t, s.Provider.Count(optest.Refreshed))
	a.Audiences = []string{audienceA, audienceB, audienceA}
	issued, err := s.Issuer.Adopt(ctx, a)
	require.NoError(t, err)
	requireOtherAudience(t, s, issued, audienceC)
	requireGiven := func() {
		for _, audience := range []string{audienceA, audienceB} {
			_, err := accessFor(t, s, issued.Token, audience)
			require.NoError(t, err)
		}
	}
	requireGiven()
	_, err = s.Follow(ctx, "alice", reconnect(t, s, issued.Token))
	require.NoError(t, err)
	require.Equal(t, []string{audienceA, audienceB}, lastEvent(t, s, optest.Authorized).Audiences)
	requireGiven()

	unsaid := adoption(s, portalRefreshToken(t, s, "alice"))
	issued, err = s.Issuer.Adopt(ctx, unsaid)
	require.NoError(t, err)
	requireOtherAudience(t, s, issued, audienceA)
	requireUsable(t, s, issued.Token)
}

// A holder who asks for very many scopes is refused, before anything compares them.
func TestVeryManyScopes(t *testing.T) {
	s := start(t, mytokentest.Options{})
	token := login(t, s, mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"openid"}}}})
	scopes := make([]string, 1<<18)
	for i := range scopes {
		scopes[i] = strconv.Itoa(i)
	}
	_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token, Scopes: scopes, Client: client})
	requireRequestError(t, err, "scope")
}
