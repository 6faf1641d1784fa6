package optest_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

func TestPreparedTokens(t *testing.T) {
	c := start(t, optest.Options{PreparedTokens: true})
	login := c.login()
	rt := login.RefreshToken
	narrow := func() answer {
		return c.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {rt}, "scope": {"openid"}})
	}
	first := c.refresh(rt)
	require.Equal(t, int64(3600), first.ExpiresIn)
	require.NotEqual(t, login.AccessToken, first.AccessToken, "the ID token of the login has a nonce")
	require.NotEqual(t, c.login().AccessToken, c.login().AccessToken, "logins share nothing")
	require.NotEqual(t, first.AccessToken, c.refresh(c.login().RefreshToken).AccessToken, "another grant")
	require.NotEqual(t, first.AccessToken, narrow().AccessToken, "other scopes")
	require.Equal(t, narrow().AccessToken, narrow().AccessToken)

	c.advance(10 * time.Minute)
	again := c.refresh(rt)
	require.Equal(t, first.AccessToken, again.AccessToken)
	require.Equal(t, first.IDToken, again.IDToken)
	require.Equal(t, int64(3000), again.ExpiresIn, "it says how long it is still valid")
	require.Equal(t, optest.Refreshed, c.last().Kind, "each request is recorded")
	require.Equal(t, 200, c.userinfo(again.AccessToken))

	c.advance(20 * time.Minute)
	second := c.refresh(rt)
	require.NotEqual(t, first.AccessToken, second.AccessToken, "half of its lifetime is over")
	require.Equal(t, int64(3600), second.ExpiresIn)

	c.post("/revoke", url.Values{"token": {second.AccessToken}})
	require.Equal(t, 401, c.userinfo(second.AccessToken))
	third := c.refresh(rt)
	require.NotEqual(t, second.AccessToken, third.AccessToken, "it was revoked")
	require.Equal(t, 200, c.userinfo(third.AccessToken))

	require.NoError(t, c.op.WithdrawKeys())
	require.NotEqual(t, third.AccessToken, c.refresh(rt).AccessToken, "nobody can verify it any more")
}

// Prepared tokens change nothing about refresh tokens.
func TestPreparedTokensRotate(t *testing.T) {
	c := start(t, optest.Options{PreparedTokens: true, Rotation: optest.RotateStrict})
	first := c.login().RefreshToken
	a := c.refresh(first)
	require.NotEmpty(t, a.RefreshToken)
	b := c.refresh(a.RefreshToken)
	require.Equal(t, a.AccessToken, b.AccessToken)
	require.NotEqual(t, a.RefreshToken, b.RefreshToken)
	require.Equal(t, "invalid_grant", c.refresh(first).Error)
	require.Equal(t, "invalid_grant", c.refresh(b.RefreshToken).Error, "the family is dead")
	require.Equal(t, 401, c.userinfo(b.AccessToken))
}

func TestTokensAreNewWithoutPreparation(t *testing.T) {
	c := start(t, optest.Options{})
	rt := c.login().RefreshToken
	require.NotEqual(t, c.refresh(rt).AccessToken, c.refresh(rt).AccessToken)
}
