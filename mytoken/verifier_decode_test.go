package mytoken

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Decode accepts tokens that Verify refuses for their times alone. Check refuses them.
func TestDecodeIgnoresTimes(t *testing.T) {
	keys := testKeys(t, testKey(t, EdDSA))
	v := newVerifier(t, VerifierConfig{Keys: keys})
	for name, tt := range map[string]struct {
		change func(*Claims)
		want   error
	}{
		"expired":       {func(c *Claims) { c.ExpiresAt = issuedAt - 1 }, ErrTokenExpired},
		"not yet valid": {func(c *Claims) { c.NotBefore = issuedAt + 1000 }, ErrTokenNotYetValid},
		"from tomorrow": {func(c *Claims) { c.IssuedAt = issuedAt + 86400 }, ErrTokenNotYetValid},
	} {
		t.Run(name, func(t *testing.T) {
			c := exampleClaims()
			c.Restrictions = nil
			tt.change(&c)
			compact, err := keys.Sign(c)
			require.NoError(t, err)
			tok, err := v.Decode(t.Context(), compact.Reveal())
			require.NoError(t, err)
			require.Equal(t, c, tok.Claims())

			require.ErrorIs(t, v.Check(t.Context(), tok, uncounted), tt.want)
			verified, err := v.Verify(t.Context(), compact.Reveal())
			require.ErrorIs(t, err, tt.want, "also after Decode has put it into the cache")
			require.Nil(t, verified)
		})
	}
}

// Decode refuses everything else that Verify refuses, for the same reason.
func TestDecodeRefuses(t *testing.T) {
	key, stranger := testKey(t, EdDSA), testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	good := signClaims(t, key, exampleClaims())
	signed := func(name, value string) string {
		return signPayload(t, key, payloadWith(map[string]string{name: value}))
	}
	expired := fmt.Sprint(issuedAt - 1)
	for name, tt := range map[string]struct {
		compact string
		want    error
	}{
		"nothing":            {"", ErrTokenMalformed},
		"too large":          {strings.Repeat("x", MaxTokenBytes+1), ErrTokenTooLarge},
		"other type":         {base64URL(`{"alg":"EdDSA","typ":"JWT"}`) + good[strings.IndexByte(good, '.'):], ErrTokenType},
		"no algorithm":       {base64URL(`{"alg":"none","typ":"MT+JWT"}`) + good[strings.IndexByte(good, '.'):], ErrTokenAlgorithm},
		"key of its own":     {base64URL(`{"alg":"EdDSA","typ":"MT+JWT","jwk":{}}`) + good[strings.IndexByte(good, '.'):], ErrTokenHeader},
		"unknown key":        {signClaims(t, stranger, exampleClaims()), ErrTokenKey},
		"forged":             {good[:strings.LastIndexByte(good, '.')+1] + strings.Repeat("A", 86), ErrTokenSignature},
		"malformed claims":   {signed("seq_no", "0"), ErrTokenMalformed},
		"other version":      {signed("ver", `"0.8"`), ErrTokenVersion},
		"other token_type":   {signed("token_type", `"id_token"`), ErrTokenType},
		"other issuer":       {signed("iss", `"https://other.example.org"`), ErrTokenIssuer},
		"other audience":     {signed("aud", `"https://other.example.org"`), ErrTokenIssuer},
		"other subject":      {signed("oidc_sub", `"sub2"`), ErrTokenSubject},
		"other restrictions": {signed("restrictions", `[]`), ErrTokenRestrictions},
		"expired and forged": {signPayload(t, stranger, payloadWith(map[string]string{"exp": expired})), ErrTokenKey},
	} {
		t.Run(name, func(t *testing.T) {
			for _, read := range []func() (*Token, error){
				func() (*Token, error) { return v.Decode(t.Context(), tt.compact) },
				func() (*Token, error) { return v.Verify(t.Context(), tt.compact) },
			} {
				tok, err := read()
				require.ErrorIs(t, err, tt.want)
				require.Nil(t, tok)
				var invalid *InvalidTokenError
				require.ErrorAs(t, err, &invalid)
			}
		})
	}
	require.Empty(t, v.cache.entries)
	for _, none := range []*Verifier{nil, {}} {
		_, err := none.Decode(t.Context(), good)
		require.ErrorIs(t, err, ErrVerifierConfig)
	}
}
