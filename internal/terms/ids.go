// Package terms has the types that the store, the restrictions and the tokens share: ids,
// kinds of uses, and counters. They are here because none of these packages imports
// another. Each of them exports the types under names of its own.
package terms

import "encoding/base64"

// TokenID names a mytoken over all its generations. It is the SHA-512 of the 16 bytes of
// the token's jti. Its text is the mom_id (protocol section 1.3). It is not a secret.
type TokenID [64]byte

// IsZero reports whether the id was never set. No store accepts a zero id where it needs
// one.
func (id TokenID) IsZero() bool { return id == TokenID{} }

// String returns the mom_id: standard base64 with padding.
func (id TokenID) String() string { return base64.StdEncoding.EncodeToString(id[:]) }

// URLSafe returns the mom_id in the URL-safe alphabet without padding (RFC 4648 section 5):
// 86 letters, digits, "-" and "_", for paths, queries and names of files. The protocol
// knows only the form of String.
func (id TokenID) URLSafe() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// OwnerID names a user. It is the SHA3-256 of subject "@" issuer. Its text is the "sub"
// claim (protocol section 1.3).
type OwnerID [32]byte

// IsZero reports whether the id was never set.
func (id OwnerID) IsZero() bool { return id == OwnerID{} }

// String returns the "sub" claim: standard base64 with padding.
func (id OwnerID) String() string { return base64.StdEncoding.EncodeToString(id[:]) }
