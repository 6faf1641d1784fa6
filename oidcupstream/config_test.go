package oidcupstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
)

func validConfig() oidcupstream.Config {
	return oidcupstream.Config{
		Issuer: "https://op.example.org", ClientID: "c", Auth: oidcupstream.ClientSecretBasic("planted-secret"),
		RedirectURL: redirectURL, Scopes: []string{"openid", "storage.read"},
	}
}

func TestNew(t *testing.T) {
	cfg := validConfig()
	p, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	cfg.Scopes[0] = "changed"
	require.Equal(t, []string{"openid", "storage.read"}, p.Scopes())
	p.Scopes()[0] = "changed"
	require.Equal(t, []string{"openid", "storage.read"}, p.Scopes())
	require.Equal(t, "https://op.example.org", p.Issuer())
	require.Equal(t, "https://op.example.org", p.Name())
	require.Equal(t, "c", p.ClientID())
	require.Equal(t, redirectURL, p.RedirectURL())
	require.Equal(t, 8*time.Second, p.Timeout())
	require.False(t, p.RefreshTokensNeverRotate())
	require.True(t, p.IsIssuer("https://op.example.org/"))
	require.True(t, p.IsIssuer("https://op.example.org"))
	require.False(t, p.IsIssuer("https://op.example.org//"))
	require.False(t, p.IsIssuer(""))

	cfg = validConfig()
	cfg.Scopes, cfg.Name, cfg.RefreshTokensNeverRotate, cfg.Timeout = nil, "Example", true, time.Second
	p, err = oidcupstream.New(cfg)
	require.NoError(t, err)
	require.Equal(t, []string{"openid"}, p.Scopes())
	require.Equal(t, "Example", p.Name())
	require.True(t, p.RefreshTokensNeverRotate())
	require.Equal(t, time.Second, p.Timeout())
}

func TestNewRefuses(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, change := range map[string]func(*oidcupstream.Config){
		"everything missing":   func(c *oidcupstream.Config) { *c = oidcupstream.Config{} },
		"no issuer":            func(c *oidcupstream.Config) { c.Issuer = "" },
		"issuer not a URL":     func(c *oidcupstream.Config) { c.Issuer = "https://%zz" },
		"issuer relative":      func(c *oidcupstream.Config) { c.Issuer = "op.example.org" },
		"issuer with query":    func(c *oidcupstream.Config) { c.Issuer += "?a=b" },
		"issuer with fragment": func(c *oidcupstream.Config) { c.Issuer += "#a" },
		"issuer with user":     func(c *oidcupstream.Config) { c.Issuer = "https://planted-secret@op.example.org" },
		"issuer with space":    func(c *oidcupstream.Config) { c.Issuer = "https://op.example.org/ a" },
		"redirect with space":  func(c *oidcupstream.Config) { c.RedirectURL = "https://mytoken.example.org/redirect " },
		"redirect, no host":    func(c *oidcupstream.Config) { c.RedirectURL = "https:///redirect" },
		"issuer plain http":    func(c *oidcupstream.Config) { c.Issuer = "http://op.example.org" },
		"issuer like loopback": func(c *oidcupstream.Config) { c.Issuer = "http://127.0.0.1.example.org" },
		"http to localhost":    func(c *oidcupstream.Config) { c.Issuer = "http://localhost:8080" }, // a name, which DNS may answer
		"issuer a file":        func(c *oidcupstream.Config) { c.Issuer = "file:///etc/passwd" },
		"no client":            func(c *oidcupstream.Config) { c.ClientID = "" },
		"no authentication":    func(c *oidcupstream.Config) { c.Auth = oidcupstream.ClientAuth{} },
		"zero with audience":   func(c *oidcupstream.Config) { c.Auth = oidcupstream.ClientAuth{}.WithAudience("x") },
		"empty secret":         func(c *oidcupstream.Config) { c.Auth = oidcupstream.ClientSecretBasic("") },
		"empty posted secret":  func(c *oidcupstream.Config) { c.Auth = oidcupstream.ClientSecretPost("") },
		"no signer":            func(c *oidcupstream.Config) { c.Auth = oidcupstream.PrivateKeyJWT(nil, "ES256", "") },
		"alg none":             func(c *oidcupstream.Config) { c.Auth = oidcupstream.PrivateKeyJWT(key, "none", "") },
		"alg of another key":   func(c *oidcupstream.Config) { c.Auth = oidcupstream.PrivateKeyJWT(key, "RS256", "") },
		"alg of another curve": func(c *oidcupstream.Config) { c.Auth = oidcupstream.PrivateKeyJWT(key, "ES512", "") },
		"redirect relative":    func(c *oidcupstream.Config) { c.RedirectURL = "/redirect" },
		"redirect fragment":    func(c *oidcupstream.Config) { c.RedirectURL += "#x" },
		"scope with a space":   func(c *oidcupstream.Config) { c.Scopes = []string{"a b"} },
		"empty scope":          func(c *oidcupstream.Config) { c.Scopes = []string{""} },
		"negative timeout":     func(c *oidcupstream.Config) { c.Timeout = -1 },
		"negative limit":       func(c *oidcupstream.Config) { c.MaxResponseBytes = -1 },
		"negative TTL":         func(c *oidcupstream.Config) { c.MetadataTTL = -1 },
		"state as an extra":    func(c *oidcupstream.Config) { c.ExtraAuthParams = url.Values{"state": {"x"}} },
		"unknown reuse":        func(c *oidcupstream.Config) { c.Reuse = 3 },
		"unknown offline":      func(c *oidcupstream.Config) { c.Offline = 200 },
		"audience named scope": func(c *oidcupstream.Config) { c.Audience.Name = "scope" },
		"audience named token": func(c *oidcupstream.Config) { c.Audience.Name = "refresh_token" },
	} {
		cfg := validConfig()
		change(&cfg)
		p, err := oidcupstream.New(cfg)
		require.ErrorIs(t, err, oidcupstream.ErrConfig, name)
		require.Nil(t, p)
		require.True(t, strings.HasPrefix(err.Error(), "oidcupstream: "), err.Error())
		require.NotContains(t, err.Error(), "planted-secret")
	}
}

func TestOutcome(t *testing.T) {
	require.Equal(t, "unknown outcome", oidcupstream.Unknown.String())
	require.Equal(t, "refused", oidcupstream.Refused.String())
	require.Equal(t, "not sent", oidcupstream.NotSent.String())
	require.Equal(t, "Outcome(9)", oidcupstream.Outcome(9).String())
	require.Equal(t, oidcupstream.Unknown, oidcupstream.OutcomeOf(errors.New("foreign")))
	require.Equal(t, oidcupstream.Unknown, new(oidcupstream.Error).Outcome, "the zero value promises nothing")
	wrapped := fmt.Errorf("wrapped: %w", &oidcupstream.Error{Outcome: oidcupstream.Refused, Code: "invalid_grant"})
	require.Equal(t, oidcupstream.Refused, oidcupstream.OutcomeOf(wrapped))
	require.Empty(t, upstreamError(t, wrapped).RefreshToken())
}
