package restriction

import "time"

// Earliest says when a refused request will first be admitted: at a known instant, never,
// or at an unknown time. The zero value is unknown.
type Earliest struct {
	state state
	// at is the instant. For an unknown time it is a lower bound.
	at time.Time
}

type state uint8

const (
	stateUnknown state = iota
	stateAt
	stateNever
)

// At returns the known instant t.
func At(t time.Time) Earliest { return Earliest{state: stateAt, at: t} }

// Never says that the same request will not be admitted at any time.
func Never() Earliest { return Earliest{state: stateNever} }

// Unknown says that the time cannot be computed, because it depends on a condition of the
// embedding program or on a look-up that failed.
func Unknown() Earliest { return Earliest{} }

// unknownFrom returns an unknown time that is not before t.
func unknownFrom(t time.Time) Earliest { return Earliest{at: t} }

// Time returns the instant, and whether it is known.
func (e Earliest) Time() (time.Time, bool) {
	if e.state != stateAt {
		return time.Time{}, false
	}
	return e.at, true
}

// IsNever reports whether the request will not be admitted at any time.
func (e Earliest) IsNever() bool { return e.state == stateNever }

// IsUnknown reports whether the time cannot be computed.
func (e Earliest) IsUnknown() bool { return e.state == stateUnknown }

// String returns "never", "unknown", or the instant in UTC (RFC 3339).
func (e Earliest) String() string {
	switch e.state {
	case stateAt:
		return e.at.UTC().Format(time.RFC3339Nano)
	case stateNever:
		return "never"
	}
	return "unknown"
}

// MarshalText returns the text of [Earliest.String], for logs and documents.
func (e Earliest) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// sooner returns the earlier of two alternatives. A known instant wins over an unknown
// one only if the unknown one cannot be earlier.
func (e Earliest) sooner(other Earliest) Earliest {
	switch {
	case e.state == stateNever:
		return other
	case other.state == stateNever:
		return e
	case other.at.Before(e.at):
		return other.sooner(e)
	case e.at.Equal(other.at) && e.state == stateUnknown:
		return other
	}
	return e
}

// mostSteps bounds the calls to the conditions of one clause in a search for their next
// change.
const mostSteps = 1000

// earliest returns the first instant at which all parts admit the request, not before the
// request's own time. It moves forward to the latest instant that a part asks for, until
// no part asks for a later one. It asks a part that could not tell again each time,
// because that part may admit the later instant.
func earliest(parts []part, q query) Earliest {
	t := q.Now
	*q.steps = mostSteps
	for {
		moved, unsure := false, false
		for _, p := range parts {
			next := p.first(q, t)
			if next.IsNever() {
				return Never()
			}
			at, known := next.Time()
			unsure = unsure || !known
			if known && at.After(t) {
				t, moved = at, true
			}
		}
		switch {
		case moved:
		case unsure:
			return unknownFrom(t)
		default:
			return At(t)
		}
	}
}

// firstAdmitted returns the first instant, from t on, at which a condition admits the
// request.
func firstAdmitted(c Condition, r *Request, t time.Time, steps *int) Earliest {
	then := *r
	for ; *steps > 0; *steps-- {
		then.Now = t
		if c.Check(&then) == nil {
			return At(t)
		}
		forecaster, ok := c.(Forecaster)
		if !ok {
			return unknownFrom(t)
		}
		next, changes := forecaster.Next(&then)
		if !changes {
			return Never()
		}
		if !next.After(t) {
			return unknownFrom(t) // Next breaks its contract; avoid an endless loop
		}
		t = next
	}
	return unknownFrom(t)
}
