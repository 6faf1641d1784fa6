package jws

import (
	"crypto"
	"crypto/sha256"
	"fmt"
)

// MaxKeyIDBytes is the greatest length of a key id, in bytes.
const MaxKeyIDBytes = 256

// PublicKey is a key that has passed [CheckKey]. It is pinned to one algorithm, and
// messages name it by its id.
type PublicKey struct {
	id          string
	algorithm   Algorithm
	key         crypto.PublicKey
	size        int // of a signature, in bytes
	checker     signatureChecker
	fingerprint Fingerprint
	jwk         []byte
}

// Fingerprint identifies a public key together with its id and its algorithm. The same
// key read twice has the same fingerprint.
type Fingerprint [sha256.Size]byte

// NewPublicKey pins a key to an algorithm. If id is empty, the key's thumbprint becomes
// its id (RFC 7638). The caller must not change the key afterwards. NewPublicKey returns
// [ErrKey] for an id above [MaxKeyIDBytes], and the errors of [CheckKey].
func NewPublicKey(pub crypto.PublicKey, a Algorithm, id string) (*PublicKey, error) {
	if err := CheckKey(pub, a); err != nil {
		return nil, err
	}
	if len(id) > MaxKeyIDBytes {
		return nil, fmt.Errorf("%w: id of %d bytes, at most %d are allowed", ErrKey, len(id), MaxKeyIDBytes)
	}
	print, err := thumbprint(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: no thumbprint: %w", ErrKey, err)
	}
	if id == "" {
		id = print
	}
	checker, err := newChecker(a)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrAlgorithm, a)
	}
	jwk, err := encodeKey(pub, a, id)
	if err != nil {
		return nil, fmt.Errorf("%w: cannot be encoded: %w", ErrKey, err)
	}
	return &PublicKey{
		id: id, algorithm: a, key: pub,
		size:        signatureSize(pub, a),
		checker:     checker,
		fingerprint: sha256.Sum256([]byte(string(a) + "\x00" + print + "\x00" + id)),
		jwk:         jwk,
	}, nil
}

// ID returns the id of the key.
func (k *PublicKey) ID() string { return k.id }

// Algorithm returns the algorithm that the key is pinned to.
func (k *PublicKey) Algorithm() Algorithm { return k.algorithm }

// Key returns the key itself. The caller must not change it.
func (k *PublicKey) Key() crypto.PublicKey { return k.key }

// Fingerprint returns the fingerprint of the key.
func (k *PublicKey) Fingerprint() Fingerprint { return k.fingerprint }

// verify checks the signature of m. The key determines the algorithm, and the message
// must name the same one.
func (k *PublicKey) verify(m *Message) error {
	if m.Header.Algorithm != k.algorithm {
		return fmt.Errorf("%w: the key is for %s, not %s", ErrAlgorithm, k.algorithm, m.Header.Algorithm)
	}
	if len(m.signature) != k.size || k.checker.Verify(m.signed, m.signature, k.key) != nil {
		return ErrSignature
	}
	return nil
}
