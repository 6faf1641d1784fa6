package plan

import (
	"math"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// KeyRotation is the name of the claim that says how long a generation of a token lives
// (protocol section 4.1).
const KeyRotation = "rotation"

// never is a second that no clock reaches.
const never = math.MaxInt64

// live finds out how long the token lives. In the worst case, no use of the plan comes
// before the generation ends, because a phase may make none. In the best case, each use
// comes when it prolongs the life of the token most.
func (l *look) live() {
	l.idle, l.dead = never, never
	if life := l.token.Life(); !life.Fixed() {
		l.idle = life.Idle.Unix() + 1
		l.compete()
		if last := l.token.LivesUntil(l.renewals()); !last.IsZero() {
			l.dead = last.Unix() + 1
		}
	}
	l.compete()
}

// renewals returns the uses of the plan that renew the token, or may. It counts the limit
// of a phase again after each gap, so it returns too many rather than too few.
func (l *look) renewals() []forecast.Uses {
	var all []forecast.Uses
	for k, kind := range kinds {
		if !l.token.Renews(kind) {
			continue
		}
		c := &l.contest[k]
		for i := range c.demands {
			d := &c.demands[i]
			most := d.need
			if most == AnyNumber {
				most = math.MaxInt64
			}
			own := len(all)
			for _, s := range d.spots {
				if len(s.options) == 0 {
					continue
				}
				first, last := time.Unix(s.second, 0), time.Unix(s.last, 0)
				if n := len(all); n > own && !first.After(all[n-1].Last.Add(time.Second)) {
					all[n-1].Last = last
				} else {
					all = append(all, forecast.Uses{First: first, Last: last, Most: most})
				}
			}
		}
	}
	return all
}

// endKey returns the claim that has ended the token by a second, or "" if the token may
// be alive. From the second dead on, that claim is rotation.
func (l *look) endKey(second, dead int64) string {
	life := l.token.Life()
	switch {
	case second >= dead:
		return KeyRotation
	case life.Last.IsZero() || second <= life.Last.Unix():
		return ""
	case l.token.Expires.IsZero() || second <= l.token.Expires.Unix():
		return KeyRotation
	}
	return restriction.KeyExpires
}
