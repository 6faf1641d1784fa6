package mytoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/mytoken-go/sdk/internal/jws"
)

// Algorithm is the name of a signature algorithm (RFC 7518, RFC 8037).
type Algorithm string

// The supported algorithms. "RS384", "RS512", "PS384" and "PS512" are supported too.
//
// The public Go clients of the protocol recognise a token as a JWT only if its signature
// has a certain length. ES384, ES512 and RSA keys of 3072 bits fit. ES256, EdDSA and RSA
// keys of 2048 and 4096 bits do not (protocol section 1.1).
const (
	ES256 Algorithm = "ES256" // ECDSA on P-256
	ES384 Algorithm = "ES384" // ECDSA on P-384; the default
	ES512 Algorithm = "ES512" // ECDSA on P-521; three to four times slower than ES384
	EdDSA Algorithm = "EdDSA" // Ed25519
	RS256 Algorithm = "RS256" // RSA, PKCS #1 v1.5
	PS256 Algorithm = "PS256" // RSA, PSS
)

// generatedRSABits is the size of generated RSA keys. Their signatures have a length that
// the public clients recognise.
const generatedRSABits = 3072

var (
	// ErrKey reports a key that is missing, weak, or unsuitable for the algorithm.
	ErrKey = jws.ErrKey
	// ErrKeySet reports a set of keys that cannot be used, not even in part.
	ErrKeySet = jws.ErrSet
	// ErrSigning reports that a signer failed, or returned a signature that is malformed or
	// does not match.
	ErrSigning = jws.ErrSigning
	// ErrNoSigningKey reports keys that check and do not sign.
	ErrNoSigningKey = errors.New("mytoken: no signing key")
	// ErrActiveKey reports an attempt to withdraw the key that signs.
	ErrActiveKey = errors.New("mytoken: cannot withdraw the key that signs; activate another one first")
)

// Key is a signing key pinned to one algorithm. It prints as its algorithm and id, never
// as key material. It is immutable. It is safe for concurrent use if its signer is, as
// those of the standard library are.
type Key struct {
	signer *jws.Signer
	raw    crypto.Signer
}

// NewKey wraps a signer: a key in memory, in a hardware token, or in a remote key
// service. An empty algorithm means the only one that fits the key. An RSA key fits
// several, so name one. The id of the key is its RFC 7638 thumbprint.
//
// A private key of the standard library, such as *ecdsa.PrivateKey, is in this process.
// NewKey makes and checks one signature with it, and those that follow are not checked.
// The caller must not change it afterwards. Each signature of any other signer is checked
// when it is made, because a key elsewhere can be swapped or fail at any time.
//
// An ECDSA signer must return ASN.1 signatures, as the keys of the standard library do.
// NewKey returns [ErrKey] or [ErrTokenAlgorithm] for a key on another curve than the
// algorithm's, for an RSA key outside 2048 to 8192 bits or with a small exponent, and for
// a private key in memory that does not match its public key.
func NewKey(signer crypto.Signer, alg Algorithm) (*Key, error) {
	a := jws.Algorithm(alg)
	if alg == "" {
		pub, err := jws.PublicOf(signer)
		if err != nil {
			return nil, err
		}
		if a, err = jws.AlgorithmOf(pub); err != nil {
			return nil, err
		}
	}
	s, err := jws.NewSigner(signer, a, "")
	if err != nil {
		return nil, err
	}
	return &Key{signer: s, raw: signer}, nil
}

// GenerateKey makes a new key in memory with crypto/rand. An empty algorithm means
// [ES384]. Store the output of [Key.RevealPEM] safely. If the key is lost, nobody can
// check its tokens any more. Errors: [ErrTokenAlgorithm].
func GenerateKey(alg Algorithm) (*Key, error) {
	if alg == "" {
		alg = ES384
	}
	var signer crypto.Signer
	var err error
	switch a := jws.Algorithm(alg); {
	case !a.Supported():
		return nil, fmt.Errorf("%w: %.16q", ErrTokenAlgorithm, string(alg))
	case a.Curve() != nil:
		signer, err = ecdsa.GenerateKey(a.Curve(), rand.Reader)
	case a == jws.EdDSA:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		signer, err = rsa.GenerateKey(rand.Reader, generatedRSABits)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return NewKey(signer, alg)
}

// usable reports whether k was made by this package.
func (k *Key) usable() bool { return k != nil && k.signer != nil }

// ID returns the id that tokens carry as "kid".
func (k *Key) ID() string { return k.Public().ID() }

// Algorithm returns the algorithm that the key is pinned to.
func (k *Key) Algorithm() Algorithm { return k.Public().Algorithm() }

// Public returns the public key, which checks tokens.
func (k *Key) Public() *PublicKey {
	if !k.usable() {
		return &PublicKey{}
	}
	return &PublicKey{k.signer.Public()}
}

// String returns the algorithm and the id.
func (k *Key) String() string {
	if !k.usable() {
		return "mytoken.Key(none)"
	}
	return "mytoken.Key(" + string(k.Algorithm()) + " " + k.ID() + ")"
}

// GoString returns the same as [Key.String].
func (k *Key) GoString() string { return k.String() }

// Format writes the same as [Key.String], whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText returns the same as [Key.String]; encoders of JSON use it.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue returns the same as [Key.String].
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// PublicKey checks signatures of one algorithm. It is immutable.
type PublicKey struct {
	key *jws.PublicKey
}

// NewPublicKey pins a public key to an algorithm. It checks what [NewKey] checks and
// returns the same errors. The caller must not change the key afterwards.
func NewPublicKey(pub crypto.PublicKey, alg Algorithm) (*PublicKey, error) {
	a := jws.Algorithm(alg)
	if alg == "" {
		var err error
		if a, err = jws.AlgorithmOf(pub); err != nil {
			return nil, err
		}
	}
	key, err := jws.NewPublicKey(pub, a, "")
	if err != nil {
		return nil, err
	}
	return &PublicKey{key}, nil
}

// usable reports whether k was made by this package.
func (k *PublicKey) usable() bool { return k != nil && k.key != nil }

// ID returns the id that tokens carry as "kid".
func (k *PublicKey) ID() string {
	if !k.usable() {
		return ""
	}
	return k.key.ID()
}

// Algorithm returns the algorithm that the key is pinned to.
func (k *PublicKey) Algorithm() Algorithm {
	if !k.usable() {
		return ""
	}
	return Algorithm(k.key.Algorithm())
}

// Key returns the key itself: *ecdsa.PublicKey, ed25519.PublicKey or *rsa.PublicKey. The
// caller must not change it.
func (k *PublicKey) Key() crypto.PublicKey {
	if !k.usable() {
		return nil
	}
	return k.key.Key()
}
