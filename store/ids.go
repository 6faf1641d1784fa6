package store

import (
	"time"

	"github.com/mytoken-go/sdk/internal/terms"
)

// TokenID names a mytoken over all its generations. It is a [64]byte, the SHA-512 of the
// 16 bytes of the token's jti. It is not a secret. The method String returns the mom_id,
// which is the id in standard base64 with padding (protocol section 1.3). The method
// IsZero reports whether the id was never set.
type TokenID = terms.TokenID

// GrantID names a grant: one login at the provider. It is random.
type GrantID [16]byte

// OwnerID names a user. It is a [32]byte, the SHA3-256 of subject "@" issuer. The method
// String returns the "sub" claim, which is the id in standard base64 with padding
// (protocol section 1.3). The method IsZero reports whether the id was never set.
type OwnerID = terms.OwnerID

// UseID names one use of a token or one taker of a ticket. The caller draws it at random,
// and passes the same id when it repeats the call.
type UseID [16]byte

// LeaseID names one attempt to refresh a grant, or one replacement of its refresh token.
// The caller draws it at random, and passes the same id when it repeats a call.
type LeaseID [16]byte

// Sum is the SHA-256 of a compact token, exactly as its holder presents it.
type Sum [32]byte

// TicketID is the hash under which a code or a short token is stored. Package seal makes
// it.
type TicketID [32]byte

// IsZero reports whether the id was never set.
func (id GrantID) IsZero() bool { return id == GrantID{} }

// IsZero reports whether the id was never set.
func (id UseID) IsZero() bool { return id == UseID{} }

// IsZero reports whether the id was never set.
func (id LeaseID) IsZero() bool { return id == LeaseID{} }

// IsZero reports whether the sum was never set.
func (s Sum) IsZero() bool { return s == Sum{} }

// IsZero reports whether the id was never set.
func (id TicketID) IsZero() bool { return id == TicketID{} }

// Micros is an instant in microseconds since the Unix epoch. Zero means "none".
type Micros int64

// At converts a time to Micros. It drops fractions of a microsecond. The zero time gives
// zero.
func At(t time.Time) Micros {
	if t.IsZero() {
		return 0
	}
	return Micros(t.UnixMicro())
}

// Time converts the instant to a time in UTC. Zero gives the zero time.
func (m Micros) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

// Add returns the instant that is d later. It drops fractions of a microsecond of d.
func (m Micros) Add(d time.Duration) Micros { return m + Micros(d.Microseconds()) }

// Remembered is the least time for which a store recognises a repeated use or refresh by
// its identity. Sweep may forget the identity afterwards.
const Remembered = 24 * time.Hour

// MaxDepth is the most ancestors that a token may have. An issuer may be configured to
// allow fewer. The number is bounded because a store looks at every ancestor to tell
// whether the token is live.
const MaxDepth = 16
