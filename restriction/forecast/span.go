package forecast

import (
	"slices"
	"time"
)

// State is what is known about a clause during a span of time. The zero State
// is Closed.
type State uint8

const (
	Closed  State = iota // admits nothing
	Unknown              // depends on a condition that cannot tell, or on rotation
	Open                 // admits what the clause states
)

// String returns "closed", "unknown" or "open".
func (s State) String() string {
	switch s {
	case Open:
		return "open"
	case Unknown:
		return "unknown"
	}
	return "closed"
}

// Span is the time from From, included, until Until, excluded. The last second
// of a clause, its exp, is included (protocol section 2.1), so a span that ends
// because of it has an Until one second later.
type Span struct {
	From, Until time.Time
	State       State
}

// timeline is adjacent spans that cover a horizon.
type timeline []Span

// add appends a span; one that is empty is left out, and one in the same state
// as the last makes that longer.
func (l timeline) add(s Span) timeline {
	if !s.From.Before(s.Until) {
		return l
	}
	if n := len(l); n > 0 && l[n-1].State == s.State {
		l[n-1].Until = s.Until
		return l
	}
	return append(l, s)
}

// and is open where both are, closed where one is, and otherwise unknown. Both
// cover the same horizon.
func (l timeline) and(other timeline) timeline {
	var both timeline
	for len(l) > 0 && len(other) > 0 {
		a, b := l[0], other[0]
		until := a.Until
		if b.Until.Before(until) {
			until = b.Until
		}
		from := a.From
		if b.From.After(from) {
			from = b.From
		}
		both = both.add(Span{from, until, min(a.State, b.State)})
		if a.Until.Equal(until) {
			l = l[1:]
		}
		if b.Until.Equal(until) {
			other = other[1:]
		}
	}
	return both
}

// at returns the state at an instant; outside the horizon it is Closed.
func (l timeline) at(t time.Time) State {
	i, found := slices.BinarySearchFunc(l, t, func(s Span, t time.Time) int { return s.From.Compare(t) })
	if !found {
		i--
	}
	if i < 0 || !t.Before(l[i].Until) {
		return Closed
	}
	return l[i].State
}

// cut ends the timeline at an instant within it, and returns the state there.
func (l timeline) cut(until time.Time) (timeline, State) {
	after := l.at(until)
	var short timeline
	for _, s := range l {
		if s.Until.After(until) {
			s.Until = until
		}
		short = short.add(s)
	}
	return short, after
}

// horizon is the time that a forecast looks at, in whole seconds.
type horizon struct{ from, until time.Time }

// whole is the horizon in one state.
func (h horizon) whole(s State) timeline { return timeline{}.add(Span{h.from, h.until, s}) }

// seconds is open from the second first to the second last, both included.
func (h horizon) seconds(first, last int64) timeline {
	begin, end := h.from.Unix(), h.until.Unix() // end is excluded
	first, last = max(first, begin), min(last, end-1)
	if first > last {
		return h.whole(Closed)
	}
	from, until := time.Unix(first, 0).UTC(), time.Unix(last+1, 0).UTC()
	return timeline{}.add(Span{h.from, from, Closed}).add(Span{from, until, Open}).add(Span{until, h.until, Closed})
}
