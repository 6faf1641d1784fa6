package mytoken

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGenerateKey(t *testing.T) {
	require.Equal(t, ES384, testKey(t, "").Algorithm(), "the default")
	for _, alg := range []Algorithm{ES256, ES384, ES512, EdDSA, RS256, PS256} {
		k := testKey(t, alg)
		require.Equal(t, alg, k.Algorithm())
		require.Len(t, k.ID(), 43, "a thumbprint with SHA-256")
		text, err := k.RevealPEM()
		require.NoError(t, err)
		again, err := ParseKeyPEM(text, alg)
		require.NoError(t, err)
		require.Equal(t, k.ID(), again.ID())
		require.Equal(t, k.Public().Key(), again.Public().Key())
	}
	for _, alg := range []Algorithm{"none", "HS256", "es512", "ES512 "} {
		_, err := GenerateKey(alg)
		require.ErrorIs(t, err, ErrTokenAlgorithm)
	}
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParseKeyPEM(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	ecText := pemText("EC PRIVATE KEY", sec1)
	params := pemText("EC PARAMETERS", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22})
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	rsText := pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs))

	for text, alg := range map[string]Algorithm{
		ecText:                 "",
		params + ecText:        "",
		"\n" + ecText + "\n\n": ES384,
		rsText:                 "PS384",
	} {
		k, err := ParseKeyPEM([]byte(text), alg)
		require.NoError(t, err)
		if alg == "" {
			alg = ES384
		}
		require.Equal(t, alg, k.Algorithm())
	}

	x, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	xDER, err := x509.MarshalPKCS8PrivateKey(x)
	require.NoError(t, err)
	pubDER, err := x509.MarshalPKIXPublicKey(ec.Public())
	require.NoError(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		text string
		alg  Algorithm
	}{
		"nothing":               {"", ""},
		"no PEM":                {"hello", ""},
		"text behind":           {ecText + "hello", ""},
		"two keys":              {ecText + ecText, ""},
		"public key":            {pemText("PUBLIC KEY", pubDER), ""},
		"only parameters":       {params, ""},
		"broken":                {pemText("EC PRIVATE KEY", sec1[5:]), ""},
		"mislabelled":           {pemText("PRIVATE KEY", sec1), ""},
		"X25519":                {pemText("PRIVATE KEY", xDER), ""},
		"encrypted":             {pemText("ENCRYPTED PRIVATE KEY", []byte{1}), ""},
		"encrypted, old":        {"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n", ""},
		"curve mismatch":        {ecText, ES512},
		"RSA without algorithm": {rsText, ""},
		"weak RSA":              {pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(weak)), RS256},
		"too large":             {ecText + strings.Repeat("\n", maxPEMBytes), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKeyPEM([]byte(tt.text), tt.alg)
			require.ErrorIs(t, err, ErrKey)
		})
	}
}

// remoteSigner stands for a key service, which does not give its key away.
type remoteSigner struct{ inner crypto.Signer }

func (r remoteSigner) Public() crypto.PublicKey { return r.inner.Public() }
func (r remoteSigner) Sign(rnd io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.inner.Sign(rnd, digest, opts)
}

// proves P9: a key prints as its algorithm and id. Only RevealPEM shows the key.
func TestKeyShowsNothing(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	k, err := NewKey(ec, "")
	require.NoError(t, err)
	secret, err := ec.Bytes()
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{k, struct{ K *Key }{k}, struct{ k *Key }{k}} {
			shown := fmt.Sprintf(verb, v)
			require.NotContains(t, shown, fmt.Sprintf("%x", secret))
			require.NotContains(t, shown, fmt.Sprint(secret))
		}
	}
	require.Equal(t, "mytoken.Key(ES256 "+k.ID()+")", fmt.Sprint(k))
	require.Equal(t, `"mytoken.Key(ES256 `+k.ID()+`)"`, jsonText(t, k))
	remote, err := NewKey(remoteSigner{ec}, "")
	require.NoError(t, err)
	require.Equal(t, k.ID(), remote.ID())
	_, err = remote.RevealPEM()
	require.ErrorIs(t, err, ErrKey)
}

// Keys that this package did not make are refused without a panic.
func TestKeysBadInput(t *testing.T) {
	_, err := NewKey(nil, "")
	require.ErrorIs(t, err, ErrKey)
	_, err = NewKey((*ecdsa.PrivateKey)(nil), ES256)
	require.ErrorIs(t, err, ErrKey)
	_, err = NewPublicKey(nil, "")
	require.ErrorIs(t, err, ErrKey)
	_, err = NewPublicKey(&rsa.PublicKey{}, RS256)
	require.ErrorIs(t, err, ErrKey)

	var noKey *Key
	for _, k := range []*Key{noKey, {}} {
		require.Equal(t, "", k.ID())
		require.Equal(t, Algorithm(""), k.Algorithm())
		require.Equal(t, "mytoken.Key(none)", k.String())
		_, err := k.RevealPEM()
		require.ErrorIs(t, err, ErrKey)
	}
	for _, k := range []*PublicKey{nil, {}} {
		require.Equal(t, "", k.ID())
		require.Nil(t, k.Key())
		_, err := NewKeys(nil, k)
		require.ErrorIs(t, err, ErrKeySet)
	}
	_, err = NewKeys(&Key{})
	require.ErrorIs(t, err, ErrKey)

	good := testKey(t, EdDSA)
	keys := testKeys(t, good)
	require.ErrorIs(t, keys.Activate(nil), ErrKey)
	require.ErrorIs(t, keys.Activate(&Key{}), ErrKey)
	require.ErrorIs(t, keys.Add(nil), ErrKeySet)
	require.ErrorIs(t, keys.Replace(&Key{}), ErrKey)
	require.ErrorIs(t, keys.Replace(good, good.Public()), ErrKeySet, "the id stands there twice")
	require.ErrorIs(t, keys.Withdraw(good.ID()), ErrActiveKey)
	require.NoError(t, keys.Withdraw("unknown"))
	require.Equal(t, []string{good.ID()}, keys.IDs(), "nothing changed")

	var none *Keys
	for _, k := range []*Keys{none, {}} {
		require.Equal(t, `{"keys":[]}`, string(k.JWKS()))
		require.Empty(t, k.IDs())
		require.Equal(t, "", k.ActiveID())
	}
}

func TestKeysRotation(t *testing.T) {
	first, second := testKey(t, ES256), testKey(t, EdDSA)
	keys := testKeys(t, first)
	require.NoError(t, keys.Add(second.Public()))
	require.NoError(t, keys.Add(second.Public()), "again")
	require.Equal(t, []string{first.ID(), second.ID()}, keys.IDs())
	require.Equal(t, first.ID(), keys.ActiveID())

	require.NoError(t, keys.Activate(second))
	require.NoError(t, keys.Activate(second), "again")
	require.Equal(t, []string{second.ID(), first.ID()}, keys.IDs())
	require.Equal(t, second.ID(), keys.ActiveID())

	published, err := ParseJWKS(keys.JWKS())
	require.NoError(t, err)
	require.Equal(t, keys.IDs(), published.IDs())
	require.Equal(t, "", published.ActiveID(), "public keys only")

	require.NoError(t, keys.Withdraw(first.ID()))
	require.Equal(t, []string{second.ID()}, keys.IDs())
	require.NoError(t, keys.Replace(first))
	require.Equal(t, []string{first.ID()}, keys.IDs())

	text := keys.JWKS()
	text[0] = 'x'
	require.True(t, json.Valid(keys.JWKS()), "JWKS returns a copy")
}

func TestKeysLimit(t *testing.T) {
	keys := testKeys(t, testKey(t, EdDSA))
	for len(keys.IDs()) < 32 {
		require.NoError(t, keys.Add(testKey(t, EdDSA).Public()))
	}
	require.ErrorIs(t, keys.Add(testKey(t, EdDSA).Public()), ErrKeySet)
	require.Len(t, keys.IDs(), 32)
	_, err := ParseJWKS(bytes.Repeat([]byte(" "), 256<<10+1))
	require.ErrorIs(t, err, ErrTokenTooLarge)
}

// While keys change, a reader sees either the old keys or the new ones.
func TestKeysConcurrent(t *testing.T) {
	a, b := testKey(t, EdDSA), testKey(t, EdDSA)
	keys := testKeys(t, a, b.Public())
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s := keys.load()
				if s.active == nil || s.ring.Keys()[0].ID() != s.active.ID() || len(s.ring.Keys()) != 2 {
					t.Error("the keys are a mixture of old and new ones")
					return
				}
			}
		})
	}
	for _, k := range []*Key{a, b} {
		writers.Go(func() {
			for range 200 {
				if err := keys.Activate(k); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	require.ElementsMatch(t, []string{a.ID(), b.ID()}, keys.IDs())
}
