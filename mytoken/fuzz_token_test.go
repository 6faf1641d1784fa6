package mytoken

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// fixedKey is the same in every process of a fuzzing run.
func fixedKey(t testing.TB, alg Algorithm) *Key {
	t.Helper()
	seed := sha256.Sum256([]byte("a key for tests only"))
	if alg == EdDSA {
		k, err := NewKey(ed25519.NewKeyFromSeed(seed[:]), EdDSA)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	raw, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKey(raw, ES256)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// FuzzCompactToken: whatever the string, there is an answer and no panic. A string that
// is accepted is the only spelling of its token, and what an attacker wrote is never
// accepted.
func FuzzCompactToken(f *testing.F) {
	key := fixedKey(f, EdDSA)
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
		unverified, err := ParseUnverified(compact)
		if err == nil && strings.Trim(compact, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Fatalf("accepted %q", compact)
		}
		tok, verr := v.Verify(t.Context(), compact)
		var invalid *InvalidTokenError
		if verr != nil && !errors.As(verr, &invalid) {
			t.Fatalf("an error without type: %v", verr)
		}
		if verr == nil {
			if err != nil {
				t.Fatalf("verified what does not parse: %v", err)
			}
			if compact != good {
				t.Fatalf("accepted another spelling: %q", compact)
			}
			if !reflect.DeepEqual(unverified.claims, tok.claims) {
				t.Fatal("two readings of one token")
			}
		}
	})
}

// FuzzTokenClaims: claims that are read are a fixed point of encoding.
func FuzzTokenClaims(f *testing.F) {
	payload, err := new(claims).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(payload))
	c := exampleClaims().payload()
	if payload, err = c.encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(string(payload))
	f.Add(payloadWith(map[string]string{"restrictions": `[{"x":{"y" : 1}},{"ip":["192.0.2.1"]}]`, "rotation": `{"lifetime":5}`}))
	f.Add(payloadWith(map[string]string{"": `"x":[[[[{}]]]]`}))
	f.Fuzz(func(t *testing.T, payload string) {
		var first, second claims
		if first.decode([]byte(payload)) != nil {
			return
		}
		text, err := first.encode()
		if err != nil {
			t.Fatalf("read and not written: %v", err)
		}
		if err := second.decode(text); err != nil {
			t.Fatalf("written and not read: %v\n%s", err, text)
		}
		again, err := second.encode()
		if err != nil || string(again) != string(text) {
			t.Fatalf("no fixed point: %v\n%s\n%s", err, text, again)
		}
		if first.ExpiresAt != second.ExpiresAt || len(first.Restrictions) != len(second.Restrictions) || !first.Restrictions.Equal(second.Restrictions) {
			t.Fatalf("%+v became %+v", first, second)
		}
	})
}
