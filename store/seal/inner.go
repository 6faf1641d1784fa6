package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
)

// InnerKey is the key of an inner layer: a [DataKey] or a [Secret].
type InnerKey interface {
	// innerKey returns 32 bytes, or nil for a zero value.
	innerKey() []byte
}

// DataKey is a random key: that of a grant, or that of a login. It is itself
// stored sealed under a [Secret]. Printed, logged or marshalled it is
// "[redacted]"; the zero DataKey is refused.
type DataKey struct {
	redacted
	secret material
}

// NewDataKey returns a new random key.
func NewDataKey() DataKey {
	b := make([]byte, keySize)
	rand.Read(b) // never fails
	return DataKey{secret: hide(b)}
}

// ParseDataKey returns the key that [DataKey.Reveal] gave. It copies b. A
// length other than 32 bytes, or nothing but zeros, fails with [ErrFormat].
func ParseDataKey(b []byte) (DataKey, error) {
	if len(b) != keySize || isZero(b) {
		return DataKey{}, malformed("not a data key")
	}
	return DataKey{secret: hide(b)}, nil
}

// Reveal returns a copy of the 32 bytes of the key, to be sealed under a
// [Secret]; nil for the zero DataKey.
func (k DataKey) Reveal() []byte {
	return append([]byte(nil), k.innerKey()...)
}

// IsZero reports whether there is no key.
func (k DataKey) IsZero() bool { return k.secret == nil }

func (k DataKey) innerKey() []byte {
	if k.secret == nil {
		return nil
	}
	return k.secret()
}

// Purpose separates the keys that are made of one secret. It should name its
// version, as the ones below do. Changing one makes unreadable what was sealed
// for it.
type Purpose string

// The purposes of an issuer.
const (
	// PurposeTokenKey opens the key of a grant at [store.TokenKeyPlace] with
	// the compact token.
	PurposeTokenKey Purpose = "token key v1"
	// PurposeSuccessor opens the response of a rotation at
	// [store.SuccessorPlace] with the outdated compact token.
	PurposeSuccessor Purpose = "successor v1"
	// PurposeTicketKey opens the key of a ticket at [store.TicketKeyPlace]
	// with its code.
	PurposeTicketKey Purpose = "ticket key v1"
	// PurposeTicketPayload opens the payload of a ticket at
	// [store.TicketPayloadPlace] with its code or short token.
	PurposeTicketPayload Purpose = "ticket payload v1"
)

// Secret is the key that somebody holds in the form of a compact token, a
// short token, or a code. It does not contain what it was made of. Printed,
// logged or marshalled it is "[redacted]"; the zero Secret is refused.
type Secret struct {
	redacted
	secret material
}

// FromSecret makes a key of a compact token, a short token or a code, by
// HKDF-SHA256 without salt. It adds no strength to a weak secret: a code that
// can be guessed is as good as public to who has the database and the server
// keys. An empty secret or purpose gives the zero Secret.
func FromSecret(purpose Purpose, secret string) Secret {
	if purpose == "" || secret == "" {
		return Secret{}
	}
	b, err := hkdf.Key(sha256.New, []byte(secret), nil, "mytoken seal v1 secret: "+string(purpose), keySize)
	if err != nil { // a short code in FIPS 140-only mode
		return Secret{}
	}
	return Secret{secret: hide(b)}
}

// IsZero reports whether there is no key.
func (s Secret) IsZero() bool { return s.secret == nil }

func (s Secret) innerKey() []byte {
	if s.secret == nil {
		return nil
	}
	return s.secret()
}
