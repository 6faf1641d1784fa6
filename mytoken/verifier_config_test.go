package mytoken

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

func TestVerifierConfigRefused(t *testing.T) {
	keys := tokKeys(t, tokKey(t, EdDSA))
	for name, cfg := range map[string]VerifierConfig{
		"nothing":        {},
		"no keys":        {Issuer: tokIssuer},
		"no issuer":      {Keys: keys},
		"both":           {Issuer: tokIssuer, Keys: keys, JWKSURL: "https://mytoken.example.org/jwks"},
		"relative URL":   {Issuer: tokIssuer, JWKSURL: "/jwks"},
		"no host":        {Issuer: tokIssuer, JWKSURL: "https:///jwks"},
		"file":           {Issuer: tokIssuer, JWKSURL: "file://localhost/etc/jwks"},
		"not a URL":      {Issuer: tokIssuer, JWKSURL: "https://%zz"},
		"plain http":     {Issuer: tokIssuer, JWKSURL: "http://mytoken.example.org/jwks"},
		"http, nearly":   {Issuer: tokIssuer, JWKSURL: "http://localhost.example.org/jwks"},
		"http, a name":   {Issuer: tokIssuer, JWKSURL: "http://localhost:8000/jwks"}, // it may lead elsewhere
		"huge leeway":    {Issuer: tokIssuer, Keys: keys, Leeway: time.Hour},
		"negative age":   {Issuer: tokIssuer, JWKSURL: "https://a.example.org", KeysMaxAge: -1},
		"tiny age":       {Issuer: tokIssuer, JWKSURL: "https://a.example.org", KeysMaxAge: time.Second},
		"stale first":    {Issuer: tokIssuer, JWKSURL: "https://a.example.org", KeysMaxAge: time.Hour, KeysMaxStale: time.Minute},
		"bad conditions": {Issuer: tokIssuer, Keys: keys, Restrictions: restriction.Options{Conditions: map[string]restriction.Factory{"exp": nil}}},
		"bad country":    {Issuer: tokIssuer, Keys: keys, Restrictions: restriction.Options{PrivateCountry: "Germany"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := NewVerifier(cfg)
			require.ErrorIs(t, err, ErrVerifierConfig)
			require.Nil(t, v)
		})
	}
	for _, url := range []string{"http://127.0.0.1/jwks", "http://[::1]:80/jwks"} {
		_, err := NewVerifier(VerifierConfig{Issuer: tokIssuer, JWKSURL: url})
		require.NoError(t, err)
	}
	_, err := NewVerifier(VerifierConfig{Issuer: tokIssuer, JWKSURL: "http://mytoken.example.org/jwks", InsecureHTTP: true})
	require.NoError(t, err)
}

// A verifier that was not made by NewVerifier accepts nothing.
func TestZeroVerifier(t *testing.T) {
	var none *Verifier
	for _, v := range []*Verifier{none, {}} {
		_, err := v.Verify(t.Context(), "x")
		require.ErrorIs(t, err, ErrVerifierConfig)
		require.ErrorIs(t, v.Check(t.Context(), &Token{}, Use{}), ErrVerifierConfig)
	}
	v, err := NewVerifier(VerifierConfig{Issuer: tokIssuer, Keys: &Keys{}, Clock: tokNow})
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), tokCompact(t, tokKey(t, EdDSA), tokClaims()))
	require.ErrorIs(t, err, ErrTokenKey, "no keys accept nothing")
}

// Without a cache everything works, at the price of a signature check each time.
func TestVerifierWithoutCache(t *testing.T) {
	key := tokKey(t, EdDSA)
	v, err := NewVerifier(VerifierConfig{Issuer: tokIssuer, Keys: tokKeys(t, key), Clock: tokNow, CacheSize: -1})
	require.NoError(t, err)
	compact := tokCompact(t, key, tokClaims())
	first, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	second, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.NotSame(t, first, second)
	require.True(t, second.Allows(capability.AT))
}
