package mytoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// Verify accepts what Sign makes, and reads the claims back as they were given.
func TestSignMakesWhatVerifyAccepts(t *testing.T) {
	for _, alg := range []Algorithm{ES256, ES384, ES512, EdDSA, RS256, PS256} {
		keys := testKeys(t, testKey(t, alg))
		compact, err := keys.Sign(exampleClaims())
		require.NoError(t, err)
		tok, err := newVerifier(t, VerifierConfig{Keys: keys}).Verify(t.Context(), compact.Reveal())
		require.NoError(t, err)
		require.Equal(t, exampleClaims(), tok.Claims())
		require.Equal(t, keys.ActiveID(), tok.KeyID())
	}
}

// The public clients recognise tokens of some algorithms as JWTs: those whose signatures
// padded base64url reads without padding (protocol section 1.1). The default is one.
func TestPublicClientsRecogniseAlgorithms(t *testing.T) {
	raw, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	short, err := NewKey(raw, PS256)
	require.NoError(t, err)
	for key, want := range map[*Key]bool{
		testKey(t, ""): true, testKey(t, ES384): true, testKey(t, ES512): true, testKey(t, RS256): true,
		testKey(t, ES256): false, testKey(t, EdDSA): false, short: false,
	} {
		compact, err := testKeys(t, key).Sign(exampleClaims())
		require.NoError(t, err)
		parts := strings.Split(compact.Reveal(), ".")
		require.Len(t, parts, 3)
		_, err = base64.URLEncoding.DecodeString(parts[2])
		require.Equal(t, want, err == nil, "%s: %v", key, err)
	}
}

// Sign gives a token without identity a new one, and starts with generation 1. It leaves
// the caller's claims alone.
func TestSignFillsIn(t *testing.T) {
	keys := testKeys(t, testKey(t, EdDSA))
	v := newVerifier(t, VerifierConfig{Keys: keys})
	bare := exampleClaims()
	bare.JTI, bare.Seq = JTI{}, 0
	seen := map[JTI]bool{}
	for range 10 {
		compact, err := keys.Sign(bare)
		require.NoError(t, err)
		tok, err := v.Verify(t.Context(), compact.Reveal())
		require.NoError(t, err)
		require.EqualValues(t, 1, tok.Seq())
		require.Equal(t, byte('4'), tok.JTI().String()[14], "a random UUID")
		require.False(t, seen[tok.JTI()])
		seen[tok.JTI()] = true
	}
	require.True(t, bare.JTI.IsZero())
	require.Zero(t, bare.Seq)

	given := exampleClaims()
	given.Seq = 7
	compact, err := keys.Sign(given)
	require.NoError(t, err)
	tok, err := v.Verify(t.Context(), compact.Reveal())
	require.NoError(t, err)
	require.Equal(t, given.JTI, tok.JTI())
	require.EqualValues(t, 7, tok.Seq())
}

// Sign refuses claims that no verifier accepts.
func TestSignRefuses(t *testing.T) {
	keys := testKeys(t, testKey(t, ES256))
	manyClauses := restriction.List{{Scopes: []string{"a"}}}
	for len(manyClauses) <= restriction.MaxClauses {
		manyClauses = append(manyClauses, manyClauses[0])
	}
	manyRights := capability.Set{}
	for len(manyRights) <= capability.MaxCount {
		manyRights = append(manyRights, capability.AT)
	}
	for name, tt := range map[string]struct {
		change func(*Claims)
		want   error
	}{
		"empty":              {func(c *Claims) { *c = Claims{} }, ErrTokenMalformed},
		"no issuer":          {func(c *Claims) { c.Issuer = "" }, ErrTokenMalformed},
		"no subject":         {func(c *Claims) { c.OIDCSubject = "" }, ErrTokenMalformed},
		"no provider":        {func(c *Claims) { c.OIDCIssuer = "" }, ErrTokenMalformed},
		"not UTF-8":          {func(c *Claims) { c.Name = "\xff" }, ErrTokenMalformed},
		"generation":         {func(c *Claims) { c.Seq = 1<<62 + 1 }, ErrTokenMalformed},
		"no times":           {func(c *Claims) { c.IssuedAt, c.NotBefore = 0, 0 }, ErrTokenMalformed},
		"negative end":       {func(c *Claims) { c.ExpiresAt = -1 }, ErrTokenMalformed},
		"far future":         {func(c *Claims) { c.ExpiresAt = maxClaimTime + 1 }, ErrTokenMalformed},
		"nameless right":     {func(c *Claims) { c.Capabilities = capability.Set{""} }, ErrTokenMalformed},
		"endless lifetime":   {func(c *Claims) { c.Rotation.Lifetime = 1 << 60 }, ErrTokenMalformed},
		"empty clause":       {func(c *Claims) { c.Restrictions = restriction.List{{}} }, ErrTokenRestrictions},
		"emptied scopes":     {func(c *Claims) { c.Restrictions[0].Scopes = []string{} }, ErrTokenRestrictions},
		"emptied list":       {func(c *Claims) { c.Restrictions = restriction.List{} }, ErrTokenRestrictions},
		"unreadable clause":  {func(c *Claims) { c.Restrictions[0].Extra = []restriction.Extra{{Key: "x", Value: []byte("{")}} }, ErrTokenRestrictions},
		"too many rights":    {func(c *Claims) { c.Capabilities = manyRights }, ErrTokenTooLarge},
		"too many clauses":   {func(c *Claims) { c.Restrictions = manyClauses }, ErrTokenTooLarge},
		"too large a string": {func(c *Claims) { c.Name = strings.Repeat("x", MaxTokenBytes) }, ErrTokenTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			c := exampleClaims()
			tt.change(&c)
			compact, err := keys.Sign(c)
			require.ErrorIs(t, err, tt.want)
			require.True(t, compact.IsEmpty())
		})
	}
}

// Claims without times are the usual mistake, so the error says how to set them.
func TestSignWithoutTimes(t *testing.T) {
	keys := testKeys(t, testKey(t, ES256))
	for name, forget := range map[string]func(*Claims){
		"all":       func(c *Claims) { c.IssuedAt, c.NotBefore, c.ExpiresAt = 0, 0, 0 },
		"IssuedAt":  func(c *Claims) { c.IssuedAt = 0 },
		"NotBefore": func(c *Claims) { c.NotBefore = 0 },
	} {
		c := exampleClaims()
		forget(&c)
		_, err := keys.Sign(c)
		require.ErrorIs(t, err, ErrTokenMalformed, name)
		require.ErrorContains(t, err, "call Claims.SetTimes", name)
	}
}

// Sign does not ask whether the token is valid now, nor whose issuer it names.
func TestSignDoesNotJudge(t *testing.T) {
	keys := testKeys(t, testKey(t, EdDSA))
	v := newVerifier(t, VerifierConfig{Keys: keys})
	for name, tt := range map[string]struct {
		change func(*Claims)
		want   error
	}{
		"expired":       {func(c *Claims) { c.ExpiresAt = issuedAt - 1 }, ErrTokenExpired},
		"not yet valid": {func(c *Claims) { c.NotBefore = issuedAt + 1000 }, ErrTokenNotYetValid},
		"other issuer":  {func(c *Claims) { c.Issuer = "https://other.example.org" }, ErrTokenIssuer},
	} {
		c := exampleClaims()
		tt.change(&c)
		compact, err := keys.Sign(c)
		require.NoError(t, err, name)
		_, err = v.Verify(t.Context(), compact.Reveal())
		require.ErrorIs(t, err, tt.want, name)
	}
}

// failingSigner stands for a key service that is down.
type failingSigner struct{ crypto.Signer }

func (failingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("connection refused")
}

func TestSignWithoutSigningKey(t *testing.T) {
	for name, keys := range map[string]*Keys{
		"nil":         nil,
		"zero":        {},
		"checks only": testKeys(t, nil, testKey(t, EdDSA).Public()),
	} {
		compact, err := keys.Sign(exampleClaims())
		require.ErrorIs(t, err, ErrNoSigningKey, name)
		require.True(t, compact.IsEmpty(), name)
	}
	raw, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	broken, err := NewKey(failingSigner{raw}, "")
	require.NoError(t, err)
	compact, err := testKeys(t, broken).Sign(exampleClaims())
	require.ErrorIs(t, err, ErrSigning)
	require.True(t, compact.IsEmpty())
}
