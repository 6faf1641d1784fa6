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

	"github.com/mytoken-go/sdk/restriction"
)

// bareCheck returns the check of the token's signature with the standard library
// alone, on the digest of the signing input, both prepared beforehand: the floor of every
// verification.
func bareCheck(b *testing.B, k *Key, compact string) func() bool {
	b.Helper()
	i := strings.LastIndexByte(compact, '.')
	sig, err := base64.RawURLEncoding.DecodeString(compact[i+1:])
	if err != nil {
		b.Fatal(err)
	}
	switch pub := k.Public().Key().(type) {
	case ed25519.PublicKey:
		signed := []byte(compact[:i])
		return func() bool { return ed25519.Verify(pub, signed, sig) }
	case *ecdsa.PublicKey:
		h := map[Algorithm]crypto.Hash{ES256: crypto.SHA256, ES384: crypto.SHA384, ES512: crypto.SHA512}[k.Algorithm()].New()
		h.Write([]byte(compact[:i]))
		digest := h.Sum(nil)
		r, s := new(big.Int).SetBytes(sig[:len(sig)/2]), new(big.Int).SetBytes(sig[len(sig)/2:])
		return func() bool { return ecdsa.Verify(pub, digest, r, s) }
	}
	b.Fatalf("no floor for %s", k.Algorithm())
	return nil
}

// reportRatio reports how often the floor fits into one operation of the benchmark that has
// just run. The floor is timed in slices between slices of the operation, so that both
// see the same machine.
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
	slices.Sort(ratios) // the median is not moved by a slice that was interrupted
	b.ReportMetric(ratios[rounds/2], unit)
}

// BenchmarkVerify is a token that was not seen before: parsing, the signature, typed
// decoding and compiling the restrictions. x-bare is its cost in bare signature checks.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []Algorithm{ES256, ES512, EdDSA} {
		b.Run(string(alg), func(b *testing.B) {
			key, err := GenerateKey(alg)
			if err != nil {
				b.Fatal(err)
			}
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

// BenchmarkVerifyRepeat is a token that is presented again. x-sha256 is its cost in bare
// SHA-256 sums of the string.
func BenchmarkVerifyRepeat(b *testing.B) {
	key, err := GenerateKey(ES512)
	if err != nil {
		b.Fatal(err)
	}
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
	if sum == [sha256.Size]byte{} {
		b.Fatal("no sum")
	}
}

// BenchmarkVerifyClauses shows that a longer list of clauses costs a verification what
// decoding the list costs. x-decode is the cost of the verification in what its two parts
// cost apart: verifying a token with one clause, and decoding the list into clauses ready
// to be evaluated. What is above 1 is base64 and the hash of the longer string.
func BenchmarkVerifyClauses(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			key, err := GenerateKey(ES256)
			if err != nil {
				b.Fatal(err)
			}
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
			if err != nil {
				b.Fatal(err)
			}
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
