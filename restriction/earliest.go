package restriction

import "time"

// Earliest is the first instant at which a refused request would be admitted: an instant,
// never, or unknown. The zero value is unknown.
type Earliest struct {
	state state
	// at is the instant. An unknown one is not before at.
	at time.Time
}

type state uint8

const (
	stateUnknown state = iota
	stateAt
	stateNever
)

// At is a known instant.
func At(t time.Time) Earliest { return Earliest{state: stateAt, at: t} }

// Never says that the same request will not be admitted at any time.
func Never() Earliest { return Earliest{state: stateNever} }

// Unknown says that nobody can tell. It depends on a condition of the embedding program,
// or on a look-up that failed.
func Unknown() Earliest { return Earliest{} }

// unknownFrom is an unknown instant that is not before t.
func unknownFrom(t time.Time) Earliest { return Earliest{at: t} }

// Time returns the instant, if it is known.
func (e Earliest) Time() (time.Time, bool) {
	if e.state != stateAt {
		return time.Time{}, false
	}
	return e.at, true
}

// IsNever reports whether there is no such instant.
func (e Earliest) IsNever() bool { return e.state == stateNever }

// IsUnknown reports whether nobody can tell.
func (e Earliest) IsUnknown() bool { return e.state == stateUnknown }

// String returns the instant in UTC as in RFC 3339, "never" or "unknown".
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

// sooner is the earliest of two alternatives. A known instant counts only if the unknown
// one cannot be before it.
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

// mostSteps bounds how often the conditions of one clause are asked for their next
// change.
const mostSteps = 1000

// earliest returns the first instant, from that of the request on, at which all parts
// admit it. It repeats until no part moves the instant further. By then a part that could
// not tell may have no objection.
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

// firstAdmitted returns the first instant, from t on, at which a condition has no
// objection.
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
			return unknownFrom(t) // breaks the contract: do not wait for it
		}
		t = next
	}
	return unknownFrom(t)
}
