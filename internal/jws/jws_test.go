package jws

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testTyp = "MT+JWT"

var allAlgorithms = []Algorithm{ES256, ES384, ES512, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512}

// generate makes a private key for a.
func generate(t testing.TB, a Algorithm) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch a.family() {
	case familyECDSA:
		key, err = ecdsa.GenerateKey(a.Curve(), rand.Reader)
	case familyEdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case familyRSA:
		key, err = rsa.GenerateKey(rand.Reader, MinRSABits)
	}
	require.NoError(t, err)
	return key
}

func newTestSigner(t testing.TB, a Algorithm) *Signer {
	t.Helper()
	s, err := NewSigner(generate(t, a), a, "")
	require.NoError(t, err)
	return s
}

func ringOf(t testing.TB, keys ...*PublicKey) *Ring {
	t.Helper()
	r, err := NewRing(keys...)
	require.NoError(t, err)
	return r
}

// opaque hides the type of a private key, as a key service does.
type opaque struct{ inner crypto.Signer }

func (o opaque) Public() crypto.PublicKey { return o.inner.Public() }
func (o opaque) Sign(r io.Reader, d []byte, opts crypto.SignerOpts) ([]byte, error) {
	return o.inner.Sign(r, d, opts)
}

// Every algorithm signs and verifies, with a key of the standard library and with a
// foreign signer. One flipped bit is an error.
func TestSignVerify(t *testing.T) {
	for _, a := range allAlgorithms {
		t.Run(string(a), func(t *testing.T) {
			key := generate(t, a)
			for name, signer := range map[string]crypto.Signer{"standard": key, "foreign": opaque{key}} {
				s, err := NewSigner(signer, a, "")
				require.NoError(t, err, name)
				compact, err := s.Sign([]byte(`{"a":1}`), testTyp)
				require.NoError(t, err, name)

				m, err := Parse(compact, testTyp, 1<<20)
				require.NoError(t, err)
				require.Equal(t, Header{Algorithm: a, KeyID: s.Public().ID(), Type: testTyp}, m.Header)
				require.Equal(t, `{"a":1}`, string(m.Payload))
				ring := ringOf(t, s.Public())
				used, err := ring.Verify(m)
				require.NoError(t, err)
				require.Same(t, s.Public(), used)

				m.signature[len(m.signature)/3] ^= 1
				_, err = ring.Verify(m)
				require.ErrorIs(t, err, ErrSignature)
				m.signature[len(m.signature)/3] ^= 1
				m.signed[len(m.signed)-1] ^= 1
				_, err = ring.Verify(m)
				require.ErrorIs(t, err, ErrSignature)
			}
		})
	}
}

// A signature of another length never reaches the arithmetic.
func TestSignatureLength(t *testing.T) {
	s := newTestSigner(t, ES512)
	compact, err := s.Sign([]byte(`{}`), testTyp)
	require.NoError(t, err)
	m, err := Parse(compact, testTyp, 1<<20)
	require.NoError(t, err)
	asked := 0
	counting := *s.Public()
	counting.checker = countingChecker{s.Public().checker, &asked}
	for _, sig := range [][]byte{nil, m.signature[1:], append([]byte{0}, m.signature...)} {
		other := *m
		other.signature = sig
		_, err := ringOf(t, &counting).Verify(&other)
		require.ErrorIs(t, err, ErrSignature)
	}
	require.Zero(t, asked)
	_, err = ringOf(t, &counting).Verify(m)
	require.NoError(t, err)
	require.Equal(t, 1, asked)
}

type countingChecker struct {
	signatureChecker
	asked *int
}

func (c countingChecker) Verify(signed, signature []byte, key any) error {
	*c.asked++
	return c.signatureChecker.Verify(signed, signature, key)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestParseRefuses(t *testing.T) {
	const header = `{"alg":"ES256","typ":"MT+JWT"}`
	valid := b64(header) + "." + b64(`{"a":1}`) + "." + b64("signature1")
	_, err := Parse(valid, testTyp, len(valid))
	require.NoError(t, err)
	withHeader := func(h string) string { return b64(h) + "." + b64(`{}`) + "." + b64("s") }

	tests := []struct {
		name, in string
		want     error
	}{
		{"empty", "", ErrMalformed},
		{"one part", "abc", ErrMalformed},
		{"two parts", "abc.def", ErrMalformed},
		{"four parts", valid + ".abc", ErrMalformed},
		{"only dots", "..", ErrMalformed},
		{"empty header", strings.Replace(valid, b64(header), "", 1), ErrMalformed},
		{"empty payload", b64(header) + ".." + b64("s"), ErrMalformed},
		{"empty signature", b64(header) + "." + b64("{}") + ".", ErrMalformed},
		{"too long", valid + "AAAA", ErrTooLarge},
		{"long header", withHeader(`{"alg":"ES256","typ":"MT+JWT","x":"` + strings.Repeat("x", MaxHeaderBytes) + `"}`), ErrTooLarge},
		{"padded", valid + "==", ErrMalformed},
		{"line break at the end", valid + "\n", ErrMalformed},
		{"line break inside", valid[:7] + "\r\n" + valid[7:], ErrMalformed},
		{"space", " " + valid, ErrMalformed},
		{"standard alphabet", valid[:len(valid)-1] + "+", ErrMalformed},
		{"not UTF-8", valid + "\xff", ErrMalformed},
		{"header is an array", withHeader(`[]`), ErrMalformed},
		{"header is null", withHeader(`null`), ErrMalformed},
		{"header is not JSON", withHeader(`{"alg":"ES256","typ":"MT+JWT"`), ErrMalformed},
		{"two headers", withHeader(header + header), ErrMalformed},
		{"no alg", withHeader(`{"typ":"MT+JWT"}`), ErrAlgorithm},
		{"alg in another case", withHeader(`{"ALG":"ES256","typ":"MT+JWT"}`), ErrAlgorithm},
		{"algorithm in another case", withHeader(`{"alg":"es256","typ":"MT+JWT"}`), ErrAlgorithm},
		{"alg is null", withHeader(`{"alg":null,"typ":"MT+JWT"}`), ErrMalformed},
		{"kid is a number", withHeader(`{"alg":"ES256","kid":1,"typ":"MT+JWT"}`), ErrMalformed},
		{"kid is empty", withHeader(`{"alg":"ES256","kid":"","typ":"MT+JWT"}`), ErrMalformed},
		{"repeated name", withHeader(`{"alg":"ES256","alg":"ES256","typ":"MT+JWT"}`), ErrMalformed},
		{"repeated name, escaped", withHeader(`{"alg":"ES256","\u0061lg":"none","typ":"MT+JWT"}`), ErrMalformed},
		{"no typ", withHeader(`{"alg":"ES256"}`), ErrType},
		{"Kelvin sign", withHeader(`{"alg":"ES256","typ":"MT+JWT` + "\u212a" + `"}`), ErrType},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limit := 1 << 20
			if tt.name == "too long" {
				limit = len(valid)
			}
			m, err := Parse(tt.in, testTyp, limit)
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, m)
		})
	}
	_, err = Parse(withHeader(`{"typ":"mt+jwt","alg":"ES256","unknown":[{"x":1}]}`), testTyp, 1<<20)
	require.NoError(t, err, "typ in another case, members that RFC 7515 ignores")
}

// Verify tries a message without a kid with a few keys of its algorithm.
func TestRingWithoutKid(t *testing.T) {
	var signers []*Signer
	var keys []*PublicKey
	for range MaxTries + 1 {
		s := newTestSigner(t, ES256)
		signers, keys = append(signers, s), append(keys, s.Public())
	}
	ring := ringOf(t, append([]*PublicKey{newTestSigner(t, EdDSA).Public()}, keys...)...)
	for i, s := range signers {
		m := &Message{Header: Header{Algorithm: ES256}, signed: []byte("x.y")}
		sig, err := s.maker.Sign(m.signed, s.key)
		require.NoError(t, err)
		m.signature = sig
		used, err := ring.Verify(m)
		if i < MaxTries {
			require.NoError(t, err)
			require.Same(t, keys[i], used)
		} else {
			require.ErrorIs(t, err, ErrSignature, "the limit of tries")
			require.ErrorIs(t, err, ErrUnknownKey, "it may be a key that is not known")
		}
		m.Header.Algorithm = ES384
		_, err = ring.Verify(m)
		require.ErrorIs(t, err, ErrUnknownKey)
		m.Header.KeyID, m.Header.Algorithm = ring.Keys()[0].ID(), ES256
		_, err = ring.Verify(m)
		require.ErrorIs(t, err, ErrAlgorithm, "the algorithm is pinned to the key")
	}
}

func TestRingRefuses(t *testing.T) {
	key := newTestSigner(t, EdDSA).Public()
	_, err := NewRing(key, key)
	require.ErrorIs(t, err, ErrSet)
	_, err = NewRing(nil)
	require.ErrorIs(t, err, ErrSet)
	_, err = NewRing(make([]*PublicKey, MaxKeys+1)...)
	require.ErrorIs(t, err, ErrSet)
	var none *Ring
	_, err = none.Verify(&Message{Header: Header{Algorithm: EdDSA, KeyID: "x"}})
	require.ErrorIs(t, err, ErrUnknownKey)
	require.False(t, none.Holds(key.Fingerprint()))
	require.Equal(t, `{"keys":[]}`, string(EncodeSet(none)))
}

func TestSetRoundTrip(t *testing.T) {
	var keys []*PublicKey
	for _, a := range allAlgorithms {
		keys = append(keys, newTestSigner(t, a).Public())
	}
	ring := ringOf(t, keys...)
	text := EncodeSet(ring)
	require.NotContains(t, string(text), `"d"`)
	again, err := DecodeSet(text)
	require.NoError(t, err)
	require.Len(t, again.Keys(), len(keys))
	for i, k := range again.Keys() {
		require.Equal(t, keys[i].Fingerprint(), k.Fingerprint())
		require.Equal(t, keys[i].Key(), k.Key())
	}
	require.Equal(t, text, EncodeSet(again))
}

// The example of RFC 7638 section 3.1.
func TestThumbprint(t *testing.T) {
	ring, err := DecodeSet([]byte(`{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256"}]}`))
	require.NoError(t, err)
	require.Equal(t, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", ring.Keys()[0].ID())
}

func TestDecodeSetRefuses(t *testing.T) {
	good := string(newTestSigner(t, ES256).Public().jwk)
	other := string(newTestSigner(t, EdDSA).Public().jwk)
	for name, in := range map[string]string{
		"empty":         ``,
		"null":          `null`,
		"array":         `[]`,
		"no keys":       `{}`,
		"keys is null":  `{"keys":null}`,
		"not an object": `{"keys":["x"]}`,
		"null key":      `{"keys":[null]}`,
		"shared id":     `{"keys":[` + good + `,` + strings.Replace(other, newTestID(other), newTestID(good), 1) + `]}`,
		"private key":   `{"keys":[` + strings.Replace(good, `{`, `{"d":"AAAA",`, 1) + `]}`,
		"symmetric key": `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		"alg twice":     `{"keys":[` + strings.Replace(good, `{`, `{"alg":"ES256",`, 1) + `]}`,
		"trailing":      `{"keys":[]} x`,
		"deep":          strings.Repeat("[", 20000),
		"too many":      `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{"kty":"x"},`, MaxKeys+1), ",") + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeSet([]byte(in))
			require.ErrorIs(t, err, ErrSet)
		})
	}
	_, err := DecodeSet(bytes.Repeat([]byte(" "), MaxSetBytes+1))
	require.ErrorIs(t, err, ErrTooLarge)

	leftOut := []string{
		`{"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA"}`,
		`{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}`, // off the curve
		`{"kty":"future"}`,
		strings.Replace(other, `"sig"`, `"enc"`, 1),
		strings.Replace(other, `{`, `{"key_ops":["sign"],`, 1),
		strings.Replace(other, `"EdDSA"`, `"HS256"`, 1),
		strings.Replace(other, `"EdDSA"`, `"none"`, 1),
		strings.Replace(other, `"EdDSA"`, `"ES256"`, 1),
		`null`, `"x"`, `[]`, `1`, `{}`, `{"kty":1}`, `{"kty":"oct","k":"AAAA"}`, `{"kty":"EC","kty":"EC"}`, "{\"kty\":\"\xff\"}",
		strings.Replace(other, `{`, `{"d":"AAAA",`, 1),
		strings.Replace(other, `{`, `{"alg":"EdDSA",`, 1),
		strings.Replace(string(newTestSigner(t, RS256).Public().jwk), `"alg":"RS256",`, ``, 1), // several algorithms
	}
	ring, err := DecodeSet([]byte(`{"keys":[` + strings.Join(append(leftOut, good), ",") + `]}`))
	require.NoError(t, err)
	require.Len(t, ring.Keys(), 1)

	// A key may be there twice. Keys that share an id do not take others along.
	id := newTestID(good)
	shared := strings.Replace(string(newTestSigner(t, EdDSA).Public().jwk), `"kid":"`, `"kid":"shared","x-kid":"`, 1)
	sharing := strings.Replace(string(newTestSigner(t, ES256).Public().jwk), `"kid":"`, `"kid":"shared","x-kid":"`, 1)
	ring, err = DecodeSet([]byte(`{"keys":[` + strings.Join([]string{shared, good, sharing, good, shared}, ",") + `]}`))
	require.NoError(t, err)
	require.Len(t, ring.Keys(), 1)
	require.NotNil(t, ring.Key(id))
}

// newTestID returns the id of a JWK.
func newTestID(jwk string) string {
	_, id, _ := strings.Cut(jwk, `"kid":"`)
	id, _, _ = strings.Cut(id, `"`)
	return id
}

func TestKeysRefused(t *testing.T) {
	ec := generate(t, ES256).(*ecdsa.PrivateKey)
	ed := generate(t, EdDSA).(ed25519.PrivateKey)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	strong := generate(t, RS256).(*rsa.PrivateKey)
	small := *strong
	small.E = 3
	mismatch := *ec
	mismatch.PublicKey = generate(t, ES256).(*ecdsa.PrivateKey).PublicKey

	for name, tt := range map[string]struct {
		key  crypto.Signer
		alg  Algorithm
		want error
	}{
		"nothing":               {nil, ES256, ErrKey},
		"nil ECDSA":             {(*ecdsa.PrivateKey)(nil), ES256, ErrKey},
		"nil RSA":               {(*rsa.PrivateKey)(nil), RS256, ErrKey},
		"nil Ed25519":           {ed25519.PrivateKey(nil), EdDSA, ErrKey},
		"pointer to Ed25519":    {&ed, EdDSA, ErrKey},
		"empty ECDSA":           {&ecdsa.PrivateKey{}, ES256, ErrKey},
		"no point":              {&ecdsa.PrivateKey{PublicKey: ecdsa.PublicKey{Curve: elliptic.P256()}}, ES256, ErrKey},
		"no private scalar":     {&ecdsa.PrivateKey{PublicKey: ec.PublicKey}, ES256, ErrKey},
		"empty RSA":             {&rsa.PrivateKey{}, RS256, ErrKey},
		"public RSA only":       {&rsa.PrivateKey{PublicKey: strong.PublicKey}, RS256, ErrKey},
		"halves of two keys":    {&mismatch, ES256, ErrKey},
		"RSA of 1024 bits":      {weak, RS256, ErrKey},
		"small exponent":        {&small, RS256, ErrKey},
		"curve of another":      {ec, ES512, ErrKey},
		"EdDSA for ECDSA":       {ed, ES256, ErrKey},
		"ECDSA for RSA":         {ec, PS256, ErrKey},
		"ECDSA for EdDSA":       {ec, EdDSA, ErrKey},
		"HMAC":                  {ec, "HS256", ErrAlgorithm},
		"none":                  {ec, "none", ErrAlgorithm},
		"no algorithm":          {ec, "", ErrAlgorithm},
		"a signer without keys": {opaque{brokenSigner{}}, ES256, ErrKey},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewSigner(tt.key, tt.alg, "")
			require.ErrorIs(t, err, tt.want)
		})
	}
	_, err = NewSigner(ec, ES256, strings.Repeat("x", MaxKeyIDBytes+1))
	require.ErrorIs(t, err, ErrKey)
	_, err = NewSigner(ec, ES512, "")
	require.ErrorContains(t, err, "ES512 needs an ECDSA public key on P-521, not one on P-256")
}

type brokenSigner struct {
	pub    crypto.PublicKey
	answer []byte
	err    error
}

func (s brokenSigner) Public() crypto.PublicKey { return s.pub }
func (s brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return s.answer, s.err
}

// A signer whose answer is no signature causes an error, not a panic and not a token.
func TestBrokenSigner(t *testing.T) {
	pub := generate(t, ES256).Public()
	der := func(r, s *big.Int) []byte {
		text, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		require.NoError(t, err)
		return text
	}
	one, huge := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 300)
	for name, s := range map[string]brokenSigner{
		"error":     {pub, nil, errors.New("offline")},
		"nothing":   {pub, nil, nil},
		"raw":       {pub, make([]byte, 64), nil},
		"zero":      {pub, der(new(big.Int), one), nil},
		"negative":  {pub, der(one, big.NewInt(-1)), nil},
		"too large": {pub, der(one, huge), nil},
		"trailing":  {pub, append(der(one, one), 0), nil},
	} {
		t.Run(name, func(t *testing.T) {
			signer, err := NewSigner(s, ES256, "")
			require.NoError(t, err)
			_, err = signer.Sign([]byte("{}"), testTyp)
			require.ErrorIs(t, err, ErrSigning)
			if s.err != nil {
				require.ErrorIs(t, err, s.err)
			}
		})
	}
	ed, err := NewSigner(brokenSigner{generate(t, EdDSA).Public(), []byte("short"), nil}, EdDSA, "")
	require.NoError(t, err)
	_, err = ed.Sign([]byte("{}"), testTyp)
	require.ErrorIs(t, err, ErrSigning)
}

// Sign takes any payload and any typ. Neither can change the algorithm or the key id.
func TestSignAnyPayload(t *testing.T) {
	s := newTestSigner(t, ES384)
	for typ, payload := range map[string]string{
		"at+jwt":            `{"aud":"https://compute.example.org","scope":"read"}`,
		"JWT":               `not JSON`,
		`x","alg":"none`:    `{"alg":"none","kid":"other"}`,
		"with \"quotes\" é": `{}`,
	} {
		compact, err := s.Sign([]byte(payload), typ)
		require.NoError(t, err)
		m, err := Parse(compact, typ, 1<<20)
		require.NoError(t, err)
		require.Equal(t, Header{Algorithm: ES384, KeyID: s.Public().ID(), Type: typ}, m.Header)
		require.Equal(t, payload, string(m.Payload))
		_, err = ringOf(t, s.Public()).Verify(m)
		require.NoError(t, err)
		_, err = Parse(compact, testTyp, 1<<20)
		require.ErrorIs(t, err, ErrType)
	}
	for _, typ := range []string{"", "\xff"} {
		_, err := s.Sign([]byte(`{}`), typ)
		require.ErrorIs(t, err, ErrSigning)
	}
}

func TestAlgorithmOf(t *testing.T) {
	for _, a := range []Algorithm{ES256, ES384, ES512, EdDSA} {
		got, err := AlgorithmOf(generate(t, a).Public())
		require.NoError(t, err)
		require.Equal(t, a, got)
	}
	for _, key := range []crypto.PublicKey{nil, generate(t, RS256).Public(), (*ecdsa.PublicKey)(nil), &ecdsa.PublicKey{}, "text"} {
		_, err := AlgorithmOf(key)
		require.ErrorIs(t, err, ErrKey, fmt.Sprintf("%T", key))
	}
}
