package restriction

import (
	"fmt"
	"slices"
	"time"
)

// Bounds returns the nbf and exp, in Unix seconds, of a token with these restrictions
// that is created at now (protocol section 1.4).
//
// If every clause begins in the future, notBefore is the earliest nbf; otherwise it is
// now. If every clause expires, expires is the latest exp. Otherwise expires is 0, which
// means that the token does not expire.
func (l List) Bounds(now time.Time) (notBefore, expires int64) {
	notBefore = now.Unix()
	if len(l) == 0 {
		return notBefore, 0
	}
	first, last := int64(noEnd), int64(0)
	forever := false
	for i := range l {
		first = min(first, l[i].NotBefore) // 0 if some clause has none
		last = max(last, l[i].Expires)
		forever = forever || l[i].Expires == 0
	}
	if forever {
		last = 0
	}
	return max(notBefore, first), last
}

// LimitLifetime returns a copy of l that admits nothing after now+most (protocol section
// 2.8). Every clause then expires at that time or earlier. An empty list gets one clause
// that expires then. LimitLifetime drops clauses that begin later; if none remains, it
// returns [ErrNothingLeft]. changed reports whether the copy differs from l. If most is 0
// or less, there is no limit.
//
// An issuer limits the restrictions of a root token with this method. For a child it
// calls [Narrowed.LimitLifetime] on the result of [Narrow]. Do not limit the wanted
// restrictions of a child: a clause that was added to them would not be within the parent
// (protocol section 10.2, D22). A policy of an issuer may call it for every token: those of
// a child are narrowed by then.
func (l List) LimitLifetime(now time.Time, most time.Duration) (limited List, changed bool, err error) {
	n := Narrowed{List: l}
	n, changed, err = n.LimitLifetime(now, most)
	return n.List, changed, err
}

// LimitLifetime does for a child what [List.LimitLifetime] does for a root token. Each
// clause keeps its index in Draws.
func (n Narrowed) LimitLifetime(now time.Time, most time.Duration) (limited Narrowed, changed bool, err error) {
	limited = n
	if most <= 0 {
		limited.List, limited.Draws = n.List.Clone(), slices.Clone(n.Draws)
		return limited, false, nil
	}
	limited.List, limited.Draws = nil, nil
	end := now.Add(most).Unix()
	for i := range n.List {
		c := n.List[i].Clone()
		if c.NotBefore > end {
			changed = true
			continue
		}
		if c.Expires == 0 || c.Expires > end {
			c.Expires, changed = end, true
		}
		limited.List = append(limited.List, c)
		if i < len(n.Draws) {
			limited.Draws = append(limited.Draws, n.Draws[i])
		}
	}
	if len(n.List) == 0 {
		limited.List, limited.Draws = List{{Expires: end}}, []int{NoClause}
		return limited, true, nil
	}
	if len(limited.List) == 0 {
		return Narrowed{}, true, fmt.Errorf("%w: each begins after %s, when the longest lifetime ends", ErrNothingLeft, time.Unix(end, 0).UTC().Format(time.RFC3339))
	}
	return limited, changed, nil
}
