package mytoken

import (
	"crypto/rand"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"errors"

	"github.com/mytoken-go/sdk/internal/terms"
)

// TokenID names a token over all its generations: the SHA-512 of its jti. Its String is
// the mom_id (protocol section 1.3); [ParseMomID] reads it back. It is not a secret.
type TokenID = terms.TokenID

// OwnerID names a user of a provider; see [Owner].
type OwnerID = terms.OwnerID

// JTI is the random identity of a token, its "jti" claim: a UUID of version 4
// (RFC 9562 section 5.4). It stays the same over rotations. The zero value is no
// identity.
//
// A jti is not printed in places where a token is named; its hash is, see
// [JTI.TokenID].
type JTI [16]byte

// ErrMomID reports text that is not a mom_id.
var ErrMomID = terms.ErrTokenID

// ErrJTI reports text that is not a jti.
var ErrJTI = errors.New("mytoken: not a UUID in lower-case dashed form")

// NewJTI draws a new identity from crypto/rand.
func NewJTI() JTI {
	var id JTI
	_, _ = rand.Read(id[:]) // it never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// jtiDashes are the places of the dashes in the text of a UUID.
var jtiDashes = [...]int{8, 13, 18, 23}

// ParseJTI reads the lower-case dashed form, the only one that tokens use
// (protocol section 1.2), of any version. It refuses everything else, and the
// zero UUID, with [ErrJTI].
func ParseJTI(text string) (JTI, error) {
	var id JTI
	if len(text) != 36 {
		return id, ErrJTI
	}
	digits := make([]byte, 0, 32)
	next := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case next < len(jtiDashes) && i == jtiDashes[next]:
			if c != '-' {
				return JTI{}, ErrJTI
			}
			next++
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
			digits = append(digits, c)
		default:
			return JTI{}, ErrJTI
		}
	}
	if _, err := hex.Decode(id[:], digits); err != nil || id.IsZero() {
		return JTI{}, ErrJTI
	}
	return id, nil
}

// IsZero reports whether id is the zero UUID.
func (id JTI) IsZero() bool { return id == JTI{} }

// String returns the lower-case dashed form.
func (id JTI) String() string {
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	for _, i := range jtiDashes {
		text[i] = '-'
	}
	return string(text[:])
}

// TokenID returns the id under which the protocol and the store know the token:
// the SHA-512 of the 16 bytes. Its text is the mom_id (protocol section 1.3).
func (id JTI) TokenID() TokenID { return sha512.Sum512(id[:]) }

// ParseMomID reads the text of a token's id, as it stands in "mom_id" (protocol
// section 1.3). It reads the one accepted spelling, and returns [ErrMomID] for anything
// else.
func ParseMomID(text string) (TokenID, error) { return terms.ParseTokenID(text) }

// Owner returns the id of a user of a provider: the SHA3-256 of
// subject "@" issuer. Its text is the "sub" claim (protocol section 1.3). If
// either part is empty, nothing is hashed and the result names nobody: tokens
// with such a claim are refused.
func Owner(oidcIssuer, oidcSubject string) OwnerID {
	if oidcIssuer == "" || oidcSubject == "" {
		return sha3.Sum256(nil)
	}
	return sha3.Sum256([]byte(oidcSubject + "@" + oidcIssuer))
}
