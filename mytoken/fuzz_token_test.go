package mytoken

import (
	"crypto/ed25519"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fixedKey returns the same key in every process of a fuzzing run.
func fixedKey(t testing.TB) *Key {
	t.Helper()
	seed := sha256.Sum256([]byte("a key for tests only"))
	k, err := NewKey(ed25519.NewKeyFromSeed(seed[:]), EdDSA)
	require.NoError(t, err)
	return k
}

// FuzzCompactToken looks for a string that makes a verifier panic, for a second spelling
// of a good token, and for a forgery that is accepted.
func FuzzCompactToken(f *testing.F) {
	key := fixedKey(f)
	good := signClaims(f, key, exampleClaims())
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add(referenceFile(f, "token.txt"))
	f.Add(parts[0] + "." + base64URL("{}") + "." + parts[2])
	f.Add(base64URL(`{"alg":"none","typ":"MT+JWT"}`) + "." + parts[1] + ".AA")
	f.Add(base64URL(`{"alg":"EdDSA","typ":"MT+JWT","crit":["x"]}`) + "." + parts[1] + "." + parts[2])
	f.Add(good + "=")
	f.Add("..")
	v := newVerifier(f, VerifierConfig{Keys: testKeys(f, key)})
	f.Fuzz(func(t *testing.T, compact string) {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
		unverified, err := ParseUnverified(compact)
		if err == nil {
			require.Empty(t, strings.Trim(compact, alphabet), "characters that no token has")
		}
		tok, verr := v.Verify(t.Context(), compact)
		if verr != nil {
			var invalid *InvalidTokenError
			require.ErrorAs(t, verr, &invalid)
			return
		}
		require.NoError(t, err, "ParseUnverified refuses what Verify accepts")
		require.Equal(t, good, compact, "a second spelling or a forgery")
		require.Equal(t, unverified.claims, tok.claims)
	})
}

// FuzzTokenClaims looks for claims that change when they are written and read again, and
// for issued tokens that are not what a verifier reads.
func FuzzTokenClaims(f *testing.F) {
	payload, err := new(claims).encode()
	require.NoError(f, err)
	f.Add(string(payload))
	c := exampleClaims().payload()
	payload, err = c.encode()
	require.NoError(f, err)
	f.Add(string(payload))
	f.Add(payloadWith(map[string]string{"restrictions": `[{"x":{"y" : 1}},{"ip":["192.0.2.1"]}]`, "rotation": `{"lifetime":5}`}))
	f.Add(payloadWith(map[string]string{"": `"x":[[[[{}]]]]`}))
	v := newVerifier(f, VerifierConfig{Keys: testKeys(f, fixedKey(f)), CacheSize: -1})
	f.Fuzz(func(t *testing.T, payload string) {
		var first, second claims
		if first.decode([]byte(payload)) != nil {
			return
		}
		text, err := first.encode()
		require.NoError(t, err, "claims that were read cannot be written")
		require.NoError(t, second.decode(text), "claims that were written cannot be read: %s", text)
		again, err := second.encode()
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
		require.Equal(t, first.ExpiresAt, second.ExpiresAt)
		require.True(t, first.Restrictions.Equal(second.Restrictions), "%+v became %+v", first, second)
		requireIssuable(t, v, first.Claims)
	})
}
