package forecast

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// ErrRotation reports generations with a lifetime but without an end: neither
// Token.Expires nor Rotation.Issued says when the present one ends.
var ErrRotation = errors.New("forecast: the end of the generation is not known")

// Rotation says when a token is replaced by its next generation (protocol
// section 4.1). Each generation ends Lifetime seconds after it was issued,
// unless a use that rotates the token begins another one before.
type Rotation struct {
	OnAT     bool   // after an access token was obtained
	OnOther  bool   // after any other use
	Lifetime uint64 // of each generation, in seconds; 0 is no limit
	// Issued is when the present generation was issued, its "iat"; zero if
	// nobody told: then Token.Expires is its end.
	Issued time.Time
}

// Life is until when a token lives, whatever its restrictions say. Both are last
// seconds, and zero is no end.
type Life struct {
	// Idle is that of a token which is not used any more, Last that of one which
	// is used whenever rotation needs it. They differ only if rotation moves the
	// end.
	Idle, Last time.Time
}

// Fixed reports whether the token ends, or does not end, whether it is used or
// not.
func (l Life) Fixed() bool { return l.Idle.Equal(l.Last) }

// Life tells until when the token lives (protocol section 4.3). Where the
// lifetime of a generation explains the end in Expires, that end moves with each
// use that rotates the token; where Expires is another one, it stays. The
// restrictions, which bound every generation, are not looked at.
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

// Renews reports whether a kind of use begins a new generation of the token. One
// that the token lacks the capability for does not.
func (t Token) Renews(kind restriction.Kind) bool {
	switch {
	case t.Rotation == nil:
		return false
	case kind == restriction.AT:
		return t.Rotation.OnAT && !t.Lacks(capability.AT)
	}
	return kind == restriction.Other && t.Rotation.OnOther
}

// seconds is the lifetime; one of more than 10,000 years is no longer.
func (r *Rotation) seconds() int64 { return int64(min(r.Lifetime, 10_000*366*24*60*60)) }

// generations closes the clauses of a token that rotation lets end. After the
// end of the present generation it is not known whether the token lives, and
// it does not when no use can have kept it alive.
func (t *Token) generations(clauses []Clause, h horizon) {
	life := t.Life()
	if life.Fixed() {
		return
	}
	idle := life.Idle.Unix()
	last := reach(idle, t.Rotation.seconds(), t.supplies(clauses))
	line := h.life(idle, last)
	for i := range clauses {
		clauses[i].Spans = timeline(clauses[i].Spans).and(line)
	}
}

// life is open to the second idle, unknown to the second last, both included,
// and then closed.
func (h horizon) life(idle, last int64) timeline {
	after := func(second int64) time.Time {
		return time.Unix(min(max(second+1, h.from.Unix()), h.until.Unix()), 0).UTC()
	}
	ends, ended := after(idle), after(last)
	return timeline{}.add(Span{h.from, ends, Open}).add(Span{ends, ended, Unknown}).add(Span{ended, h.until, Closed})
}

// supply is uses that can rotate a token, between two seconds, both included;
// math.MaxInt64 uses are without limit.
type supply struct{ first, last, uses int64 }

// supplies are the uses that clauses admit, or may admit. That one clause is
// spent before another, and that its limit is for all its spans together, is not
// looked at: it only makes them less.
func (t *Token) supplies(clauses []Clause) []supply {
	var all []supply
	for i := range clauses {
		c := &clauses[i]
		for _, kind := range []restriction.Kind{restriction.AT, restriction.Other} {
			uses, limited := c.Left.Of(kind)
			if !t.Renews(kind) {
				continue
			}
			if !limited {
				uses = math.MaxInt64
			}
			for _, s := range c.Spans {
				if s.State != Closed {
					all = append(all, supply{s.From.Unix(), s.Until.Add(-1).Unix(), uses})
				}
			}
		}
	}
	return all
}

// reach returns the last second of a token that is used as well as can be: at
// the end of a generation, or else as late as something admits it. What is
// admitted for the shortest time is used first; another order reaches no
// further, because what is left can then be used later.
func reach(end, lifetime int64, supplies []supply) int64 {
	slices.SortFunc(supplies, func(a, b supply) int { return cmp.Compare(a.last, b.last) })
	for {
		i := slices.IndexFunc(supplies, func(s supply) bool { return s.uses > 0 && s.first <= end && s.last+lifetime > end })
		if i < 0 {
			return end
		}
		s := &supplies[i]
		uses := int64(1)
		if s.last < end {
			end = s.last + lifetime
		} else {
			// Many at once, until something else comes into reach.
			uses = min((s.last-end)/lifetime+1, s.uses)
			for _, other := range supplies {
				if other.first > end {
					uses = min(uses, (other.first-end-1)/lifetime+1)
				}
			}
			end += uses * lifetime
		}
		if s.uses != math.MaxInt64 {
			s.uses -= uses
		}
	}
}
