package rest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
)

// A redirect URL at which no handler takes users back is found at the start, and not by the
// first user. The error says what to register instead.
func TestRedirectURLIsChecked(t *testing.T) {
	const own, prefixed, loopback = "https://mytoken.example.org", "https://portal.example.org/tokens", "http://127.0.0.1:8000"
	for _, c := range []struct{ issuer, redirect, want string }{
		{own, own + "/redirect", ""},
		{own, own + "/redirect/op", ""},
		{own, "https://MyToken.example.org:443/redirect/op", ""},
		{own, own + "/redirect/op?a=b", ""},
		{own + "/", own + "/redirect/op", ""},
		{own + ":443", own + "/redirect/op", ""},
		{prefixed, prefixed + "/redirect/op", ""},
		{loopback, loopback + "/redirect", ""},

		{own, "", "has no RedirectURL"},
		{own, "https://portal.example.org/redirect/op", "is not on https://mytoken.example.org"},
		{own, "http://mytoken.example.org/redirect/op", "is not on"},
		{own, own + ":8443/redirect/op", "is not on"},
		{loopback, "http://127.0.0.1:8001/redirect", "is not on"},
		{own, own, "has a path at which"},
		{own, own + "/callback", "has a path at which"},
		{own, own + "/redirect/", "has a path at which"},
		{own, own + "/redirect/a/b", "has a path at which"},
		{own, own + "/redirect//op", "has a path at which"},
		{own, own + "/a/../redirect", "has a path at which"},
		{own, own + "/Redirect/op", "has a path at which"},
		{own, own + "/c/redirect", "has a path at which"},
		{prefixed, "https://portal.example.org/redirect/op", "has a path at which"},
	} {
		service, err := mytokentest.Start(mytokentest.Options{
			Upstream: func(u *oidcupstream.Config) { u.RedirectURL, u.ShortName = c.redirect, "op" },
			Config:   func(i *issuer.Config) { i.Issuer = c.issuer },
		})
		require.NoError(t, err, c)
		_, err = rest.NewHandler(service.Issuer, rest.Options{})
		if c.want == "" {
			require.NoError(t, err, c)
		} else {
			require.ErrorIs(t, err, rest.ErrOptions, c)
			require.ErrorContains(t, err, c.want, c)
			require.ErrorContains(t, err, c.redirect, c)
			require.ErrorContains(t, err, service.Provider.Issuer(), c)
			require.ErrorContains(t, err, "set it to "+c.issuer+"/redirect/op, and register exactly that", c)
			_, err = rest.NewHandler(service.Issuer, rest.Options{SkipRedirectCheck: true})
			require.NoError(t, err, c)
		}
		require.NoError(t, service.Close())
	}
}

// An issuer URL whose path no handler can have is an error, and not a panic.
func TestIssuerPathIsChecked(t *testing.T) {
	for path, want := range map[string]string{
		"": "", "/": "", "/tokens": "", "/tokens/": "", "/a+b;c=$1": "",
		"/a%20b": "without escapes", "/a%2Fb": "without escapes", "/%61": "without escapes", "/{a}": "without escapes", "/\u00e9": "without escapes", `/a\b`: "without escapes",
	} {
		service, err := mytokentest.Start(mytokentest.Options{URL: mytokentest.IssuerURL + path})
		require.NoError(t, err, path)
		_, err = rest.NewHandler(service.Issuer, rest.Options{})
		if want == "" {
			require.NoError(t, err, path)
		} else {
			require.ErrorIs(t, err, rest.ErrOptions, path)
			require.ErrorContains(t, err, want, path)
		}
		require.NoError(t, service.Close())
	}
}
