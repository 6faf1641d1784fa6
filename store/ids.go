package store

import (
	"time"

	"github.com/mytoken-go/sdk/internal/terms"
)

// TokenID names a mytoken over all its generations. It is the SHA-512 of the 16 bytes of
// its jti. Its String is the mom_id of the protocol (section 1.3). Its IsZero tells
// whether it was never set. It is not a secret.
type TokenID = terms.TokenID

// GrantID names a grant: one login at the provider. It is random.
type GrantID [16]byte

// OwnerID names a user. It is the SHA3-256 in the protocol's "sub" claim (protocol
// section 1.3). It has the methods of a TokenID.
type OwnerID = terms.OwnerID

// UseID names one use of a token or one taker of a ticket. The caller draws it at random
// and repeats it when it repeats the call.
type UseID [16]byte

// LeaseID names one attempt to refresh a grant. It is random and used once.
type LeaseID [16]byte

// Sum is the SHA-256 of a compact token as it was presented.
type Sum [32]byte

// TicketID is the look-up hash of a code or of a short token.
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

// At converts a time to Micros. The zero time gives zero. At cuts fractions of a
// microsecond.
func At(t time.Time) Micros {
	if t.IsZero() {
		return 0
	}
	return Micros(t.UnixMicro())
}

// Time converts back to a time in UTC. Zero gives the zero time.
func (m Micros) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

// Add returns the instant that is d later.
func (m Micros) Add(d time.Duration) Micros { return m + Micros(d.Microseconds()) }

// Remembered is how long at least a store recognises the identity of a repeated use or
// refresh. Housekeeping may forget it afterwards.
const Remembered = 24 * time.Hour

// MaxDepth is how many ancestors a store allows a token. An issuer may be configured to
// allow fewer. A store looks at each of them to tell whether the token is live.
const MaxDepth = 16
