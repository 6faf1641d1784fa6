package jws

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lenientSet decodes a set and counts the keys that it decodes and the signatures that it
// checks.
type lenientSet struct {
	*LenientSet
	decoded, checked int
}

func newLenientSet(t *testing.T, members ...string) *lenientSet {
	t.Helper()
	set, err := DecodeLenientSet([]byte(`{"keys":[` + strings.Join(members, ",") + `]}`))
	require.NoError(t, err)
	s := &lenientSet{LenientSet: set}
	for i := range set.keys {
		decode := set.keys[i].decode
		set.keys[i].decode = func() (crypto.PublicKey, error) {
			s.decoded++
			return decode()
		}
	}
	set.newChecker = func(a Algorithm) (signatureChecker, error) {
		checker, err := newChecker(a)
		return countingChecker{checker, &s.checked}, err
	}
	return s
}

// jwkOf returns the JWK of a key without the named members.
func jwkOf(t *testing.T, s *Signer, without ...string) string {
	t.Helper()
	text := string(s.Public().jwk)
	for _, member := range without {
		before, rest, found := strings.Cut(text, `"`+member+`":"`)
		require.True(t, found, "%s in %s", member, text)
		_, after, _ := strings.Cut(rest, `"`)
		text = strings.Replace(before+strings.TrimPrefix(after, ","), ",}", "}", 1)
	}
	return text
}

// signedWith signs with a header of the test's choice.
func signedWith(t *testing.T, s *Signer, header string) *Message {
	t.Helper()
	signed := b64(header) + "." + b64(`{"sub":"alice"}`)
	signature, err := s.maker.Sign([]byte(signed), s.key)
	require.NoError(t, err)
	m, err := ParseLenient(signed + "." + base64.RawURLEncoding.EncodeToString(signature))
	require.NoError(t, err)
	require.Equal(t, `{"sub":"alice"}`, string(m.Payload))
	return m
}

// members returns a JWK n times.
func members(jwk string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = jwk
	}
	return list
}

// Whatever a set publishes, a message costs at most MaxTries signature checks and MaxKeys
// decoded keys.
func TestLenientSetIsBounded(t *testing.T) {
	mine, foreign := newTestSigner(t, ES512), newTestSigner(t, ES512)
	plain := signedWith(t, mine, `{"alg":"ES512"}`)
	named := signedWith(t, mine, fmt.Sprintf(`{"alg":"ES512","kid":%q}`, mine.Public().ID()))
	broken := `{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}`
	short := `{"kty":"RSA","n":"` + b64(strings.Repeat("n", 128)) + `","e":"AQAB"}`
	for name, test := range map[string]struct {
		set              []string
		message          *Message
		decoded, checked int
		err              error
	}{
		"first":              {[]string{jwkOf(t, mine)}, plain, 1, 1, nil},
		"full of others":     {append(members(jwkOf(t, foreign), 800), jwkOf(t, mine)), plain, 4, 4, errNoneMatches},
		"full of its own id": {members(jwkOf(t, mine), 800), signedWith(t, foreign, fmt.Sprintf(`{"alg":"ES512","kid":%q}`, mine.Public().ID())), 4, 4, ErrSignature},
		"last, by its id":    {append(members(jwkOf(t, foreign), 800), jwkOf(t, mine)), named, 1, 1, nil},
		"off the curve":      {append(members(broken, 3000), jwkOf(t, mine)), plain, MaxKeys, 0, ErrSignature},
		"other types":        {append(members(short, 900), jwkOf(t, mine)), plain, 1, 1, nil},
		"no key":             {nil, plain, 0, 0, ErrUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLenientSet(t, test.set...)
			left, err := s.Verify(t.Context(), test.message, MaxTries)
			require.ErrorIs(t, err, test.err)
			require.Equal(t, test.checked, s.checked)
			require.Equal(t, test.decoded, s.decoded)
			require.Equal(t, MaxTries-test.checked, left)

			_, err = s.Verify(t.Context(), test.message, 0)
			require.Error(t, err)
			require.Equal(t, test.checked, s.checked, "no try was left")
		})
	}
	_, err := DecodeLenientSet([]byte(`{"keys":[` + strings.Join(members(jwkOf(t, foreign), 4100), ",") + `]}`))
	require.ErrorIs(t, err, ErrTooLarge)
}

// Verify looks at the context before each key.
func TestLenientSetEnds(t *testing.T) {
	s := newLenientSet(t, members(jwkOf(t, newTestSigner(t, ES256)), 4)...)
	m := signedWith(t, newTestSigner(t, ES256), `{"alg":"ES256"}`)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the time is over")
	second := s.keys[1].decode
	s.keys[1].decode = func() (crypto.PublicKey, error) {
		cancel(reason)
		return second()
	}
	_, err := s.Verify(ctx, m, MaxTries)
	require.ErrorIs(t, err, reason)
	require.Equal(t, 2, s.checked)
}

// A set may be less regular than that of a mytoken server.
func TestLenientSetAccepts(t *testing.T) {
	for _, a := range []Algorithm{ES256, ES384, ES512, EdDSA, RS256, PS512} {
		signer, other := newTestSigner(t, a), newTestSigner(t, a)
		id := signer.Public().ID()
		same := strings.ReplaceAll(jwkOf(t, other), other.Public().ID(), id)
		for name, set := range map[string][]string{
			"as usual":          {jwkOf(t, signer)},
			"without alg":       {jwkOf(t, signer, "alg")},
			"without use":       {jwkOf(t, signer, "use")},
			"the same id twice": {same, jwkOf(t, signer)},
			"odd members":       {`null`, `7`, `{}`, `{"kty":7}`, `{"kty":"LMS"}`, `{"kty":"OKP","crv":"X25519","x":"AA"}`, jwkOf(t, signer)},
		} {
			for _, header := range []string{
				`{"alg":%q,"kid":%q}`, `{"alg":%q,"kid":%q,"typ":"JWT","x5t":"AA"}`, `{"alg":%q,"kid":%q,"jku":"https://evil.example","jwk":{}}`,
			} {
				_, err := newLenientSet(t, set...).Verify(t.Context(), signedWith(t, signer, fmt.Sprintf(header, a, id)), MaxTries)
				require.NoError(t, err, "%s: %s, %s", a, name, header)
			}
		}
		_, err := newLenientSet(t, jwkOf(t, signer, "kid")).Verify(t.Context(), signedWith(t, signer, fmt.Sprintf(`{"alg":%q,"kid":""}`, a)), MaxTries)
		require.NoError(t, err, a)
	}
}

func TestLenientSetRefuses(t *testing.T) {
	signer := newTestSigner(t, ES256)
	good := jwkOf(t, signer)
	m := signedWith(t, signer, `{"alg":"ES256"}`)
	for name, member := range map[string]string{
		"for encryption":    strings.Replace(good, `"use":"sig"`, `"use":"enc"`, 1),
		"for signing only":  strings.Replace(good, `"use":"sig"`, `"key_ops":["sign"]`, 1),
		"another algorithm": strings.Replace(good, `"alg":"ES256"`, `"alg":"ES384"`, 1),
		"private":           strings.Replace(good, `{`, `{"d":"AA",`, 1),
		"another curve":     strings.Replace(good, `"P-256"`, `"secp256k1"`, 1),
		"a member twice":    strings.Replace(good, `{`, `{"kty":"EC",`, 1),
	} {
		s := newLenientSet(t, member)
		_, err := s.Verify(t.Context(), m, MaxTries)
		require.ErrorIs(t, err, ErrUnknownKey, name)
		require.Zero(t, s.decoded, name)
	}
	for _, text := range []string{``, `{}`, `[]`, `{"keys":7}`, `{"keys":null}`, `{"keys":[}`, `{"keys":` + strings.Repeat("[", 1<<17)} {
		_, err := DecodeLenientSet([]byte(text))
		require.ErrorIs(t, err, ErrSet, text)
	}
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"HS256"}`, `{"alg":"ES256","crit":["b64"],"b64":false}`, `{"alg":7}`, `{}`, `x`} {
		_, err := ParseLenient(b64(header) + "." + b64(`{}`) + ".AA")
		require.Error(t, err, header)
	}
}

// RSA keys are bounded: a modulus of 2048 to 8192 bits, and an odd exponent from 3 to
// 2^31 - 1.
func TestLenientSetBoundsRSA(t *testing.T) {
	jwk := func(bits uint, e int64) string {
		n := new(big.Int).Lsh(big.NewInt(1), bits)
		n.Sub(n, big.NewInt(1))
		return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`,
			base64.RawURLEncoding.EncodeToString(n.Bytes()), base64.RawURLEncoding.EncodeToString(big.NewInt(e).Bytes()))
	}
	for name, test := range map[string]struct {
		bits    uint
		e       int64
		checked int
	}{
		"usual": {2048, 65537, 1}, "3": {2048, 3, 1}, "greatest": {8192, 1<<31 - 1, 1},
		"short": {2040, 65537, 0}, "long": {8200, 65537, 0}, "16,384 bits": {16384, 65537, 0},
		"1": {2048, 1, 0}, "even": {2048, 65536, 0}, "large": {2048, 1<<31 + 1, 0}, "huge": {2048, 1<<62 + 1, 0},
	} {
		s := newLenientSet(t, jwk(test.bits, test.e))
		m := &Message{Header: Header{Algorithm: RS256}, signed: []byte("x"), signature: make([]byte, test.bits/8)}
		_, err := s.Verify(t.Context(), m, MaxTries)
		require.ErrorIs(t, err, ErrSignature, name)
		require.Equal(t, test.checked, s.checked, name)
	}
	key, err := rsa.GenerateKey(rand.Reader, MinRSABits)
	require.NoError(t, err)
	signer, err := NewSigner(key, RS256, "")
	require.NoError(t, err)
	long := strings.Replace(jwkOf(t, signer), `"e":"AQAB"`, `"e":"AQAAAAAAAQAB"`, 1)
	require.NotEqual(t, long, jwkOf(t, signer))
	_, err = newLenientSet(t, long).Verify(t.Context(), signedWith(t, signer, `{"alg":"RS256"}`), MaxTries)
	require.ErrorIs(t, err, ErrSignature, "an exponent that ends with 65537")
}
