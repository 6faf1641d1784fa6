package restriction

import (
	"slices"
	"time"
)

// Bounds returns the nbf and exp of a token that is created at now with these
// restrictions, in Unix seconds (protocol section 1.4). If every clause expires, expires
// is the latest exp. Otherwise it is 0, and the token does not expire. If every clause
// begins in the future, notBefore is the first nbf. Otherwise it is now.
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

// LimitLifetime returns a copy of l that admits nothing after now+most. Every clause
// expires then or earlier, and a list without clauses gets one. A clause that begins
// later is dropped. If none remains, the error is [ErrNothingLeft]. changed reports
// whether anything had to be done. A most of 0 or less is no limit (protocol section
// 2.8).
//
// An issuer limits the restrictions of a root. For a child it calls
// [Narrowed.LimitLifetime] on the result of [Narrow]. To limit what is wanted would be
// wrong: a clause that was added here would not fit the parent (protocol section 10.2,
// D22).
func (l List) LimitLifetime(now time.Time, most time.Duration) (limited List, changed bool, err error) {
	n := Narrowed{List: l}
	n, changed, err = n.LimitLifetime(now, most)
	return n.List, changed, err
}

// LimitLifetime does for a child what [List.LimitLifetime] does. Each clause draws on the
// parent's clause that it drew on before.
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
		return Narrowed{}, true, ErrNothingLeft
	}
	return limited, changed, nil
}
