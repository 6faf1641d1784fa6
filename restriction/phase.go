package restriction

import (
	"slices"
	"time"
)

// Phase is a clause whose times are relative to a start that is not known yet.
// Make one with [First], [Between] or [After], say what it allows with the
// methods, each of which returns a changed copy, and place it in time with
// [Phases].
type Phase struct {
	from, until time.Duration
	forever     bool
	clause      Clause
}

// First is the phase from the start until d after it, the last second included.
func First(d time.Duration) Phase { return Between(0, d) }

// Between is the phase from one offset to another, the second of either
// included.
func Between(from, until time.Duration) Phase { return Phase{from: from, until: until} }

// After is the phase that begins at an offset and does not end.
func After(from time.Duration) Phase { return Phase{from: from, forever: true} }

// With adds a key of the embedding program; value is its JSON text.
func (p Phase) With(key string, value []byte) Phase {
	p.clause.Extra = append(slices.Clip(p.clause.Extra), Extra{Key: key, Value: slices.Clone(value)})
	return p
}

// stated copies a list. Without entries it is not nil: a phase for no scopes
// is refused, it is not one for all.
func stated(entries []string) []string { return append([]string{}, entries...) }

// Phases places the phases in time and returns them as restrictions that have
// passed [List.Validate]. Parts of a second are dropped. Outside of all phases
// a token with these restrictions can do nothing; without phases the error is
// [ErrEmptyClause].
func Phases(start time.Time, phases ...Phase) (List, error) {
	if len(phases) == 0 {
		return nil, &ClauseError{Err: badValue(ErrEmptyClause, "no phase is given")}
	}
	list := make(List, len(phases))
	for i, p := range phases {
		if start.IsZero() || p.from < 0 || p.until < p.from && !p.forever {
			return nil, &ClauseError{Clause: i, Err: badValue(ErrInvalid, "a phase needs a start and must not end before it begins")}
		}
		list[i] = p.clause.Clone()
		list[i].NotBefore = start.Add(p.from).Unix()
		if !p.forever {
			list[i].Expires = start.Add(p.until).Unix()
		}
		if list[i].NotBefore <= 0 {
			return nil, &ClauseError{Clause: i, Key: KeyNotBefore, Err: badValue(ErrInvalid, "before 1970")}
		}
	}
	return list, list.Validate()
}
