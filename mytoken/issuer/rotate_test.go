package issuer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// rotating returns a token that is replaced after each use.
var rotating = mytoken.Properties{Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true, OnOther: true, AutoRevoke: true}}

func rotate(t *testing.T, s *mytokentest.Service, token mytoken.Secret) *mytoken.Issued {
	t.Helper()
	at, err := accessToken(t, s, token)
	require.NoError(t, err)
	require.NotNil(t, at.Update)
	return at.Update
}

// The next generation differs from the last one in its number and times alone (protocol
// section 4.3).
func TestRotation(t *testing.T) {
	s := start(t, mytokentest.Options{})
	props := rotating
	props.Name = "n"
	props.Restrictions = restriction.List{{Expires: unix(s, time.Hour)}}
	root := login(t, s, props)
	s.Clock.Advance(time.Minute)
	next := rotate(t, s, root.Token)
	require.Equal(t, root.ID, next.ID)
	require.EqualValues(t, 2, next.Claims.Seq())
	require.Equal(t, s.Clock.Now().Unix(), next.Claims.IssuedAt().Unix())
	require.Equal(t, root.Claims.ExpiresAt(), next.Claims.ExpiresAt())
	require.Equal(t, root.Claims.AuthTime(), next.Claims.AuthTime())
	require.Equal(t, root.Restrictions, next.Restrictions)
	require.Equal(t, root.Capabilities, next.Capabilities)
	require.Equal(t, root.Claims.Rotation(), next.Claims.Rotation())
	require.Equal(t, "n", next.Claims.Name())
	require.Contains(t, events(t, s, root.ID), "token_rotated")
	require.EqualValues(t, 3, rotate(t, s, next.Token).Claims.Seq())
}

// Each operation rotates as the table of protocol section 7.2 says.
func TestWhatRotates(t *testing.T) {
	for _, r := range []mytoken.Rotation{{}, {OnAT: true}, {OnOther: true}} {
		s := start(t, mytokentest.Options{})
		ctx := t.Context()
		fresh := func() mytoken.Secret {
			return login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: &r}).Token
		}
		at, err := accessToken(t, s, fresh())
		require.NoError(t, err)
		require.Equal(t, r.OnAT, at.Update != nil)

		token := fresh()
		child := derive(t, s, token, mytoken.Properties{})
		require.Equal(t, r.OnOther, child.Update != nil)
		info := issuer.InfoRequest{Token: fresh(), Client: client}
		subtree, err := s.Issuer.Subtree(ctx, info)
		require.NoError(t, err)
		require.Equal(t, r.OnOther, subtree.Update != nil)
		info.Token = fresh()
		list, err := s.Issuer.List(ctx, info)
		require.NoError(t, err)
		require.Equal(t, r.OnOther, list.Update != nil)
		history, err := s.Issuer.History(ctx, issuer.HistoryRequest{Token: fresh(), Client: client})
		require.NoError(t, err)
		require.Equal(t, r.OnOther, history.Update != nil)

		// These never rotate: the token stays the current one.
		token = fresh()
		_, err = s.Issuer.RevokeOther(ctx, issuer.RevokeOtherRequest{Token: token, Other: child.ID, Client: client})
		require.NoError(t, err)
		_, err = s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: token, Client: client})
		require.NoError(t, err)
		_, err = s.Issuer.Transfer(ctx, issuer.TransferRequest{Token: token, Client: client})
		require.NoError(t, err)
		_, err = s.Issuer.Explain(ctx, issuer.ExplainRequest{Token: token, Client: client})
		require.NoError(t, err)
		i, err := s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: token, Client: client})
		require.NoError(t, err)
		require.EqualValues(t, 1, i.Claims.Seq())
	}
}

// Within the grace the old token gets the stored successor, until that is presented. Then
// the old token is too late, but nothing is revoked. After the grace it is a reuse (D38,
// D49).
//
// proves P8
func TestGrace(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, rotating)
	child := derive(t, s, root.Token, mytoken.Properties{})
	second := child.Update
	again := rotate(t, s, root.Token)
	require.True(t, second.Token.Equal(again.Token), "one successor, however often it is asked for")

	requireUsable(t, s, second.Token) // confirms it, and rotates
	requireDead(t, s, root.Token, issuer.TokenOutdated)
	requireUsable(t, s, child.Token)

	third := rotate(t, s, second.Token)
	s.Clock.Advance(31 * time.Second)
	requireDead(t, s, second.Token, issuer.TokenReused)
	for _, token := range []mytoken.Secret{third.Token, child.Token} {
		requireDead(t, s, token, issuer.TokenRevoked)
	}
	require.Contains(t, events(t, s, root.ID), "revoked: reuse of an outdated token")
}

// The revocation after a reuse is a step of its own. It stays although the request is
// refused, whatever was asked (D39).
//
// proves P6
func TestReuseRevokesWhateverIsAsked(t *testing.T) {
	for name, ask := range map[string]func(*mytokentest.Service, mytoken.Secret) error{
		"access token": func(s *mytokentest.Service, token mytoken.Secret) error {
			_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token, Client: client})
			return err
		},
		"refused by capability": func(s *mytokentest.Service, token mytoken.Secret) error {
			_, err := s.Issuer.List(t.Context(), issuer.InfoRequest{Token: token, Client: client})
			return err
		},
		"explain": func(s *mytokentest.Service, token mytoken.Secret) error {
			_, err := s.Issuer.Explain(t.Context(), issuer.ExplainRequest{Token: token, Client: client})
			return err
		},
		"transfer": func(s *mytokentest.Service, token mytoken.Secret) error {
			_, err := s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Token: token, Client: client})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, mytokentest.Options{})
			root := login(t, s, mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true, AutoRevoke: true}})
			next := rotate(t, s, root.Token)
			s.Clock.Advance(time.Minute)
			requireTokenError(t, ask(s, root.Token), issuer.TokenReused)
			requireDead(t, s, next.Token, issuer.TokenRevoked)
		})
	}
}

// Without auto_revoke, a reuse is refused and revokes nothing.
func TestReuseWithoutAutoRevoke(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true}})
	next := rotate(t, s, root.Token)
	s.Clock.Advance(time.Minute)
	requireDead(t, s, root.Token, issuer.TokenReused)
	requireUsable(t, s, next.Token)
}

// Without a grace, the old token is a reuse at once.
func TestNoGrace(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.RotationGrace = -1 }})
	root := login(t, s, rotating)
	next := rotate(t, s, root.Token)
	requireDead(t, s, root.Token, issuer.TokenReused)
	requireDead(t, s, next.Token, issuer.TokenRevoked)
}

// A re-encoded copy of a token was never issued. It is no reuse.
func TestForgedCopyIsNoReuse(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, rotating)
	next := rotate(t, s, root.Token)
	s.Clock.Advance(time.Minute)
	compact := root.Token.Reveal()
	_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: mytoken.NewSecret(compact + "="), Client: client})
	requireTokenError(t, err, issuer.TokenMalformed)
	requireUsable(t, s, next.Token)
}

// A generation that is older than its lifetime has expired. That is no reuse and revokes
// nothing (D40). A lifetime never prolongs what restrictions end (D41).
func TestLifetimeOfAGeneration(t *testing.T) {
	s := start(t, mytokentest.Options{})
	props := rotating
	props.Rotation = &mytoken.Rotation{OnAT: true, AutoRevoke: true, Lifetime: 60}
	props.Restrictions = restriction.List{{Expires: unix(s, 90*time.Second)}}
	root := login(t, s, props)
	require.Equal(t, unix(s, time.Minute), root.Claims.ExpiresAt().Unix(), "from the first generation on")
	s.Clock.Advance(50 * time.Second)
	child := derive(t, s, root.Token, mytoken.Properties{})
	next := rotate(t, s, root.Token)
	require.Equal(t, unix(s, 40*time.Second), next.Claims.ExpiresAt().Unix(), "no later than the restrictions")
	s.Clock.Advance(11 * time.Second)
	requireDead(t, s, root.Token, issuer.TokenExpired)
	requireUsable(t, s, child.Token)
	last := rotate(t, s, next.Token)
	s.Clock.Advance(30 * time.Second)
	for _, token := range []mytoken.Secret{next.Token, last.Token} {
		requireDead(t, s, token, issuer.TokenExpired)
	}
	for _, info := range stateOf(t, s).Tokens {
		require.True(t, info.Live)
	}
}

// A rotated short token gets a short successor. The old one works while the grace lasts,
// and then is gone (D48).
//
// proves P7
func TestRotationOfShortTokens(t *testing.T) {
	s := start(t, mytokentest.Options{})
	result, err := s.LoginWith(t.Context(), "alice", issuer.LoginRequest{
		Properties: rotating, Response: mytoken.Response{Type: mytoken.ResponseShortToken}, Client: client,
	})
	require.NoError(t, err)
	old := result.Issued
	next := rotate(t, s, old.Token)
	require.Equal(t, mytoken.ResponseShortToken, next.Type)
	require.False(t, old.Token.Equal(next.Token))
	again := rotate(t, s, old.Token)
	require.True(t, next.Token.Equal(again.Token))
	require.Equal(t, 2, ticketsLeft(t, s))

	third := rotate(t, s, next.Token)
	require.EqualValues(t, 3, third.Claims.Seq())
	requireDead(t, s, old.Token, issuer.TokenOutdated)
	s.Clock.Advance(31 * time.Second)
	requireDead(t, s, old.Token, issuer.TokenUnknown)
	requireDead(t, s, next.Token, issuer.TokenUnknown)
	_, err = s.Issuer.Sweep(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, ticketsLeft(t, s))
	requireUsable(t, s, third.Token)
}

// A short token and its compact token are one token.
func TestShortTokenIsAnAlias(t *testing.T) {
	s := start(t, mytokentest.Options{})
	result, err := s.LoginWith(t.Context(), "alice", issuer.LoginRequest{
		Properties: mytoken.Properties{Capabilities: allCapabilities}, Response: mytoken.Response{Type: mytoken.ResponseShortToken}, Client: client,
	})
	require.NoError(t, err)
	short, compact := result.Issued.Token, compactOf(t, s, result.Issued.Token)
	for token, form := range map[mytoken.Secret]mytoken.ResponseType{short: mytoken.ResponseShortToken, compact: mytoken.ResponseToken} {
		requireUsable(t, s, token)
		i, err := s.Issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: token, Client: client})
		require.NoError(t, err)
		require.Equal(t, form, i.Type)
		require.Equal(t, result.Issued.ID, i.Claims.ID())
	}
	child := derive(t, s, short, mytoken.Properties{})
	revoke(t, s, short, true)
	requireDead(t, s, short, issuer.TokenUnknown)
	requireDead(t, s, compact, issuer.TokenRevoked)
	requireDead(t, s, child.Token, issuer.TokenRevoked)
}
