package mytoken

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"hash"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/jws"
)

// One test for each attack of RFC 8725. Each test also verifies a good token of the same
// shape, so that a refusal has the reason that is tested.

// target is a verifier under attack, with the key that it trusts and a token that it
// accepts.
type target struct {
	*testing.T
	verifier *Verifier
	key      *Key
	compact  string
}

func newTarget(t *testing.T, alg Algorithm) *target {
	key := testKey(t, alg)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	target := &target{T: t, verifier: v, key: key, compact: signClaims(t, key, exampleClaims())}
	_, err := v.Verify(t.Context(), target.compact)
	require.NoError(t, err)
	return target
}

// refuses asserts that a string is refused for one reason.
func (a *target) refuses(compact string, reason error) {
	a.Helper()
	tok, err := a.verifier.Verify(a.Context(), compact)
	require.ErrorIs(a, err, reason)
	require.Nil(a, tok)
	var invalid *InvalidTokenError
	require.ErrorAs(a, err, &invalid)
}

func (a *target) payload() string { return strings.Split(a.compact, ".")[1] }

// signedBy signs the payload of the good token under a header of the attacker's choice.
func (a *target) signedBy(signer crypto.Signer, hash crypto.Hash, header string) string {
	a.Helper()
	signed := base64URL(header) + "." + a.payload()
	digest := []byte(signed)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	sig, err := signer.Sign(rand.Reader, digest, hash)
	require.NoError(a, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func TestAttackNone(t *testing.T) {
	a := newTarget(t, ES384)
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		header := base64URL(fmt.Sprintf(`{"alg":%q,"typ":"MT+JWT","kid":%q}`, alg, a.key.ID()))
		for _, signature := range []string{"AA", strings.Split(a.compact, ".")[2]} {
			a.refuses(header+"."+a.payload()+"."+signature, ErrTokenAlgorithm)
		}
		a.refuses(header+"."+a.payload()+".", ErrTokenMalformed)
	}
}

// The attacker computes an HMAC with the public key, in every form in which a library
// could take it for a secret.
func TestAttackKeyConfusion(t *testing.T) {
	a := newTarget(t, RS256)
	pub := a.key.Public().Key()
	der, err := x509.MarshalPKIXPublicKey(pub)
	require.NoError(t, err)
	secrets := map[string][]byte{
		"DER":  der,
		"PEM":  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"JWKS": a.verifier.source.(*Keys).JWKS(),
		"none": {},
	}
	for alg, sum := range map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New} {
		for form, secret := range secrets {
			for _, header := range []string{
				fmt.Sprintf(`{"alg":%q,"typ":"MT+JWT","kid":%q}`, alg, a.key.ID()),
				fmt.Sprintf(`{"alg":%q,"typ":"MT+JWT"}`, alg),
			} {
				signed := base64URL(header) + "." + a.payload()
				mac := hmac.New(sum, secret)
				mac.Write([]byte(signed))
				t.Log(alg, form)
				a.refuses(signed+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), ErrTokenAlgorithm)
			}
		}
	}
}

// A key serves one algorithm, even if its kind fits several.
func TestAttackOtherAlgorithmOfTheKey(t *testing.T) {
	a := newTarget(t, RS256)
	signer := a.key.raw
	header := func(alg string) string { return fmt.Sprintf(`{"alg":%q,"typ":"MT+JWT","kid":%q}`, alg, a.key.ID()) }
	_, err := a.verifier.Verify(t.Context(), a.signedBy(signer, crypto.SHA256, header("RS256")))
	require.NoError(t, err)
	a.refuses(a.signedBy(signer, crypto.SHA512, header("RS512")), ErrTokenAlgorithm)
	a.refuses(a.signedBy(signer, crypto.SHA512, `{"alg":"RS512","typ":"MT+JWT"}`), ErrTokenKey)
	a.refuses(a.signedBy(signer, crypto.SHA256, header("PS256")), ErrTokenAlgorithm)
	a.refuses(a.signedBy(signer, crypto.SHA256, header("ES256")), ErrTokenAlgorithm)
}

// The same key may sign tokens of other kinds. The verifier tells them apart by the
// header and by the claims.
func TestAttackWrongType(t *testing.T) {
	a := newTarget(t, EdDSA)
	signer := a.key.raw
	for _, typ := range []string{`"typ":"JWT",`, `"typ":"at+jwt",`, `"typ":"application/mt+jwt",`, `"typ":"MT+JWT ",`, `"typ":"",`, ``, `"TYP":"MT+JWT",`} {
		a.refuses(a.signedBy(signer, 0, `{`+typ+`"alg":"EdDSA"}`), ErrTokenType)
	}
	_, err := a.verifier.Verify(t.Context(), a.signedBy(signer, 0, `{"typ":"mt+jwt","alg":"EdDSA"}`))
	require.NoError(t, err, "media types ignore case")
	a.refuses(signPayload(t, a.key, payloadWith(map[string]string{"token_type": `"id_token"`})), ErrTokenType)
}

// The verifier understands no extension, so it refuses every header with "crit" (RFC 7515
// section 4.1.11).
func TestAttackCrit(t *testing.T) {
	a := newTarget(t, EdDSA)
	for _, crit := range []string{`["exp"]`, `["b64"],"b64":false`, `["x"],"x":1`, `[]`, `null`, `"alg"`} {
		a.refuses(a.signedBy(a.key.raw, 0, `{"alg":"EdDSA","typ":"MT+JWT","crit":`+crit+`}`), ErrTokenHeader)
	}
}

// A token has one spelling (RFC 4648 sections 3.2 to 3.5). Padding, another alphabet,
// line breaks and stray bits at the end are refused.
func TestAttackBase64Variants(t *testing.T) {
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, alg := range []Algorithm{ES256, ES384, ES512, EdDSA} {
		a := newTarget(t, alg)
		parts := strings.Split(a.compact, ".")
		for i, part := range parts {
			variant := func(text string) string {
				changed := append([]string(nil), parts...)
				changed[i] = text
				return strings.Join(changed, ".")
			}
			padded := part + strings.Repeat("=", (4-len(part)%4)%4)
			variants := []string{variant(part + "="), variant(part + "=="), variant(part + "\n"), variant("\r\n" + part),
				variant(part[:5] + "\n" + part[5:]), variant(part + " "), variant(part + "A"), variant(part + "AAAA")}
			if padded != part {
				variants = append(variants, variant(padded))
			}
			if std := strings.NewReplacer("-", "+", "_", "/").Replace(part); std != part {
				variants = append(variants, variant(std))
			}
			if unused := len(part) * 6 % 8; unused > 0 {
				last := strings.IndexByte(alphabet, part[len(part)-1])
				for bits := 1; bits < 1<<unused; bits++ {
					variants = append(variants, variant(part[:len(part)-1]+string(alphabet[last|bits])))
				}
			}
			for _, text := range variants {
				require.NotEqual(t, a.compact, text)
				tok, err := a.verifier.Verify(t.Context(), text)
				require.Error(t, err, text)
				require.Nil(t, tok)
				if strings.ContainsAny(text, "= \r\n+/") {
					require.ErrorIs(t, err, ErrTokenMalformed)
				}
			}
		}
	}
}

// A "kid" selects a key of the issuer and nothing else.
func TestAttackForeignKid(t *testing.T) {
	a := newTarget(t, ES256)
	evil := testKey(t, ES256)
	a.refuses(signClaims(t, evil, exampleClaims()), ErrTokenKey)
	// The attacker signs with their own key and writes the id of the issuer's key.
	a.refuses(a.signedBy(rawSigner{evil.raw}, crypto.SHA256, fmt.Sprintf(`{"alg":"ES256","typ":"MT+JWT","kid":%q}`, a.key.ID())), ErrTokenSignature)
	// Without an id the verifier tries its own keys only.
	a.refuses(a.signedBy(rawSigner{evil.raw}, crypto.SHA256, `{"alg":"ES256","typ":"MT+JWT"}`), ErrTokenSignature)
	// The issuer's key is not tried under a foreign id.
	for _, kid := range []string{"../../dev/null", "' OR 1=1 --", strings.ToUpper(a.key.ID()), a.key.ID() + " "} {
		a.refuses(a.signedBy(rawSigner{a.key.raw}, crypto.SHA256, fmt.Sprintf(`{"alg":"ES256","typ":"MT+JWT","kid":%q}`, kid)), ErrTokenKey)
	}
	a.refuses(a.signedBy(rawSigner{a.key.raw}, crypto.SHA256, `{"alg":"ES256","typ":"MT+JWT","kid":""}`), ErrTokenMalformed)
	_, err := a.verifier.Verify(t.Context(), a.signedBy(rawSigner{a.key.raw}, crypto.SHA256, `{"alg":"ES256","typ":"MT+JWT"}`))
	require.NoError(t, err)
}

// rawSigner answers with the fixed-size form of an ECDSA signature.
type rawSigner struct{ crypto.Signer }

func (s rawSigner) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	key := s.Signer.(*ecdsa.PrivateKey)
	r, sig, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		return nil, err
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	raw := make([]byte, 2*size)
	r.FillBytes(raw[:size])
	sig.FillBytes(raw[size:])
	return raw, nil
}

// A token can neither bring its own key nor make the verifier fetch one.
func TestAttackEmbeddedKey(t *testing.T) {
	a := newTarget(t, EdDSA)
	pub, evil, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	jwk := fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":%q}`, base64.RawURLEncoding.EncodeToString(pub))
	for _, member := range []string{
		`"jwk":` + jwk, `"jku":"` + server.URL + `"`, `"x5u":"` + server.URL + `"`,
		`"x5c":["AAAA"]`, `"x5t":"AAAA"`, `"x5t#S256":"AAAA"`, `"jwk":null`,
	} {
		a.refuses(a.signedBy(evil, 0, `{"alg":"EdDSA","typ":"MT+JWT",`+member+`}`), ErrTokenHeader)
		// Even a signature of the issuer does not help.
		a.refuses(a.signedBy(a.key.raw, 0, `{"alg":"EdDSA","typ":"MT+JWT",`+member+`}`), ErrTokenHeader)
	}
	require.False(t, asked)
}

// The verifier refuses a token above the limit before it decodes anything or asks for a
// key.
func TestAttackOversized(t *testing.T) {
	a := newTarget(t, EdDSA)
	big := signPayload(t, a.key, payloadWith(map[string]string{"name": `"` + strings.Repeat("x", 1<<20) + `"`}))
	a.refuses(big, ErrTokenTooLarge)
	a.refuses(strings.Repeat("A", MaxTokenBytes+1), ErrTokenTooLarge)
	a.refuses(strings.Repeat(".", MaxTokenBytes), ErrTokenMalformed)
	a.refuses(strings.Repeat("A", MaxTokenBytes), ErrTokenMalformed)
	a.refuses(base64URL(`{"alg":"EdDSA","typ":"MT+JWT","x":"`+strings.Repeat("x", 100_000)+`"}`)+"."+a.payload()+".AAAA", ErrTokenTooLarge)

	source := &noKeys{}
	a.verifier.source = source
	_, err := a.verifier.Verify(t.Context(), big)
	require.ErrorIs(t, err, ErrTokenTooLarge)
	require.Zero(t, source.asked)
}

// A name that occurs twice could mean one thing to us and another thing elsewhere.
func TestAttackDuplicateNames(t *testing.T) {
	a := newTarget(t, EdDSA)
	for _, header := range []string{
		`{"alg":"EdDSA","alg":"EdDSA","typ":"MT+JWT"}`,
		`{"alg":"none","typ":"MT+JWT","alg":"EdDSA"}`,
		`{"alg":"EdDSA","typ":"MT+JWT","\u0061lg":"none"}`,
		`{"alg":"EdDSA","typ":"JWT","typ":"MT+JWT"}`,
		`{"alg":"EdDSA","typ":"MT+JWT","x":{"a":1,"a":2}}`,
	} {
		a.refuses(a.signedBy(a.key.raw, 0, header), ErrTokenMalformed)
	}
	for _, payload := range []string{
		payloadWith(map[string]string{"": `"iss":"https://mytoken.example.org"`}),
		payloadWith(map[string]string{"": `"exp":1795459312,"exp":4102444800`}),
		payloadWith(map[string]string{"restrictions": `[{"exp":1795459312,"exp":4102444800}]`}),
		payloadWith(map[string]string{"rotation": `{"on_AT":true,"on_AT":false}`}),
	} {
		a.refuses(signPayload(t, a.key, payload), ErrTokenMalformed)
	}
}

// The verifier notices a change of any byte.
func TestAttackTampering(t *testing.T) {
	a := newTarget(t, ES256)
	for i := range len(a.compact) {
		if a.compact[i] == '.' {
			continue
		}
		changed := []byte(a.compact)
		changed[i] ^= 1
		tok, err := a.verifier.Verify(t.Context(), string(changed))
		require.Error(t, err, "byte %d", i)
		require.Nil(t, tok)
	}
}

// An ECDSA signature (r, s) has a twin (r, n-s), which is as valid and which anybody can
// compute. The twin is another string for the same token. So claims identify a token, and
// the string does not. An issuer notices the twin because it knows the SHA-256 of what it
// issued.
func TestSignatureMalleability(t *testing.T) {
	a := newTarget(t, ES256)
	i := strings.LastIndexByte(a.compact, '.') + 1
	raw, err := base64.RawURLEncoding.DecodeString(a.compact[i:])
	require.NoError(t, err)
	s := new(big.Int).SetBytes(raw[32:])
	s.Sub(elliptic.P256().Params().N, s)
	s.FillBytes(raw[32:])
	twin := a.compact[:i] + base64.RawURLEncoding.EncodeToString(raw)
	require.NotEqual(t, a.compact, twin)
	first, err := a.verifier.Verify(t.Context(), a.compact)
	require.NoError(t, err)
	second, err := a.verifier.Verify(t.Context(), twin)
	require.NoError(t, err)
	require.Equal(t, first.ID(), second.ID())
	require.Equal(t, first.claims, second.claims)
	require.NotEqual(t, sha256.Sum256([]byte(a.compact)), sha256.Sum256([]byte(twin)))

	// (r, s+n) is no twin: the numbers must be in range, and their sizes are fixed.
	s.Add(s, elliptic.P256().Params().N)
	if s.BitLen() <= 256 {
		s.FillBytes(raw[32:])
		a.refuses(a.compact[:i]+base64.RawURLEncoding.EncodeToString(raw), ErrTokenSignature)
	}
	a.refuses(a.compact[:i]+base64.RawURLEncoding.EncodeToString(append([]byte{0}, raw...)), ErrTokenSignature)
	clear(raw)
	a.refuses(a.compact[:i]+base64.RawURLEncoding.EncodeToString(raw), ErrTokenSignature)
}

// noKeys is a source without keys. It counts how often a verifier asks.
type noKeys struct {
	*Keys
	asked int
}

func (s *noKeys) current(context.Context) (*jws.Ring, error) {
	s.asked++
	return nil, ErrKeysUnavailable
}
