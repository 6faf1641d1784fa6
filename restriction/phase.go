package restriction

import (
	"slices"
	"time"
)

// Phase is a clause whose times are relative to a start that is not known yet. [First],
// [Between] and [After] make one. The methods add what it allows, and each returns a
// changed copy. [Phases] turns phases into restrictions when the start is known.
type Phase struct {
	from, until time.Duration
	forever     bool
	clause      Clause
}

// First returns the phase from the start until d later. The last second is included.
func First(d time.Duration) Phase { return Between(0, d) }

// Between returns the phase from one offset to another. Both seconds are included.
func Between(from, until time.Duration) Phase { return Phase{from: from, until: until} }

// After returns the phase that begins at an offset and does not end.
func After(from time.Duration) Phase { return Phase{from: from, forever: true} }

// With adds a key of the embedding program. value is its JSON text; With copies it.
func (p Phase) With(key string, value []byte) Phase {
	p.clause.Extra = append(slices.Clip(p.clause.Extra), Extra{Key: key, Value: slices.Clone(value)})
	return p
}

// stated copies a list. The result is never nil, because Phases must refuse a phase with
// an empty list.
func stated(entries []string) []string { return append([]string{}, entries...) }

// Phases returns the restrictions for phases that count from start. It drops parts of a
// second. A token with these restrictions can do nothing outside of all phases. The
// result has passed [List.Validate], and Phases returns the same errors. It also returns
// [ErrEmptyClause] without phases, and [ErrInvalid] for a zero start or a phase that ends
// before it begins.
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
