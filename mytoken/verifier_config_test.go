package mytoken

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

func TestVerifierConfigRefused(t *testing.T) {
	keys := testKeys(t, testKey(t, EdDSA))
	for name, cfg := range map[string]VerifierConfig{
		"nothing":        {},
		"no keys":        {Issuer: testIssuer},
		"no issuer":      {Keys: keys},
		"both":           {Issuer: testIssuer, Keys: keys, JWKSURL: "https://mytoken.example.org/jwks"},
		"relative URL":   {Issuer: testIssuer, JWKSURL: "/jwks"},
		"no host":        {Issuer: testIssuer, JWKSURL: "https:///jwks"},
		"file":           {Issuer: testIssuer, JWKSURL: "file://localhost/etc/jwks"},
		"not a URL":      {Issuer: testIssuer, JWKSURL: "https://%zz"},
		"issuer, a name": {Issuer: "mytoken.example.org", Keys: keys},
		"issuer, a line": {Issuer: testIssuer + "\n", Keys: keys},
		"space in path":  {Issuer: testIssuer, JWKSURL: "https://mytoken.example.org/ jwks"},
		"user":           {Issuer: testIssuer, JWKSURL: "https://alice@mytoken.example.org/jwks"},
		"plain http":     {Issuer: testIssuer, JWKSURL: "http://mytoken.example.org/jwks"},
		"http, nearly":   {Issuer: testIssuer, JWKSURL: "http://localhost.example.org/jwks"},
		"http, a name":   {Issuer: testIssuer, JWKSURL: "http://localhost:8000/jwks"}, // the name may lead elsewhere
		"huge leeway":    {Issuer: testIssuer, Keys: keys, Leeway: time.Hour},
		"negative age":   {Issuer: testIssuer, JWKSURL: "https://a.example.org", KeysMaxAge: -1},
		"tiny age":       {Issuer: testIssuer, JWKSURL: "https://a.example.org", KeysMaxAge: time.Second},
		"stale first":    {Issuer: testIssuer, JWKSURL: "https://a.example.org", KeysMaxAge: time.Hour, KeysMaxStale: time.Minute},
		"bad conditions": {Issuer: testIssuer, Keys: keys, Restrictions: restriction.Options{Conditions: map[string]restriction.Factory{"exp": nil}}},
		"bad country":    {Issuer: testIssuer, Keys: keys, Restrictions: restriction.Options{PrivateCountry: "Germany"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := NewVerifier(cfg)
			require.ErrorIs(t, err, ErrVerifierConfig)
			require.Nil(t, v)
		})
	}
	for _, url := range []string{"http://127.0.0.1/jwks", "http://[::1]:80/jwks"} {
		newVerifier(t, VerifierConfig{JWKSURL: url})
	}
	newVerifier(t, VerifierConfig{JWKSURL: "http://mytoken.example.org/jwks", InsecureHTTP: true})
}

// A verifier that was not made by NewVerifier accepts nothing.
func TestZeroVerifier(t *testing.T) {
	var none *Verifier
	for _, v := range []*Verifier{none, {}} {
		_, err := v.Verify(t.Context(), "x")
		require.ErrorIs(t, err, ErrVerifierConfig)
		require.ErrorIs(t, v.Check(t.Context(), &Token{}, Use{}), ErrVerifierConfig)
	}
	v := newVerifier(t, VerifierConfig{Keys: &Keys{}})
	_, err := v.Verify(t.Context(), signClaims(t, testKey(t, EdDSA), exampleClaims()))
	require.ErrorIs(t, err, ErrTokenKey, "without keys no token is accepted")
}

// Without a cache each verification checks the signature again.
func TestVerifierWithoutCache(t *testing.T) {
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key), CacheSize: -1})
	compact := signClaims(t, key, exampleClaims())
	first, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	second, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.NotSame(t, first, second)
	require.True(t, second.Allows(capability.AT))
}
