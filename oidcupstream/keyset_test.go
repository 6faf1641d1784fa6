package oidcupstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// foreignKey is a key that signs nothing here.
func foreignKey(t *testing.T, curve elliptic.Curve, id string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return jose.JSONWebKey{Key: key.Public(), KeyID: id, Use: "sig"}
}

// crowded makes the provider publish foreign keys in front of its own, and write ID
// tokens with or without the id of the key.
func (b *bench) crowded(foreign []jose.JSONWebKey, named bool) {
	b.faults.set(func(at optest.FaultPoint) optest.Fault {
		switch {
		case at.Endpoint == optest.EndpointKeys:
			return optest.Fault{Edit: func(answer map[string]any) {
				answer["keys"] = append(foreign[:len(foreign):len(foreign)], answer["keys"].([]jose.JSONWebKey)...)
			}}
		case at.Endpoint == optest.EndpointExchange && !named:
			return optest.Fault{IDToken: func(header, _ map[string]any) { delete(header, "kid") }}
		}
		return optest.Fault{}
	})
}

// repeated returns a key n times, with different ids.
func repeated(key jose.JSONWebKey, n int) []jose.JSONWebKey {
	keys := make([]jose.JSONWebKey, n)
	for i := range keys {
		keys[i] = key
		keys[i].KeyID = fmt.Sprintf("foreign-%d", i)
	}
	return keys
}

// A provider's key set cannot make one callback check signatures for long. Without kid,
// Exchange tries four keys; with kid, the keys around it cost nothing.
func TestKeySetOfManyKeys(t *testing.T) {
	p256, p521 := foreignKey(t, elliptic.P256(), ""), foreignKey(t, elliptic.P521(), "")
	for name, test := range map[string]struct {
		foreign []jose.JSONWebKey
		named   bool
		ok      bool
	}{
		"the fourth that fits":           {repeated(p256, 3), false, true},
		"the fifth that fits":            {repeated(p256, 4), false, false},
		"800 of another algorithm":       {repeated(p521, 800), false, true},
		"800 and a kid":                  {repeated(p521, 800), true, true},
		"800 of its algorithm and a kid": {repeated(p256, 800), true, true},
		"1 MiB":                          {repeated(p521, 4000), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, optest.Options{})
			b.crowded(test.foreign, test.named)
			_, err := b.exchange()
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, oidcupstream.ErrIDToken)
			require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
		})
	}
}

// The answer of the userinfo endpoint goes through the same key set.
func TestKeySetOfSignedUserInfo(t *testing.T) {
	b := newBench(t, optest.Options{SignedUserInfo: true})
	tokens := b.login()
	fresh, err := oidcupstream.New(b.op.ClientConfig(redirectURL))
	require.NoError(t, err)
	b.crowded(repeated(foreignKey(t, elliptic.P521(), ""), 4000), true)
	_, err = fresh.UserInfo(t.Context(), tokens.AccessToken, tokens.Subject)
	require.ErrorIs(t, err, oidcupstream.ErrAnswer)
	b.faults.set(nil)
	_, err = b.p.UserInfo(t.Context(), tokens.AccessToken, tokens.Subject)
	require.NoError(t, err)
}

// countingKeys counts the requests for the provider's keys.
func (b *bench) countingKeys(keys, exchange optest.Fault) *atomic.Int32 {
	n := new(atomic.Int32)
	b.faults.set(func(at optest.FaultPoint) optest.Fault {
		switch at.Endpoint {
		case optest.EndpointKeys:
			n.Add(1)
			return keys
		case optest.EndpointExchange:
			return exchange
		}
		return optest.Fault{}
	})
	return n
}

// ID tokens with an unknown kid, or with a wrong signature, make this package fetch the
// keys at most once in ten seconds.
func TestUnknownKeysFetchedRarely(t *testing.T) {
	for name, edit := range map[string]optest.Fault{
		"unknown kid": {IDToken: func(header, _ map[string]any) { header["kid"] = "nobody's" }},
		"changed": {Edit: func(a map[string]any) {
			a["id_token"] = changeClaims(a["id_token"].(string), map[string]any{"sub": "admin"})
		}},
	} {
		b := newBench(t, optest.Options{})
		n := b.countingKeys(optest.Fault{}, edit)
		for range 20 {
			_, err := b.exchange()
			require.ErrorIs(t, err, oidcupstream.ErrIDToken, name)
		}
		require.EqualValues(t, 1, n.Load(), name)
		b.clock.Advance(keysPause)
		for range 20 {
			_, err := b.exchange()
			require.ErrorIs(t, err, oidcupstream.ErrIDToken, name)
		}
		require.EqualValues(t, 2, n.Load(), name)
	}
}

// A provider that gives a new key the id of an old one locks nobody out for longer than
// the pause between two fetches.
func TestNewKeyWithAnOldID(t *testing.T) {
	b := newBench(t, optest.Options{})
	b.faults.set(func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint != optest.EndpointKeys {
			return optest.Fault{}
		}
		return optest.Fault{Edit: func(answer map[string]any) {
			keys := answer["keys"].([]jose.JSONWebKey)
			answer["keys"] = []jose.JSONWebKey{foreignKey(t, elliptic.P256(), keys[0].KeyID)}
		}}
	})
	_, err := b.exchange() // fetches the old key
	require.ErrorIs(t, err, oidcupstream.ErrIDToken)
	b.faults.set(nil)
	_, err = b.exchange()
	require.ErrorIs(t, err, oidcupstream.ErrIDToken)
	b.clock.Advance(keysPause)
	b.login()
}

// New metadata keeps the keys. Old keys are used while the provider's keys cannot be
// fetched, for at most a day.
func TestKeysOutliveMetadata(t *testing.T) {
	b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) { c.MetadataTTL = time.Hour })
	b.login()
	fetched, err := b.p.Discover(t.Context())
	require.NoError(t, err)
	n := b.countingKeys(optest.Fault{FailBefore: 503}, optest.Fault{})
	b.clock.Advance(2 * time.Hour)
	require.Eventually(t, func() bool {
		m, err := b.p.Discover(t.Context())
		return err == nil && m.Fetched.After(fetched.Fetched)
	}, 2*time.Minute, time.Millisecond)
	b.login()
	require.Eventually(t, func() bool { return n.Load() > 0 }, 2*time.Minute, time.Millisecond)
	b.clock.Advance(24 * time.Hour)
	_, err = b.exchange()
	require.ErrorIs(t, err, oidcupstream.ErrIDToken)
	b.faults.set(nil)
	b.clock.Advance(keysPause)
	b.login()
}

// If ctx ends, Exchange does not wait for the keys. The fetch goes on for others.
func TestKeysNotWaitedFor(t *testing.T) {
	b := newBench(t, optest.Options{SignedUserInfo: true})
	tokens := b.login()
	fresh, err := oidcupstream.New(b.op.ClientConfig(redirectURL))
	require.NoError(t, err)
	asked, release := make(chan struct{}), make(chan struct{})
	n := b.countingKeys(optest.Fault{Wait: func(context.Context) {
		close(asked)
		<-release
	}}, optest.Fault{})
	impatient, leave := context.WithCancel(t.Context())
	result := make(chan error, 2)
	go func() {
		_, err := fresh.UserInfo(impatient, tokens.AccessToken, tokens.Subject)
		result <- err
	}()
	<-asked
	leave()
	require.ErrorIs(t, <-result, oidcupstream.ErrAnswer)
	go func() {
		_, err := fresh.UserInfo(t.Context(), tokens.AccessToken, tokens.Subject)
		result <- err
	}()
	close(release)
	require.NoError(t, <-result)
	require.EqualValues(t, 1, n.Load())
}

// Only algorithms that the metadata names are accepted, RS256 if it names none, and never
// none or HMAC.
func TestAlgorithmsOfMetadata(t *testing.T) {
	for name, test := range map[string]struct {
		named   any
		idToken func(answer map[string]any)
		ok      bool
	}{
		"named":      {[]string{"none", "HS256", "RS256", "ES256"}, nil, true},
		"not named":  {[]string{"RS256", "ES384"}, nil, false},
		"none named": {nil, nil, false},
		"HMAC":       {[]string{"none", "HS256"}, func(a map[string]any) { a["id_token"] = hmacSigned(a["id_token"].(string), optest.DefaultClientSecret) }, false},
		"no signature": {[]string{"none", "HS256"}, func(a map[string]any) {
			a["id_token"] = "eyJhbGciOiJub25lIn0." + strings.Split(a["id_token"].(string), ".")[1] + "."
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, optest.Options{})
			b.faults.set(func(at optest.FaultPoint) optest.Fault {
				switch at.Endpoint {
				case optest.EndpointDiscovery:
					return optest.Fault{Edit: func(answer map[string]any) { answer["id_token_signing_alg_values_supported"] = test.named }}
				case optest.EndpointExchange:
					return optest.Fault{Edit: test.idToken}
				}
				return optest.Fault{}
			})
			_, err := b.exchange()
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, oidcupstream.ErrIDToken)
		})
	}
}

// malformedKeys are members of the array "keys" as providers have published them. None is
// a key that can verify a signature here.
func malformedKeys() map[string]string {
	return map[string]string{
		"null":                `null`,
		"a string":            `"key"`,
		"a number":            `7`,
		"an array":            `[]`,
		"empty":               `{}`,
		"bad x5c":             `{"kty":"RSA","kid":"KID","use":"sig","n":"AQAB","e":"AQAB","x5c":["not base64!"]}`,
		"x5c not a list":      `{"kty":"RSA","kid":"KID","n":"AQAB","e":"AQAB","x5c":{"a":1}}`,
		"x5c of numbers":      `{"kty":"RSA","kid":"KID","x5c":[1,2]}`,
		"no n":                `{"kty":"RSA","kid":"KID","use":"sig","e":"AQAB"}`,
		"no e":                `{"kty":"RSA","kid":"KID","use":"sig","n":"AQAB"}`,
		"n a number":          `{"kty":"RSA","kid":"KID","n":7,"e":"AQAB"}`,
		"no kty":              `{"kid":"KID","use":"sig","alg":"ES256","crv":"P-256","x":"AA","y":"AA"}`,
		"kty null":            `{"kty":null,"kid":"KID"}`,
		"kty a number":        `{"kty":7,"kid":"KID"}`,
		"kty unknown":         `{"kty":"AKP","alg":"ML-DSA-44","kid":"KID","pub":"AA"}`,
		"no crv":              `{"kty":"EC","kid":"KID","x":"AA","y":"AA"}`,
		"crv unknown":         `{"kty":"EC","crv":"secp256k1","kid":"KID","x":"AA","y":"AA"}`,
		"padded":              `{"kty":"EC","crv":"P-256","kid":"KID","x":"AAAA==","y":"AAA="}`,
		"not base64":          `{"kty":"EC","crv":"P-256","kid":"KID","x":"!!","y":"??"}`,
		"not on the curve":    `{"kty":"EC","crv":"P-256","kid":"KID","x":"AQ","y":"AQ"}`,
		"no y":                `{"kty":"EC","crv":"P-256","kid":"KID","x":"AQ"}`,
		"kid a number":        `{"kty":"EC","crv":"P-256","kid":7,"x":"AQ","y":"AQ"}`,
		"alg a list":          `{"kty":"EC","crv":"P-256","kid":"KID","alg":["ES256"],"x":"AQ","y":"AQ"}`,
		"for encryption":      `{"kty":"RSA","kid":"KID","use":"enc","alg":"RSA-OAEP","n":"AQAB","e":"AQAB"}`,
		"key_ops a string":    `{"kty":"EC","crv":"P-256","kid":"KID","key_ops":"verify","x":"AQ","y":"AQ"}`,
		"symmetric":           `{"kty":"oct","kid":"KID","k":"AQAB"}`,
		"private":             `{"kty":"EC","crv":"P-256","kid":"KID","d":"AQ","x":"AQ","y":"AQ"}`,
		"member twice":        `{"kty":"RSA","kty":"EC","kid":"KID","kid":"KID"}`,
		"member twice, deep":  `{"kty":"EC","kid":"KID","ext":{"a":1,"a":2}}`,
		"half a character":    `{"kty":"EC","kid":"KID","name":"\ud800"}`,
		"huge":                `{"kty":"RSA","kid":"KID","n":"` + strings.Repeat("A", 100_000) + `","e":"AQAB"}`,
		"an exponent of ages": `{"kty":"RSA","kid":"KID","n":"AQAB","e":"` + strings.Repeat("A", 50_000) + `"}`,
		"deep":                `{"kty":"EC","kid":"KID","x5c":` + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000) + `}`,
	}
}

// One malformed key in the provider's set stops no login, wherever it stands, and even if
// it has the id of the right key.
func TestMalformedKeys(t *testing.T) {
	for name, text := range malformedKeys() {
		t.Run(name, func(t *testing.T) {
			for _, last := range []bool{false, true} {
				for _, named := range []bool{false, true} {
					b := newBench(t, optest.Options{})
					b.faults.set(func(at optest.FaultPoint) optest.Fault {
						switch {
						case at.Endpoint == optest.EndpointKeys:
							return optest.Fault{Edit: func(answer map[string]any) { answer["keys"] = beside(answer, text, last) }}
						case at.Endpoint == optest.EndpointExchange && !named:
							return optest.Fault{IDToken: func(header, _ map[string]any) { delete(header, "kid") }}
						}
						return optest.Fault{}
					})
					_, err := b.exchange()
					require.NoError(t, err)
				}
			}
		})
	}
}

// Some programs write null, or an empty value, for the members that a key does not have.
func TestKeyWithEmptyMembers(t *testing.T) {
	for _, empty := range []struct{ text, list any }{{nil, nil}, {"", []any{}}} {
		b := newBench(t, optest.Options{})
		b.faults.on(optest.EndpointKeys, optest.Fault{Edit: func(answer map[string]any) {
			text, err := answer["keys"].([]jose.JSONWebKey)[0].MarshalJSON()
			require.NoError(t, err)
			var key map[string]any
			require.NoError(t, json.Unmarshal(text, &key))
			for _, name := range []string{"use", "alg", "d", "p", "q", "dp", "dq", "qi", "k", "n", "e", "x5u"} {
				key[name] = empty.text
			}
			for _, name := range []string{"oth", "x5c", "key_ops"} {
				key[name] = empty.list
			}
			answer["keys"] = []any{key}
		}})
		b.login()
	}
}

// beside returns the provider's keys and the text of another one.
func beside(answer map[string]any, text string, last bool) []any {
	keys := answer["keys"].([]jose.JSONWebKey)
	list := []any{json.RawMessage(strings.ReplaceAll(text, "KID", keys[0].KeyID))}
	for _, key := range keys {
		list = append(list, key)
	}
	if last {
		slices.Reverse(list)
	}
	return list
}

// If no key of the set is of use, the error says so, and why.
func TestSetWithoutUsableKeys(t *testing.T) {
	all := malformedKeys()
	for name, test := range map[string]struct {
		keys any
		want string
	}{
		"empty":            {[]any{}, "the set has no key"},
		"null":             {[]any{nil}, "is not a JWK"},
		"for encryption":   {[]any{json.RawMessage(all["for encryption"])}, "not for signatures"},
		"private":          {[]any{json.RawMessage(all["private"])}, "is not a public key"},
		"member twice":     {[]any{json.RawMessage(all["member twice"])}, "is not a JWK"},
		"no kty":           {[]any{json.RawMessage(all["no kty"])}, "no kty"},
		"several":          {[]any{"x", 7, nil}, "3 keys"},
		"not on the curve": {[]any{json.RawMessage(all["not on the curve"])}, "none"},
		"an object":        {map[string]any{"kid": "x"}, "key set not accepted"},
		"a string":         {"keys", "key set not accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, optest.Options{})
			b.faults.on(optest.EndpointKeys, optest.Fault{Edit: func(answer map[string]any) { answer["keys"] = test.keys }})
			_, err := b.exchange()
			require.ErrorIs(t, err, oidcupstream.ErrIDToken)
			require.Contains(t, err.Error(), test.want)
		})
	}
}
