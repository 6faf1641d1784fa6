package restriction

import (
	"slices"
	"time"
)

// Phase is a clause whose times are relative to a start that is not known yet. [First],
// [Between] and [After] make one. Its methods say what it allows, and each returns a
// changed copy. [Phases] places phases in time.
type Phase struct {
	from, until time.Duration
	forever     bool
	clause      Clause
}

// First is the phase from the start until d after it, the last second included.
func First(d time.Duration) Phase { return Between(0, d) }

// Between is the phase from one offset to another, both seconds included.
func Between(from, until time.Duration) Phase { return Phase{from: from, until: until} }

// After is the phase that begins at an offset and does not end.
func After(from time.Duration) Phase { return Phase{from: from, forever: true} }

// With adds a key of the embedding program. value is its JSON text.
func (p Phase) With(key string, value []byte) Phase {
	p.clause.Extra = append(slices.Clip(p.clause.Extra), Extra{Key: key, Value: slices.Clone(value)})
	return p
}

// stated copies a list. Without entries it is not nil, because a phase for no scopes must
// be refused.
func stated(entries []string) []string { return append([]string{}, entries...) }

// Phases places the phases in time and returns them as restrictions that have passed
// [List.Validate]. It drops parts of a second. A token with these restrictions can do
// nothing outside of all phases. The error is [ErrEmptyClause] if there are no phases,
// and [ErrInvalid] for a phase that makes no sense.
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
