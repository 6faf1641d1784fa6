package mytoken

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction"
)

// bareCheck returns a function that checks the token's signature with the standard
// library alone. Everything else is prepared beforehand, so this is the floor of every
// verification.
func bareCheck(b *testing.B, k *Key, compact string) func() bool {
	b.Helper()
	i := strings.LastIndexByte(compact, '.')
	sig, err := base64.RawURLEncoding.DecodeString(compact[i+1:])
	require.NoError(b, err)
	switch pub := k.Public().Key().(type) {
	case ed25519.PublicKey:
		signed := []byte(compact[:i])
		return func() bool { return ed25519.Verify(pub, signed, sig) }
	case *ecdsa.PublicKey:
		digest := digestOf(k.Algorithm(), []byte(compact[:i]))
		r, s := new(big.Int).SetBytes(sig[:len(sig)/2]), new(big.Int).SetBytes(sig[len(sig)/2:])
		return func() bool { return ecdsa.Verify(pub, digest, r, s) }
	}
	require.FailNow(b, "no floor for this algorithm", k.Algorithm())
	return nil
}

// digestOf returns the hash that an ECDSA algorithm signs.
func digestOf(alg Algorithm, text []byte) []byte {
	h := map[Algorithm]crypto.Hash{ES256: crypto.SHA256, ES384: crypto.SHA384, ES512: crypto.SHA512}[alg].New()
	h.Write(text)
	return h.Sum(nil)
}

// reportRatio reports how often the floor fits into one operation of the benchmark that
// has just run. It times slices of the operation and of the floor in turn, so that both
// see the same load.
func reportRatio(b *testing.B, unit string, op, floor func()) {
	b.Helper()
	const rounds = 20
	slice := func(f func(), n int) time.Duration {
		start := time.Now()
		for range n {
			f()
		}
		return time.Since(start)
	}
	count := func(f func()) int { // per slice of about 5 ms
		n := 1
		for slice(f, n) < 5*time.Millisecond {
			n *= 2
		}
		return n
	}
	nOp, nFloor := count(op), count(floor)
	var ratios []float64
	for range rounds {
		opTime := float64(slice(op, nOp)) / float64(nOp)
		floorTime := float64(slice(floor, nFloor)) / float64(nFloor)
		ratios = append(ratios, opTime/floorTime)
	}
	slices.Sort(ratios) // an interrupted slice does not move the median
	b.ReportMetric(ratios[rounds/2], unit)
}

// BenchmarkVerify verifies a token that was not seen before: it parses, checks the
// signature, decodes the claims and compiles the restrictions. x-bare is the cost in bare
// signature checks.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []Algorithm{ES256, ES384, ES512, EdDSA} {
		b.Run(string(alg), func(b *testing.B) {
			key := testKey(b, alg)
			v := newVerifier(b, VerifierConfig{Keys: testKeys(b, key), CacheSize: -1})
			compact := signClaims(b, key, exampleClaims())
			bare := bareCheck(b, key, compact)
			verify := func() {
				if _, err := v.Verify(context.Background(), compact); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				verify()
			}
			reportRatio(b, "x-bare", verify, func() {
				if !bare() {
					b.Fatal("the floor refuses")
				}
			})
		})
	}
}

// BenchmarkVerifyRepeat verifies a token that was presented before. x-sha256 is the cost
// in SHA-256 sums of the string.
func BenchmarkVerifyRepeat(b *testing.B) {
	key := testKey(b, "")
	v := newVerifier(b, VerifierConfig{Keys: testKeys(b, key)})
	compact := signClaims(b, key, exampleClaims())
	ctx := b.Context()
	verify := func() {
		if _, err := v.Verify(ctx, compact); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		verify()
	}
	text := []byte(compact)
	var sum [sha256.Size]byte
	reportRatio(b, "x-sha256", verify, func() { sum = sha256.Sum256(text) })
	require.NotZero(b, sum)
}

// BenchmarkVerifyClauses shows that a longer list of clauses costs no more than decoding
// it. The floor is the sum of two parts: verifying a token with one clause, and decoding
// and compiling the list. x-decode is the cost of the verification in such sums. Whatever
// it has above 1 goes into base64 and the hash of the longer string.
func BenchmarkVerifyClauses(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			key := testKey(b, ES256)
			v := newVerifier(b, VerifierConfig{Keys: testKeys(b, key), CacheSize: -1})
			c := exampleClaims()
			c.Restrictions = nil
			for i := range n {
				c.Restrictions = append(c.Restrictions, restriction.Clause{
					NotBefore: issuedAt + int64(i), Expires: issuedAt + 1000 + int64(i),
					Scopes: []string{"openid", "profile"}, Hosts: []string{"192.0.2.0/24"}, UsagesAT: restriction.Usages(int64(i)),
				})
			}
			list, err := c.Restrictions.MarshalJSON()
			require.NoError(b, err)
			long, short := signClaims(b, key, c), signClaims(b, key, exampleClaims())
			verify := func(compact string) {
				if _, err := v.Verify(context.Background(), compact); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				verify(long)
			}
			perClause := float64(b.Elapsed().Nanoseconds()) / float64(b.N*n)
			reportRatio(b, "x-decode", func() { verify(long) }, func() {
				verify(short)
				parsed, err := restriction.Parse(list)
				if err == nil {
					_, err = restriction.Compile(parsed, restriction.Options{})
				}
				if err != nil {
					b.Fatal(err)
				}
			})
			b.ReportMetric(perClause, "ns/clause")
		})
	}
}
