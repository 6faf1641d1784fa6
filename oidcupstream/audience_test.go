package oidcupstream_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// At a provider with one audience for each access token, a login asks for several
// audiences and each refresh for one. A refresh for more is not sent.
func TestSingleAudience(t *testing.T) {
	audiences := []string{"https://a.example", "https://b.example"}
	scopes := []string{"openid", "storage.read"}
	b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) { c.Audience.Single = true })
	verifier := oauth2.GenerateVerifier()
	req := authorization(verifier)
	req.Scopes, req.Audiences = scopes, audiences
	require.Equal(t, audiences, b.authorizationQuery(req)["resource"])
	redirect, err := b.redirect(req)
	require.NoError(t, err)
	tokens, err := b.p.Exchange(t.Context(), oidcupstream.ExchangeRequest{
		Code: redirect.Code, Verifier: verifier, Nonce: testNonce, Scopes: scopes, Audiences: audiences,
	})
	require.NoError(t, err)
	exchanged := b.op.Record()[len(b.op.Record())-1]
	require.Equal(t, audiences[:1], exchanged.Audiences)
	// The access token is about one audience only and says nothing about the grant.
	require.Equal(t, scopes, tokens.Scopes)
	require.False(t, tokens.ScopeReturned)
	require.False(t, tokens.AudienceKnown)
	require.Empty(t, tokens.Audiences)

	refresh := oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken}
	for _, audience := range audiences {
		refresh.Audiences = []string{audience}
		refreshed, err := b.p.Refresh(t.Context(), refresh)
		require.NoError(t, err)
		require.Equal(t, refresh.Audiences, refreshed.Audiences)
	}
	calls := len(b.op.Record())
	refresh.Audiences = audiences
	_, err = b.p.Refresh(t.Context(), refresh)
	require.ErrorIs(t, err, oidcupstream.ErrRequest)
	require.Equal(t, "invalid_target", upstreamError(t, err).Code)
	require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
	require.Len(t, b.op.Record(), calls)
}

// Some providers make tokens only for audiences of the login and use the refresh token up
// before they refuse. A refresh for another audience is not sent to them.
func TestAudiencesOfTheLogin(t *testing.T) {
	audiences := []string{"https://a.example", "https://b.example"}
	b := newBench(t, optest.Options{LoginAudiencesOnly: true, Rotation: optest.RotateStrict}, func(c *oidcupstream.Config) { c.Audience.LoginOnly = true })
	verifier := oauth2.GenerateVerifier()
	req := authorization(verifier)
	req.Audiences = audiences
	redirect, err := b.redirect(req)
	require.NoError(t, err)
	tokens, err := b.p.Exchange(t.Context(), oidcupstream.ExchangeRequest{Code: redirect.Code, Verifier: verifier, Nonce: testNonce, Audiences: audiences})
	require.NoError(t, err)

	refreshed := tokens
	refresh := func(wanted, login []string) error {
		tokens, err := b.p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: refreshed.RefreshToken, Audiences: wanted, LoginAudiences: login})
		if err == nil {
			refreshed = tokens
		}
		return err
	}
	for _, wanted := range [][]string{nil, audiences[:1], audiences[1:], audiences} {
		require.NoError(t, refresh(wanted, audiences))
	}
	calls := len(b.op.Record())
	for _, refused := range []struct{ wanted, login []string }{
		{[]string{"https://c.example"}, audiences}, {[]string{audiences[0], "https://c.example"}, audiences}, {audiences, audiences[:1]}, {audiences, nil},
		{[]string{"https://a.example/"}, audiences}, {[]string{""}, audiences},
	} {
		err := refresh(refused.wanted, refused.login)
		require.ErrorIs(t, err, oidcupstream.ErrRequest)
		require.Equal(t, "invalid_target", upstreamError(t, err).Code)
		require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
	}
	require.Len(t, b.op.Record(), calls)
	require.NoError(t, refresh(nil, nil), "a refresh without audiences is sent")

	// If LoginAudiences is wrong, the refresh is sent, and the provider ends the login.
	require.Equal(t, "invalid_target", upstreamError(t, refresh([]string{"https://c.example"}, []string{"https://c.example"})).Code)
	require.True(t, upstreamError(t, refresh(nil, nil)).InvalidGrant())
}
