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

// keySize is the size of every key, in bytes. AES-256 needs keys of this size, and
// SHA-256 returns them.
const keySize = 32

// KeyID names a server key. It is derived from the key but reveals nothing about it.
// Every value sealed under the key begins with the format and this id. It is not a
// secret.
type KeyID [8]byte

// String returns the id as 16 hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns what String returns.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// Key is a server key. It prints, logs and encodes as "[redacted]". [NewRing] and
// [NewBox] return [ErrNoKey] for the zero Key.
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

// keyPrefix lets people and scanners for leaked credentials recognise a key.
const keyPrefix = "mytoken-seal-key-1-"

// keyCheck is how many bytes of the id follow the key in its text. They let ParseKey
// detect a damaged text instead of returning another key.
const keyCheck = 4

var keyEncoding = base64.RawURLEncoding.Strict()

// ParseKey turns the text that [Key.Reveal] returned into a key. It returns [ErrFormat]
// for anything else, even for white space around the text. Trim the line break that
// editors put at the end of a file.
func ParseKey(text string) (Key, error) {
	if text != strings.TrimSpace(text) {
		return Key{}, malformed("white space around a key: remove it")
	}
	encoded, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return Key{}, malformed("not a key: its text begins with " + keyPrefix)
	}
	b, err := keyEncoding.DecodeString(encoded)
	if err != nil || len(b) != keySize+keyCheck || len(encoded) != keyEncoding.EncodedLen(len(b)) {
		return Key{}, malformed("damaged key: copy it again")
	}
	if isZero(b[:keySize]) {
		return Key{}, malformed("not a key")
	}
	k := Key{secret: hide(b[:keySize])}
	id := k.ID()
	if string(id[:keyCheck]) != string(b[keySize:]) {
		return Key{}, malformed("damaged key: copy it again")
	}
	return k, nil
}

// Reveal returns the key as text, for [ParseKey]. Nothing else shows the key. Reveal
// returns the empty string for the zero Key.
func (k Key) Reveal() string {
	if k.IsZero() {
		return ""
	}
	id := k.ID()
	return keyPrefix + keyEncoding.EncodeToString(append(k.secret()[:keySize:keySize], id[:keyCheck]...))
}

// ID returns the id of the key. It returns the zero id for the zero Key.
func (k Key) ID() KeyID {
	if k.IsZero() {
		return KeyID{}
	}
	return KeyID(k.derive("mytoken seal v1 key id", len(KeyID{})))
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.secret == nil }

// derive returns a key of size bytes for one use of the server key.
func (k Key) derive(use string, size int) []byte { return expand(k.secret(), use, size) }

// isZero reports whether all bytes of a key are zero.
func isZero(key []byte) bool { return [keySize]byte(key) == [keySize]byte{} }

// expand is HKDF-Expand (RFC 5869 section 2.3). It panics only for sizes that this
// package does not ask for.
func expand(key []byte, info string, size int) []byte {
	b, err := hkdf.Expand(sha256.New, key, info, size)
	if err != nil {
		panic(fmt.Sprintf("seal: deriving %d bytes: %v", size, err))
	}
	return b
}
