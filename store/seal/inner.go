package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
)

// InnerKey is the key of an inner layer: a [DataKey] or a [Secret]. No other type
// implements it.
type InnerKey interface {
	// innerKey returns 32 bytes, or nil for a zero value.
	innerKey() []byte
}

// innerMaterial is the key material of a [DataKey] or a [Secret].
type innerMaterial struct {
	redacted
	secret material
}

// IsZero reports whether the value holds no key.
func (m innerMaterial) IsZero() bool { return m.secret == nil }

func (m innerMaterial) innerKey() []byte {
	if m.secret == nil {
		return nil
	}
	return m.secret()
}

// DataKey is a random key of a grant or of a login. A store keeps it sealed under a
// [Secret]. It prints, logs and encodes as "[redacted]". [Ring.SealWith] and
// [Ring.OpenWith] return [ErrNoKey] for the zero DataKey.
type DataKey struct{ innerMaterial }

// NewDataKey returns a new random key.
func NewDataKey() DataKey {
	b := make([]byte, keySize)
	rand.Read(b) // never fails
	return DataKey{innerMaterial{secret: hide(b)}}
}

// ParseDataKey turns the bytes that [DataKey.Reveal] returned into a key. It copies b. It
// returns [ErrFormat] unless b has 32 bytes that are not all zero.
func ParseDataKey(b []byte) (DataKey, error) {
	if len(b) != keySize || isZero(b) {
		return DataKey{}, malformed("not a data key")
	}
	return DataKey{innerMaterial{secret: hide(b)}}, nil
}

// Reveal returns a copy of the 32 bytes of the key, to be sealed under a [Secret]. It
// returns nil for the zero DataKey.
func (k DataKey) Reveal() []byte {
	return append([]byte(nil), k.innerKey()...)
}

// Purpose separates the keys that [FromSecret] makes from one secret. It should name its
// version, as the purposes below do. If a purpose changes, nothing that was sealed for it
// opens any more.
type Purpose string

// The purposes of an issuer.
const (
	// PurposeTokenKey opens the key of a grant at [store.TokenKeyPlace] with the compact
	// token.
	PurposeTokenKey Purpose = "token key v1"
	// PurposeSuccessor opens the response of a rotation at [store.SuccessorPlace] with
	// the outdated compact token.
	PurposeSuccessor Purpose = "successor v1"
	// PurposeTicketKey opens the key of a ticket at [store.TicketKeyPlace] with its code.
	PurposeTicketKey Purpose = "ticket key v1"
	// PurposeTicketPayload opens the payload of a ticket at [store.TicketPayloadPlace]
	// with its code or short token.
	PurposeTicketPayload Purpose = "ticket payload v1"
	// PurposeSSHKey opens the payload of an SSH key at [store.TicketPayloadPlace] with the
	// name of the SSH user.
	PurposeSSHKey Purpose = "ssh key v1"
)

// Secret is a key made from a compact token, a short token, or a code that somebody
// holds. It does not contain the token or code itself. It prints, logs and encodes as
// "[redacted]". [Ring.SealWith] and [Ring.OpenWith] return [ErrNoKey] for the zero
// Secret.
type Secret struct{ innerMaterial }

// FromSecret makes a key from a compact token, a short token or a code, by HKDF-SHA256
// (RFC 5869) without salt. It adds no strength to a weak secret: a thief of the database
// and the server keys can try all codes that are easy to guess. An empty secret or
// purpose gives the zero Secret. In Go's FIPS 140-only mode, so does a secret that is too
// short for HKDF there.
func FromSecret(purpose Purpose, secret string) Secret {
	if purpose == "" || secret == "" {
		return Secret{}
	}
	b, err := hkdf.Key(sha256.New, []byte(secret), nil, "mytoken seal v1 secret: "+string(purpose), keySize)
	if err != nil { // a short code in FIPS 140-only mode
		return Secret{}
	}
	return Secret{innerMaterial{secret: hide(b)}}
}
