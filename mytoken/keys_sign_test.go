package mytoken

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction"
)

// A token that its verifiers would refuse is not issued.
func TestSignRefuses(t *testing.T) {
	key := testKey(t, ES256)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	change := func(f func(*Claims)) Claims {
		c := exampleClaims()
		f(&c)
		return c
	}
	for name, tt := range map[string]struct {
		c    Claims
		want error
	}{
		"empty":            {Claims{}, ErrTokenMalformed},
		"other issuer":     {change(func(c *Claims) { c.Issuer = "x" }), ErrTokenIssuer},
		"no subject":       {change(func(c *Claims) { c.OIDCSubject = "" }), ErrTokenMalformed},
		"not UTF-8":        {change(func(c *Claims) { c.Name = "\xff" }), ErrTokenMalformed},
		"empty clause":     {change(func(c *Claims) { c.Restrictions = restriction.List{{}} }), ErrTokenMalformed},
		"emptied list":     {change(func(c *Claims) { c.Restrictions[0].Scopes = []string{} }), ErrTokenMalformed},
		"endless lifetime": {change(func(c *Claims) { c.Rotation.Lifetime = 1 << 60 }), ErrTokenMalformed},
		"far future":       {change(func(c *Claims) { c.ExpiresAt = maxClaimTime + 1 }), ErrTokenMalformed},
		"too large":        {change(func(c *Claims) { c.Name = strings.Repeat("x", MaxTokenBytes) }), ErrTokenTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, tok, err := signAndDecode(v, tt.c)
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, tok)
		})
	}
	_, err := testKeys(t, nil, key.Public()).Sign(exampleClaims())
	require.ErrorIs(t, err, ErrNoSigningKey)
	_, err = (*Keys)(nil).Sign(exampleClaims())
	require.ErrorIs(t, err, ErrNoSigningKey)
}
