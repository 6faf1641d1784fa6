package plan

import (
	"slices"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// explain describes the use that is refused, or may be.
func (l *look) explain(j *judgement) *Break {
	b := &Break{
		At: time.Unix(j.breach.spot.second, 0).UTC(), Phase: j.phase, Name: l.plan.Phases[j.phase].Name,
		Kind: j.kind, Host: j.breach.spot.host, Clause: restriction.NoClause,
	}
	if lacking := l.lacks(b.Phase, b.Kind); lacking != "" {
		b.Capability, b.Keys = lacking, []string{KeyCapabilities}
		return b
	}
	dead := l.dead
	if j.answer == Perhaps {
		dead = l.idle
		options := j.breach.spot.options
		if i := slices.IndexFunc(options, func(o option) bool { return o.fit == fits }); i >= 0 {
			b.Clause, b.Keys = l.f.Clauses[options[i].clause].Index, []string{limitKey(b.Kind)}
			return b // the clause fits, but other uses may empty it
		}
	}
	for i := range l.f.Clauses {
		c := &l.f.Clauses[i]
		if keys := l.keys(c, b, dead); i == 0 || len(keys) < len(b.Keys) {
			b.Clause, b.Keys = c.Index, keys
		}
	}
	return b
}

// keys returns the keys of a clause that stand in the way of a use. If it finds none, it
// returns the key that limits the uses or, without a limit, the keys that nobody can
// judge.
func (l *look) keys(c *forecast.Clause, b *Break, dead int64) []string {
	keys := l.timeKeys(c, b.At)
	if end := l.endKey(b.At.Unix(), dead); end != "" && !slices.Contains(keys, end) {
		keys = append(keys, end)
	}
	if f := c.Facts; f != nil {
		p := &l.plan.Phases[b.Phase]
		if b.Kind == restriction.AT && !among(p.Scopes, f.Scopes) {
			keys = append(keys, restriction.KeyScope)
		}
		if b.Kind == restriction.AT && (!among(p.Audiences, f.Audiences) || len(p.Audiences) == 0 && f.Audiences != nil) {
			keys = append(keys, restriction.KeyAudience)
		}
		if f.MatchHost(b.Host) != restriction.Matches {
			keys = append(keys, restriction.KeyHosts)
		}
	}
	if left, limited := c.Left.Of(b.Kind); limited && (left == 0 || len(keys) == 0) {
		keys = append(keys, limitKey(b.Kind))
	}
	if len(keys) == 0 {
		keys = append(slices.Clone(c.Lookups), c.CannotTell...)
	}
	return keys
}

// timeKeys returns the keys that close a clause at an instant.
func (l *look) timeKeys(c *forecast.Clause, at time.Time) []string {
	f := c.Facts
	switch {
	case c.Never != nil:
		return []string{c.Never.Key}
	case f != nil && at.Unix() > f.Last:
		return []string{restriction.KeyExpires}
	case c.At(at) != forecast.Closed:
		return nil
	case f != nil && at.Unix() < f.First, at.Before(l.token.NotBefore):
		return []string{restriction.KeyNotBefore}
	}
	var keys []string
	if f != nil {
		for _, condition := range f.Conditions {
			keys = append(keys, condition.Key)
		}
	}
	return keys
}

// limitKey returns the key that limits a kind of use.
func limitKey(kind restriction.Kind) string {
	if kind == restriction.AT {
		return restriction.KeyUsagesAT
	}
	return restriction.KeyUsagesOther
}
