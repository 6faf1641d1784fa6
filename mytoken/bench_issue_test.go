package mytoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bareSign returns a function that signs what a compact token signs, with the standard
// library alone and a prepared digest. It is the floor of every issue.
func bareSign(b *testing.B, k *Key, compact string) func() error {
	b.Helper()
	text := []byte(compact[:strings.LastIndexByte(compact, '.')])
	switch raw := k.raw.(type) {
	case ed25519.PrivateKey:
		return func() error { _, err := raw.Sign(nil, text, crypto.Hash(0)); return err }
	case *ecdsa.PrivateKey:
		digest := digestOf(k.Algorithm(), text)
		return func() error { _, err := ecdsa.SignASN1(rand.Reader, raw, digest); return err }
	}
	require.FailNow(b, "no floor for this algorithm", k.Algorithm())
	return nil
}

// BenchmarkIssue makes a token as an issuer makes a child: it encodes the claims, decodes
// them, compiles the restrictions, signs, and remembers the token. x-floor is the cost in
// bare signatures. A key elsewhere costs a check besides.
func BenchmarkIssue(b *testing.B) {
	for _, alg := range []Algorithm{ES256, ES384, ES512, EdDSA} {
		for _, where := range []string{"memory", "elsewhere"} {
			b.Run(string(alg)+"/"+where, func(b *testing.B) {
				key := testKey(b, alg)
				floor := bareSign(b, key, signClaims(b, key, exampleClaims()))
				if where == "elsewhere" {
					var err error
					key, err = NewKey(remoteSigner{key.raw}, alg)
					require.NoError(b, err)
				}
				v := newVerifier(b, VerifierConfig{Keys: testKeys(b, key)})
				claims := exampleClaims()
				claims.JTI = JTI{}
				issue := func() {
					if _, _, err := v.Issue(claims); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					issue()
				}
				reportRatio(b, "x-floor", issue, func() {
					if err := floor(); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}
