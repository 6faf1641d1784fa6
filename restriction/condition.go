package restriction

import (
	"errors"
	"time"
)

// Condition judges one aspect of a use. A program that embeds this package defines
// conditions under JSON keys of its own; see [Options.Conditions].
//
// A condition must not change after it was made. Its answer must depend on nothing but
// the request, and it must not keep the request. Several goroutines may call its methods
// at the same time. A condition that panics cannot tell, and is within no other.
type Condition interface {
	// Check returns nil if the condition admits the request. Otherwise the error says
	// what was needed, such as "one of Monday to Friday". If the condition lacks the
	// facts to decide, the error wraps [ErrUndetermined]. The use is then refused, by the
	// condition and also by its negation.
	Check(r *Request) error

	// Within reports whether parent admits every request that this condition admits. It
	// must not guess: false is always safe. A condition only has to recognise parents of
	// its own type. This package resolves [All], [Any] and [Not] before it calls Within.
	Within(parent Condition) bool
}

// Forecaster is a [Condition] that knows when its answer may change. An [Explanation] can
// then say when the same request will be admitted. For other conditions that time is
// unknown.
type Forecaster interface {
	Condition

	// Next returns the first instant after r.Now at which the answer to the same request
	// may change, or false if it never will.
	Next(r *Request) (time.Time, bool)
}

// ErrUndetermined reports that a condition lacks the facts to decide, for example because
// a look-up failed. The errors of [Condition.Check] wrap it.
var ErrUndetermined = errors.New("cannot be determined")

// errNoCondition is the objection of a composite without parts.
var errNoCondition = badValue(ErrUndetermined, "no condition is given")

// All returns a condition that admits a request if every part admits it. Without parts it
// admits nothing. The result is a [Forecaster] if every part is.
func All(parts ...Condition) Condition {
	return forecasting(all{parts: append([]Condition(nil), parts...)}, parts)
}

// Any returns a condition that admits a request if at least one part admits it. Without
// parts it admits nothing. The result is a [Forecaster] if every part is.
func Any(parts ...Condition) Condition {
	return forecasting(either{parts: append([]Condition(nil), parts...)}, parts)
}

// Not returns a condition that admits a request if part objects to it. It refuses the
// request if part admits it, and also if part returns [ErrUndetermined]. The result is a
// [Forecaster] if part is.
func Not(part Condition) Condition {
	return forecasting(not{part: part}, []Condition{part})
}

// forecasting adds the method Next to a composite if all its parts have it.
func forecasting(c Condition, parts []Condition) Condition {
	forecasters := make([]Forecaster, len(parts))
	for i, part := range parts {
		f, ok := part.(Forecaster)
		if !ok {
			return c
		}
		forecasters[i] = f
	}
	return forecast{Condition: c, parts: forecasters}
}

// forecast is a composite whose parts all know when they may change.
type forecast struct {
	Condition
	parts []Forecaster
}

// Next returns the first instant at which a part may change.
func (f forecast) Next(r *Request) (next time.Time, ok bool) {
	for _, part := range f.parts {
		if at, changes := part.Next(r); changes && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	return next, ok
}

// Within compares the composite without its forecast.
func (f forecast) Within(parent Condition) bool { return implies(f.Condition, parent) }

type all struct{ parts []Condition }

// Check returns the objections of the parts. If one of them is definite, Check leaves out
// the parts that could not decide.
func (c all) Check(r *Request) error {
	definite, undetermined := objections(c.parts, r)
	if len(definite) > 0 {
		return errors.Join(definite...)
	}
	if len(c.parts) == 0 {
		return errNoCondition
	}
	return errors.Join(undetermined...)
}

func (c all) Within(parent Condition) bool { return implies(c, parent) }

type either struct{ parts []Condition }

// Check returns the objections of the parts if every part objects. If a part could not
// decide, the result wraps [ErrUndetermined].
func (c either) Check(r *Request) error {
	definite, undetermined := objections(c.parts, r)
	switch {
	case len(c.parts) == 0:
		return errNoCondition
	case len(definite)+len(undetermined) < len(c.parts):
		return nil
	}
	return errors.Join(append(definite, undetermined...)...)
}

func (c either) Within(parent Condition) bool { return implies(c, parent) }

type not struct{ part Condition }

var errNot = errors.New("a request that the negated condition refuses")

func (c not) Check(r *Request) error {
	err := check(c.part, r)
	switch {
	case err == nil:
		return errNot
	case errors.Is(err, ErrUndetermined):
		return err
	}
	return nil
}

func (c not) Within(parent Condition) bool { return implies(c, parent) }

// check calls Check of a condition that may be nil.
func check(c Condition, r *Request) error {
	if c == nil {
		return errNoCondition
	}
	return c.Check(r)
}

// objections calls Check of every part and sorts the errors.
func objections(parts []Condition, r *Request) (definite, undetermined []error) {
	for _, part := range parts {
		switch err := check(part, r); {
		case err == nil:
		case errors.Is(err, ErrUndetermined):
			undetermined = append(undetermined, err)
		default:
			definite = append(definite, err)
		}
	}
	return definite, undetermined
}
