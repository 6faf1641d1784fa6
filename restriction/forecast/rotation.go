package forecast

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// ErrRotation reports a token whose generations have a lifetime, although neither
// Token.Expires nor Rotation.Issued says when the present generation ends.
var ErrRotation = errors.New("forecast: the end of the generation is not known: set Token.Expires or Rotation.Issued")

// Rotation says when the next generation of a token replaces it (protocol section 4.1).
// Each generation ends Lifetime seconds after it was issued. A use that rotates the token
// before that end begins the next generation.
type Rotation struct {
	OnAT     bool   // rotate after each access token
	OnOther  bool   // rotate after each other use
	Lifetime uint64 // of each generation, in seconds; 0 is no limit
	// Issued is when the present generation was issued, its "iat". If it is zero, the
	// generation ends at Token.Expires.
	Issued time.Time
}

// Life says when a token ends, whatever its restrictions say. Both fields are the last
// second of the token. A zero field means that there is no end. The fields differ only if
// rotation moves the end.
type Life struct {
	Idle time.Time // the end if nobody uses the token any more
	Last time.Time // the end if the token is used in time, again and again
}

// Fixed reports whether the token ends at the same time with and without uses.
func (l Life) Fixed() bool { return l.Idle.Equal(l.Last) }

// Life returns when the token ends (protocol section 4.3). If Expires is the end of the
// present generation, each use that rotates the token moves it. Any other Expires is
// fixed. Life ignores the restrictions, which bound every generation.
func (t Token) Life() Life {
	r := t.Rotation
	if r == nil || r.Lifetime == 0 {
		return Life{t.Expires, t.Expires}
	}
	l := Life{Idle: t.Expires, Last: t.Expires}
	if !r.Issued.IsZero() {
		l.Idle = time.Unix(r.Issued.Unix()+r.seconds(), 0).UTC()
	}
	switch {
	case !t.Expires.IsZero() && t.Expires.Unix() < l.Idle.Unix():
		return Life{t.Expires, t.Expires} // something else bounds the token
	case !t.Renews(restriction.AT) && !t.Renews(restriction.Other):
		l.Last = l.Idle
	case t.Expires.IsZero() || t.Expires.Unix() == l.Idle.Unix():
		l.Last = time.Time{}
	}
	return l
}

// Renews reports whether a use of this kind begins a new generation of the token. A token
// that lacks the capability for a use is not renewed by it.
func (t Token) Renews(kind restriction.Kind) bool {
	switch {
	case t.Rotation == nil:
		return false
	case kind == restriction.AT:
		return t.Rotation.OnAT && !t.Lacks(capability.AT)
	}
	return kind == restriction.Other && t.Rotation.OnOther
}

// seconds returns the lifetime, at most 10,000 years.
func (r *Rotation) seconds() int64 { return int64(min(r.Lifetime, 10_000*366*24*60*60)) }

// Uses are uses of a token that may happen between two instants.
type Uses struct {
	First, Last time.Time // seconds, both included
	Most        int64     // how many; math.MaxInt64 is no limit
}

// LivesUntil returns the last second in which the token can be alive if at most these
// uses renew it. It assumes that each use happens when it helps most. A zero result means
// that there is no end. [Token.Renews] must be true for the kind of every use. LivesUntil
// ignores the restrictions.
func (t Token) LivesUntil(uses []Uses) time.Time {
	life := t.Life()
	if life.Fixed() {
		return life.Last
	}
	last := reach(life.Idle.Unix(), t.Rotation.seconds(), slices.Clone(uses))
	if !life.Last.IsZero() {
		last = min(last, life.Last.Unix())
	}
	return time.Unix(last, 0).UTC()
}

// reach returns the last second of a token that is used in the best way: at the end of a
// generation, or else as late as possible. It makes the uses first that end first. No
// other order reaches further, because the remaining uses can come later.
func reach(end, lifetime int64, uses []Uses) int64 {
	slices.SortFunc(uses, func(a, b Uses) int { return a.Last.Compare(b.Last) })
	for {
		i := slices.IndexFunc(uses, func(u Uses) bool {
			return u.Most > 0 && u.First.Unix() <= end && u.Last.Unix()+lifetime > end
		})
		if i < 0 {
			return end
		}
		u := &uses[i]
		made := int64(1)
		if last := u.Last.Unix(); last < end {
			end = last + lifetime
		} else {
			// Make many uses at once, until other uses become possible.
			made = min((last-end)/lifetime+1, u.Most)
			for _, other := range uses {
				if first := other.First.Unix(); first > end {
					made = min(made, (first-end-1)/lifetime+1)
				}
			}
			end += made * lifetime
		}
		if u.Most != math.MaxInt64 {
			u.Most -= made
		}
	}
}

// uses returns the uses that may rotate the token according to clauses. It gives every
// span all uses of its clause, although the spans of a clause share them. It also ignores
// that a use counts against the first clause that fits. So it returns too many rather
// than too few.
func (t *Token) uses(clauses []Clause) []Uses {
	var all []Uses
	for i := range clauses {
		c := &clauses[i]
		for _, kind := range []restriction.Kind{restriction.AT, restriction.Other} {
			most, limited := c.Left.Of(kind)
			if !t.Renews(kind) {
				continue
			}
			if !limited {
				most = math.MaxInt64
			}
			for _, s := range c.Spans {
				if s.State != Closed {
					all = append(all, Uses{s.From, s.Until.Add(-1), most})
				}
			}
		}
	}
	return all
}

// bound limits the spans to the life of a token that rotates. A clause is at best Unknown
// after the present generation ends, and Closed when no use can have kept the token
// alive. The result reports whether the token may live longer than h.
func (t *Token) bound(clauses []Clause, h horizon) (alive bool) {
	life := t.Life()
	if life.Fixed() {
		return life.Last.IsZero() || !life.Last.Before(h.until)
	}
	line := h.life(life.Idle, t.LivesUntil(t.uses(clauses)))
	for i := range clauses {
		clauses[i].Spans = spans(clauses[i].Spans).and(line)
	}
	return line[len(line)-1].State != Closed
}

// life returns spans that are Open through the second idle, then Unknown through the
// second last, and then Closed.
func (h horizon) life(idle, last time.Time) spans {
	after := func(second time.Time) time.Time {
		return time.Unix(min(max(second.Unix()+1, h.from.Unix()), h.until.Unix()), 0).UTC()
	}
	ends, ended := after(idle), after(last)
	return spans{}.add(Span{h.from, ends, Open}).add(Span{ends, ended, Unknown}).add(Span{ended, h.until, Closed})
}
