package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// keySize is the size in bytes of every key: AES-256, and the output of
// SHA-256.
const keySize = 32

// KeyID names a server key. It is derived from the key, tells nothing about
// it, and stands in front of everything that is sealed under it. Not a secret.
type KeyID [8]byte

// String returns the id as 16 hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns what String returns.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// Key is a server key. It never shows itself: printed, logged or marshalled it
// is "[redacted]". The zero Key is refused wherever a key is needed.
type Key struct {
	redacted
	secret material
}

// NewKey returns a new random key.
func NewKey() Key {
	b := make([]byte, keySize)
	rand.Read(b) // never fails
	return Key{secret: hide(b)}
}

// keyPrefix makes a key recognisable to people and to scanners for leaked
// credentials.
const keyPrefix = "mytoken-seal-key-1-"

// keyCheck is how many bytes of the id follow the key in its text, so that a
// damaged text is refused and never becomes another key.
const keyCheck = 4

var keyEncoding = base64.RawURLEncoding.Strict()

// ParseKey reads what [Key.Reveal] returned. Anything else fails with [ErrFormat], be
// it white space around it, such as the line break that editors put at the end of a
// file: trim that before.
func ParseKey(text string) (Key, error) {
	if text != strings.TrimSpace(text) {
		return Key{}, malformed("white space around a key")
	}
	encoded, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return Key{}, malformed("not a key")
	}
	b, err := keyEncoding.DecodeString(encoded)
	if err != nil || len(b) != keySize+keyCheck || len(encoded) != keyEncoding.EncodedLen(len(b)) {
		return Key{}, malformed("damaged key")
	}
	if isZero(b[:keySize]) {
		return Key{}, malformed("not a key")
	}
	k := Key{secret: hide(b[:keySize])}
	id := k.ID()
	if string(id[:keyCheck]) != string(b[keySize:]) {
		return Key{}, malformed("damaged key")
	}
	return k, nil
}

// Reveal returns the key as text, for [ParseKey]. It is the only way to get at
// the key. The zero Key gives the empty string.
func (k Key) Reveal() string {
	if k.IsZero() {
		return ""
	}
	id := k.ID()
	return keyPrefix + keyEncoding.EncodeToString(append(k.secret()[:keySize:keySize], id[:keyCheck]...))
}

// ID returns the key's id; zero for the zero Key.
func (k Key) ID() KeyID {
	if k.IsZero() {
		return KeyID{}
	}
	return KeyID(k.derive("mytoken seal v1 key id", len(KeyID{})))
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.secret == nil }

// derive returns size bytes for one use of the key.
func (k Key) derive(use string, size int) []byte { return expand(k.secret(), use, size) }

// isZero reports whether a key was never filled in.
func isZero(key []byte) bool { return [keySize]byte(key) == [keySize]byte{} }

// expand is HKDF-Expand. It fails only on sizes that this package does not ask
// for.
func expand(key []byte, info string, size int) []byte {
	b, err := hkdf.Expand(sha256.New, key, info, size)
	if err != nil {
		panic(fmt.Sprintf("seal: deriving %d bytes: %v", size, err))
	}
	return b
}
