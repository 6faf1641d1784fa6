package plan

import (
	"slices"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// keys are those of a clause that stand in the way of a use. A use that nothing
// else stands in the way of finds no use left.
func (l *look) keys(i int, a *arena, b *Break) []string {
	c, s, p := &l.forecast.Clauses[i], &a.sources[i], &l.plan.Phases[b.Phase]
	keys := l.timeKeys(c, b)
	if end := l.endKey(a, b.At.Unix()); end != "" && !slices.Contains(keys, end) {
		keys = append(keys, end)
	}
	if b.Kind == restriction.AT {
		if !subset(sorted(p.Scopes), s.limits.Scopes) {
			keys = append(keys, restriction.KeyScope)
		}
		if !subset(sorted(p.Audiences), s.limits.Audiences) {
			keys = append(keys, restriction.KeyAudience)
		}
	}
	if fitHost(s.limits.Hosts, b.Host) != fits {
		keys = append(keys, restriction.KeyHosts)
	}
	if left := s.left(b.Kind); left != AnyNumber && (left == 0 || len(keys) == 0) {
		keys = append(keys, limitKey(b.Kind))
	}
	if len(keys) == 0 {
		keys = append(slices.Clone(c.Lookups), c.CannotTell...)
	}
	return keys
}

// timeKeys are the keys of a clause that is closed at the time of the use.
func (l *look) timeKeys(c *forecast.Clause, b *Break) []string {
	now := b.At.Unix()
	switch {
	case c.Never != nil:
		return []string{neverKey(c.Never)}
	case c.Limits.Expires != 0 && now > c.Limits.Expires:
		return []string{restriction.KeyExpires}
	case c.At(b.At) != forecast.Closed:
		return nil
	case now < c.Limits.NotBefore, !l.token.NotBefore.IsZero() && now < l.token.NotBefore.Unix():
		return []string{restriction.KeyNotBefore}
	}
	var own []string
	for _, extra := range c.Limits.Extra {
		own = append(own, extra.Key)
	}
	return own
}

func limitKey(kind restriction.Kind) string {
	if kind == restriction.AT {
		return restriction.KeyUsagesAT
	}
	return restriction.KeyUsagesOther
}
