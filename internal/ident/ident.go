// Package ident holds the ids of tokens and users. The store and the token packages
// share them: the store keys its rows by them, and neither package imports the other.
package ident

import "encoding/base64"

// TokenID names a mytoken over all its generations: the SHA-512 of the 16 bytes of its
// jti. Its text is the mom_id (protocol section 1.3). It is not a secret.
type TokenID [64]byte

// IsZero reports whether the id was never set. No store accepts a zero id where it needs
// one.
func (id TokenID) IsZero() bool { return id == TokenID{} }

// String returns the mom_id: standard base64 with padding.
func (id TokenID) String() string { return base64.StdEncoding.EncodeToString(id[:]) }

// ParseTokenID reads a mom_id. It accepts exactly what [TokenID.String] writes.
func ParseTokenID(text string) (id TokenID, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(id) || base64.StdEncoding.EncodeToString(b) != text {
		return TokenID{}, false
	}
	return TokenID(b), true
}

// OwnerID names a user: the SHA3-256 of subject "@" issuer. Its text is the "sub" claim
// (protocol section 1.3).
type OwnerID [32]byte

// IsZero reports whether the id was never set.
func (id OwnerID) IsZero() bool { return id == OwnerID{} }

// String returns the "sub" claim: standard base64 with padding.
func (id OwnerID) String() string { return base64.StdEncoding.EncodeToString(id[:]) }
