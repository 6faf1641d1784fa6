package mytoken

import (
	"crypto/rand"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"

	"github.com/mytoken-go/sdk/internal/terms"
)

// ErrID reports text that is not a mom_id, or not a jti. No other spelling of one is
// accepted.
var ErrID = errors.New("mytoken: malformed id: pass it on exactly as the list or the token spells it")

// TokenID names a token over all its generations: the SHA-512 of its jti. Its String is
// the mom_id (protocol section 1.3), and its URLSafe is the same for URLs. [ParseMomID]
// reads both back. It is not a secret.
type TokenID = terms.TokenID

// ParseMomID reads a mom_id. It accepts exactly what TokenID.String and TokenID.URLSafe
// write, and returns [ErrID] for anything else.
func ParseMomID(text string) (TokenID, error) {
	encoding := base64.StdEncoding
	if len(text) == base64.RawURLEncoding.EncodedLen(len(TokenID{})) {
		encoding = base64.RawURLEncoding
	}
	b, err := encoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(TokenID{}) || encoding.EncodeToString(b) != text {
		return TokenID{}, ErrID
	}
	return TokenID(b), nil
}

// OwnerID names a user of a provider; see [Owner].
type OwnerID = terms.OwnerID

// Owner returns the id of a user: the SHA3-256 of subject "@" issuer. Its text is the
// "sub" claim (protocol section 1.3). If either part is empty, Owner returns an id that
// names nobody; a token with such a claim is refused.
func Owner(oidcIssuer, oidcSubject string) OwnerID {
	if oidcIssuer == "" || oidcSubject == "" {
		return sha3.Sum256(nil)
	}
	return sha3.Sum256([]byte(oidcSubject + "@" + oidcIssuer))
}

// JTI is the random identity of a token, its "jti" claim: a UUID of version 4 (RFC 9562
// section 5.4). It stays the same over rotations. The zero value is no identity.
//
// Lists and logs show the [JTI.TokenID] of a token, and not its jti.
type JTI [16]byte

// newJTI draws a new identity from crypto/rand.
func newJTI() JTI {
	var id JTI
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// jtiDashes are the places of the dashes in the text of a UUID.
var jtiDashes = [...]int{8, 13, 18, 23}

// ParseJTI reads a UUID of any version in lower-case dashed form, the only form that
// tokens use (protocol section 1.2). It returns [ErrID] for anything else and for the
// zero UUID.
func ParseJTI(text string) (JTI, error) {
	var id JTI
	if len(text) != 36 {
		return id, ErrID
	}
	digits := make([]byte, 0, 32)
	next := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case next < len(jtiDashes) && i == jtiDashes[next]:
			if c != '-' {
				return JTI{}, ErrID
			}
			next++
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
			digits = append(digits, c)
		default:
			return JTI{}, ErrID
		}
	}
	if _, err := hex.Decode(id[:], digits); err != nil || id.IsZero() {
		return JTI{}, ErrID
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

// TokenID returns the id under which the protocol and the store know the token: the
// SHA-512 of the 16 bytes (protocol section 1.3).
func (id JTI) TokenID() TokenID { return sha512.Sum512(id[:]) }
