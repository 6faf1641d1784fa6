package restriction

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Validate reports the first thing in l that makes no sense. The error is a
// [*ClauseError] that wraps [ErrEmptyClause] or [ErrInvalid]. These make no sense: a list
// without entries, an empty or malformed entry, a negative time or count, an end before
// the beginning, countries that are all excluded, and recurring times that never come or
// are in a time zone that is not known here. Validate returns [ErrTooLarge] if l exceeds a
// limit. A list that passes can be written and read again.
//
// Validate is for restrictions that somebody asks for, not for those of a token in use.
// It does not judge extra keys; see [Options.Check].
func (l List) Validate() error {
	if len(l) > MaxClauses {
		return &LimitError{"clauses", MaxClauses}
	}
	for i := range l {
		if err := l[i].validate(); err != nil {
			return located(i, err)
		}
	}
	_, err := l.AppendJSON(nil)
	return err
}

// ValidateAt calls [List.Validate], and returns [ErrPast] for a clause that expired
// before now. If now is zero, it accepts every time.
func (l List) ValidateAt(now time.Time) error {
	if err := l.Validate(); err != nil || now.IsZero() {
		return err
	}
	for i := range l {
		if err := l[i].expired(now); err != nil {
			return located(i, err)
		}
	}
	return nil
}

func (c *Clause) validate() error {
	if c.IsEmpty() {
		return ErrEmptyClause
	}
	for _, k := range keys {
		if k.states(c) {
			if err := k.validate(c); err != nil {
				return &ClauseError{Key: k.name(), Err: err}
			}
		}
	}
	return c.validateExtra()
}

func (c *Clause) validateExtra() error {
	for i := range c.Extra {
		switch {
		case c.Extra[i].Key == "":
			return badValue(ErrInvalid, "an extra key is empty")
		case !jsontext.Value(c.Extra[i].Value).IsValid():
			return &ClauseError{Key: c.Extra[i].Key, Err: badValue(ErrInvalid, "its value is not JSON")}
		}
	}
	return nil
}
