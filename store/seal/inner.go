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

// innerMaterial is the key material of a [DataKey] or a [Secret].
type innerMaterial struct {
	redacted
	secret material
}

// IsZero reports whether there is no key.
func (m innerMaterial) IsZero() bool { return m.secret == nil }

func (m innerMaterial) innerKey() []byte {
	if m.secret == nil {
		return nil
	}
	return m.secret()
}

// DataKey is a random key of a grant or of a login. A store keeps it sealed under a
// [Secret]. It prints, logs and encodes as "[redacted]". Wherever a key is needed, the
// zero DataKey gets [ErrNoKey].
type DataKey struct{ innerMaterial }

// NewDataKey returns a new random key.
func NewDataKey() DataKey {
	b := make([]byte, keySize)
	rand.Read(b) // never fails
	return DataKey{innerMaterial{secret: hide(b)}}
}

// ParseDataKey reads what [DataKey.Reveal] returned. It copies b. It returns [ErrFormat]
// unless b has 32 bytes that are not all zero.
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

// Purpose separates the keys that are made of one secret. It should name its version, as
// the purposes below do. Changing a purpose makes everything unreadable that was sealed
// for it.
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
)

// Secret is a key made of a compact token, a short token, or a code that somebody holds.
// It does not contain what it was made of. It prints, logs and encodes as "[redacted]".
// Wherever a key is needed, the zero Secret gets [ErrNoKey].
type Secret struct{ innerMaterial }

// FromSecret makes a key of a compact token, a short token or a code, by HKDF-SHA256 (RFC
// 5869) without salt. It adds no strength to a weak secret: whoever has the database and
// the server keys can try all codes that are easy to guess. An empty secret or purpose
// gives the zero Secret.
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
