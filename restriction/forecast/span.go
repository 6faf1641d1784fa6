package forecast

import (
	"slices"
	"time"
)

// State says whether a clause admits uses during a span of time. The zero State is
// Closed.
type State uint8

const (
	Closed  State = iota // refuses every use
	Unknown              // depends on rotation, or on a condition that nobody can forecast
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

// Span is the time from From, included, to Until, excluded. A clause still admits uses in
// its exp second (protocol section 2.1). So the Until of a span that ends at exp is one
// second later.
type Span struct {
	From, Until time.Time
	State       State
}

// spans are adjacent and cover a horizon.
type spans []Span

// add appends a span. It leaves out an empty span, and extends the last one if both have
// the same state.
func (l spans) add(s Span) spans {
	if !s.From.Before(s.Until) {
		return l
	}
	if n := len(l); n > 0 && l[n-1].State == s.State {
		l[n-1].Until = s.Until
		return l
	}
	return append(l, s)
}

// and returns spans that are Open where both are Open, Closed where one is Closed, and
// otherwise Unknown. Both must cover the same horizon.
func (l spans) and(other spans) spans {
	var both spans
	for len(l) > 0 && len(other) > 0 {
		a, b := l[0], other[0]
		from, until := a.From, a.Until
		if b.From.After(from) {
			from = b.From
		}
		if b.Until.Before(until) {
			until = b.Until
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

// at returns the state at an instant. Outside the horizon it is Closed.
func (l spans) at(t time.Time) State {
	i, found := slices.BinarySearchFunc(l, t, func(s Span, t time.Time) int { return s.From.Compare(t) })
	if !found {
		i--
	}
	if i < 0 || !t.Before(l[i].Until) {
		return Closed
	}
	return l[i].State
}

// cut drops everything from until on, and returns the state at until.
func (l spans) cut(until time.Time) (spans, State) {
	after := l.at(until)
	var short spans
	for _, s := range l {
		if s.Until.After(until) {
			s.Until = until
		}
		short = short.add(s)
	}
	return short, after
}

// horizon is the time that a forecast covers, in whole seconds.
type horizon struct{ from, until time.Time }

// whole returns the horizon in one state.
func (h horizon) whole(s State) spans { return spans{}.add(Span{h.from, h.until, s}) }

// seconds returns spans that are Open from the second first to the second last, both
// included, and otherwise Closed.
func (h horizon) seconds(first, last int64) spans {
	begin, end := h.from.Unix(), h.until.Unix() // end is excluded
	first, last = max(first, begin), min(last, end-1)
	if first > last {
		return h.whole(Closed)
	}
	from, until := time.Unix(first, 0).UTC(), time.Unix(last+1, 0).UTC()
	return spans{}.add(Span{h.from, from, Closed}).add(Span{from, until, Open}).add(Span{until, h.until, Closed})
}
