package mytoken

import "time"

// SetTimes sets IssuedAt, NotBefore and ExpiresAt of a generation that is issued at now.
// They follow from the restrictions and the rotation (protocol sections 1.4 and 4.3,
// D41), for the first generation and for every later one.
//
//   - ExpiresAt is the latest exp of the clauses, if all of them have one. If the
//     lifetime of the generation ends earlier, it is that time. If neither is a bound, it
//     is 0.
//   - NotBefore is the earliest nbf of the clauses, if all of them have one in the
//     future. Otherwise it is now. So a rotation keeps an nbf that is still to come.
func (c *Claims) SetTimes(now time.Time) {
	c.IssuedAt = now.Unix()
	c.NotBefore, c.ExpiresAt = c.Restrictions.Bounds(now)
	if limit := c.Rotation.Expiry(now); !limit.IsZero() && (c.ExpiresAt == 0 || limit.Unix() < c.ExpiresAt) {
		c.ExpiresAt = limit.Unix()
	}
}

// Next returns the claims of the next generation, which is issued at now (protocol
// section 4.3). They share the lists and pointers of c.
func (c Claims) Next(now time.Time) Claims {
	c.Seq++
	c.SetTimes(now)
	return c
}

// checkTimes returns an error if the token is not valid at now; it does not look at
// restrictions. Times count in whole seconds, and exp is the last second (protocol
// section 1.5). Leeway for clocks that differ applies to iat and nbf (D92), never to exp.
func (c *Claims) checkTimes(now time.Time, leeway time.Duration) error {
	at, latest := now.Unix(), now.Add(leeway).Unix()
	switch {
	case c.ExpiresAt != 0 && at > c.ExpiresAt:
		return &expiredError{c.ExpiresAt}
	case latest < max(c.NotBefore, c.IssuedAt):
		return &NotYetValidError{From: claimTime(max(c.NotBefore, c.IssuedAt))}
	}
	return nil
}

// expiredError is an [ErrTokenExpired] for a token whose signature was checked.
type expiredError struct{ at int64 }

func (e *expiredError) Error() string { return "mytoken: the token expired at " + claimText(e.at) }

func (e *expiredError) Is(target error) bool { return target == ErrTokenExpired }

func claimText(seconds int64) string { return claimTime(seconds).Format(time.RFC3339) }
