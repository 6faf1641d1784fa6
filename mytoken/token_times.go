package mytoken

import (
	"fmt"
	"time"
)

// setTimes sets iat, nbf and exp of a generation that is issued at now, from the
// restrictions and the rotation (protocol sections 1.4 and 4.3, D41). It holds
// for the first generation and for every later one.
//
//   - exp is the largest exp of the clauses if all of them have one, and no later
//     than the lifetime of a generation allows; none if neither bounds it.
//   - nbf is the smallest nbf of the clauses if all of them have one and it is in
//     the future; otherwise now. So a rotation keeps a later nbf.
func (c *claims) setTimes(now time.Time) {
	c.issuedAt = now.Unix()
	c.notBefore, c.expiresAt = c.restrictions.Bounds(now)
	if limit := c.rotation.expiry(now); !limit.IsZero() && (c.expiresAt == 0 || limit.Unix() < c.expiresAt) {
		c.expiresAt = limit.Unix()
	}
}

// successor returns the claims of the next generation (protocol section 4.3).
func (t *Token) successor(now time.Time) claims {
	next := t.claims
	next.version = TokenVersion
	next.seq++
	next.setTimes(now)
	return next
}

// checkTimes reports whether a token may be used at now, apart from its
// restrictions. Times count in whole seconds: exp is the last second (protocol
// section 1.5). Leeway, for clocks that differ, is granted to iat and nbf (D92),
// never to exp.
func (c *claims) checkTimes(now time.Time, leeway time.Duration) error {
	at, latest := now.Unix(), now.Add(leeway).Unix()
	switch {
	case c.expiresAt != 0 && at > c.expiresAt:
		return fmt.Errorf("%w: at %s", ErrTokenExpired, claimText(c.expiresAt))
	case latest < max(c.notBefore, c.issuedAt):
		return &NotYetValidError{From: claimTime(max(c.notBefore, c.issuedAt))}
	}
	return nil
}

func claimText(seconds int64) string { return claimTime(seconds).Format(time.RFC3339) }
