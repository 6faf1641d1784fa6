package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/rescue"
)

// Signer makes compact signatures with one key and one algorithm.
type Signer struct {
	public  *PublicKey
	key     crypto.Signer // as the JOSE library takes it
	maker   signatureMaker
	foreign bool // not a key of the standard library: Sign checks each signature
}

// NewSigner wraps any [crypto.Signer]: a key in memory, in a hardware token or in a
// remote key service. It pins the key to an algorithm. If id is empty, the key's
// thumbprint becomes its id (RFC 7638).
//
// An ECDSA signer returns an ASN.1 signature, as in the standard library. Sign converts
// it to the fixed size of RFC 7518 section 3.4.
//
// A private key of the standard library lives in this process. NewSigner makes and checks
// one signature with it, and trusts those that follow. The caller must not change the key
// afterwards. From any other key NewSigner only takes the public key, and [Signer.Sign]
// checks each signature. NewSigner returns [ErrKey] or [ErrAlgorithm].
func NewSigner(key crypto.Signer, a Algorithm, id string) (*Signer, error) {
	pub, err := PublicOf(key)
	if err != nil {
		return nil, err
	}
	public, err := NewPublicKey(pub, a, id)
	if err != nil {
		return nil, err
	}
	maker, err := newMaker(a)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrAlgorithm, a)
	}
	s := &Signer{public: public, key: key, maker: maker}
	switch key.(type) {
	case *ecdsa.PrivateKey, *rsa.PrivateKey, ed25519.PrivateKey:
		if err := s.probe(); err != nil {
			return nil, err
		}
		return s, nil
	}
	s.foreign = true
	if a.Curve() != nil {
		s.key = ecdsaSigner{key, pub, a.Curve()}
	}
	return s, nil
}

// probe makes and checks one signature. It detects a private key that does not belong to
// its public key, or that lacks a part: the standard library panics on such a key.
// NewSigner does not probe keys that are elsewhere, because that would cost a round trip.
func (s *Signer) probe() (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: the private key lacks a part", ErrKey)
		}
	}()
	text := []byte("probe")
	signature, err := s.maker.Sign(text, s.key)
	if err != nil || s.public.checker.Verify(text, signature, s.public.key) != nil {
		return fmt.Errorf("%w: private and public key do not belong together", ErrKey)
	}
	return nil
}

// Public returns the public key.
func (s *Signer) Public() *PublicKey { return s.public }

// Sign signs any payload, for instance JSON claims, and returns the compact signature.
// The header has "alg" and "kid" of the key and the given "typ". The payload cannot
// influence them.
//
// Sign returns [ErrSigning] if typ is empty, or if the key fails or panics. If a foreign
// key makes a signature that does not match its public key, the error is both
// [ErrSigning] and [ErrSignature]. Sign is safe for concurrent use if the key is.
func (s *Signer) Sign(payload []byte, typ string) (string, error) {
	header, err := s.header(typ)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := make([]byte, 0, enc.EncodedLen(len(header))+enc.EncodedLen(len(payload))+enc.EncodedLen(s.public.size)+2)
	text = enc.AppendEncode(text, header)
	text = append(text, '.')
	text = enc.AppendEncode(text, payload)
	signature, err := rescue.Call(func() ([]byte, error) { return s.maker.Sign(text, s.key) })
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSigning, err)
	}
	if len(signature) != s.public.size {
		return "", fmt.Errorf("%w: %d bytes, expected %d", ErrSigning, len(signature), s.public.size)
	}
	if s.foreign && s.public.checker.Verify(text, signature, s.public.key) != nil {
		return "", fmt.Errorf("%w: %w", ErrSigning, ErrSignature)
	}
	text = append(text, '.')
	return string(enc.AppendEncode(text, signature)), nil
}

func (s *Signer) header(typ string) ([]byte, error) {
	if typ == "" { // RFC 8725 section 3.11: otherwise one kind of token passes for another
		return nil, fmt.Errorf("%w: no typ", ErrSigning)
	}
	text := []byte(`{"alg":"` + string(s.public.algorithm) + `","kid":`)
	text, err := jsontext.AppendQuote(text, s.public.id)
	if err == nil {
		text, err = jsontext.AppendQuote(append(text, `,"typ":`...), typ)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the kid or typ is not UTF-8", ErrSigning)
	}
	return append(text, '}'), nil
}

// PublicOf returns the public key of a signer. It returns [ErrKey] if the signer is nil,
// or a key of the standard library that would panic.
func PublicOf(key crypto.Signer) (crypto.PublicKey, error) {
	missing := false
	switch k := key.(type) {
	case nil:
		missing = true
	case *ecdsa.PrivateKey:
		missing = k == nil
	case *rsa.PrivateKey:
		missing = k == nil
	case ed25519.PrivateKey:
		missing = len(k) != ed25519.PrivateKeySize
	case *ed25519.PrivateKey:
		// The pointer is a signer too, but the JOSE library expects the value.
		return nil, fmt.Errorf("%w: pass an ed25519.PrivateKey, not a pointer to it", ErrKey)
	}
	if missing {
		return nil, fmt.Errorf("%w: no private key", ErrKey)
	}
	return key.Public(), nil
}

// ecdsaSigner checks the signatures of a foreign signer, because the JOSE library
// converts their numbers unchecked. Its public key is the one that NewSigner has checked.
type ecdsaSigner struct {
	inner crypto.Signer
	pub   crypto.PublicKey
	curve elliptic.Curve
}

func (s ecdsaSigner) Public() crypto.PublicKey { return s.pub }

func (s ecdsaSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	der, err := s.inner.Sign(rand, digest, opts)
	if err != nil {
		return nil, err
	}
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	n := s.curve.Params().N
	switch {
	case err != nil || len(rest) > 0:
		return nil, fmt.Errorf("%w: the answer is not an ASN.1 signature", ErrSigning)
	case sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.Cmp(n) >= 0 || sig.S.Cmp(n) >= 0:
		return nil, fmt.Errorf("%w: a number of the signature is out of range", ErrSigning)
	}
	return der, nil
}
