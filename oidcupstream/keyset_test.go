package oidcupstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
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
