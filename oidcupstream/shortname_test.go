package oidcupstream_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/oidcupstream"
)

func TestDefaultShortName(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://accounts.example.org/realms/x":             "accounts.example.org-realms-x",
		"https://Accounts.Example.org/":                     "accounts.example.org",
		"http://127.0.0.1:8080":                             "127.0.0.1-8080",
		"https://op.example.org/~a%20b/_":                   "op.example.org-a-b",
		"http://[::1]:80":                                   "1-80",
		"https://[::]":                                      "provider",
		"https://" + strings.Repeat("a", 63) + "-b.example": strings.Repeat("a", 63),
		"":         "provider",
		"https://": "https",
	} {
		require.Equal(t, want, oidcupstream.DefaultShortName(issuer), issuer)
	}
}

// Every default name may be configured, and survives a path unchanged.
func TestDefaultShortNameIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := validConfig()
		cfg.ShortName = oidcupstream.DefaultShortName(rapid.String().Draw(t, "issuer"))
		p, err := oidcupstream.New(cfg)
		require.NoError(t, err)
		require.Equal(t, cfg.ShortName, p.ShortName())
		require.NotEmpty(t, p.ShortName())
	})
}

func TestShortName(t *testing.T) {
	p, err := oidcupstream.New(validConfig())
	require.NoError(t, err)
	require.Equal(t, "op.example.org", p.ShortName())
	for _, bad := range []string{"A", "a/b", "a b", "..", ".a", "a.", "-", "ä", "a%62", "{a}", strings.Repeat("a", 65)} {
		cfg := validConfig()
		cfg.ShortName = bad
		_, err := oidcupstream.New(cfg)
		require.ErrorIs(t, err, oidcupstream.ErrConfig, bad)
		require.ErrorContains(t, err, "ShortName")
	}
}

func TestRedirectPath(t *testing.T) {
	for address, want := range map[string]string{
		"https://portal.example.org/tokens/redirect/x?a=b": "/tokens/redirect/x",
		"https://portal.example.org/a%2Fb%7Ec":             "/a/b~c",
		"https://portal.example.org":                       "/",
		"":                                                 "",
	} {
		cfg := validConfig()
		cfg.RedirectURL = address
		p, err := oidcupstream.New(cfg)
		require.NoError(t, err)
		require.Equal(t, want, p.RedirectPath(), address)
	}
}
