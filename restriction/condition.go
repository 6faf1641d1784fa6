package restriction

import (
	"errors"
	"time"
)

// Condition judges one aspect of a use. A program that embeds this package defines
// conditions under JSON keys of its own; see [Options.Conditions].
//
// A condition must not change after it was made, must depend on nothing but the request,
// and must not keep it. Its methods may be called concurrently.
type Condition interface {
	// Check returns nil if the condition has no objection to the request. Otherwise the
	// error says what was needed. If the condition does not know enough, the error wraps
	// [ErrUndetermined]. The use is then refused, also by a condition that negates this
	// one.
	Check(r *Request) error

	// Within reports whether parent admits every request that this condition admits. It
	// must not guess: false is always safe. A condition need only recognise parents of
	// its own type, because this package takes composites apart first.
	Within(parent Condition) bool
}

// Forecaster is a [Condition] that knows when its answer may change. With it a refusal
// can say when the same request will be admitted. Without it that is unknown.
type Forecaster interface {
	Condition

	// Next returns the first instant after r.Now at which the answer to the same request
	// may change, or false if it never will.
	Next(r *Request) (time.Time, bool)
}

// ErrUndetermined is wrapped by the objection of a condition that cannot tell, such as
// one about a country that is unknown.
var ErrUndetermined = errors.New("cannot be determined")

// errNoCondition is the objection of a composite without parts.
var errNoCondition = badValue(ErrUndetermined, "no condition is given")

// All admits what every part admits. Without parts it admits nothing. The result is a
// [Forecaster] if every part is.
func All(parts ...Condition) Condition {
	return forecasting(all{parts: append([]Condition(nil), parts...)}, parts)
}

// Any admits what at least one part admits. Without parts it admits nothing. The result
// is a [Forecaster] if every part is.
func Any(parts ...Condition) Condition {
	return forecasting(either{parts: append([]Condition(nil), parts...)}, parts)
}

// Not admits what part objects to. It does not admit what part cannot determine. The
// result is a [Forecaster] if part is.
func Not(part Condition) Condition {
	return forecasting(not{part: part}, []Condition{part})
}

// forecasting gives a composite the method Next if all its parts have it.
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

// Within compares the composite itself.
func (f forecast) Within(parent Condition) bool { return implies(f.Condition, parent) }

type all struct{ parts []Condition }

// Check collects the objections of the parts. A definite objection decides, even if other
// parts cannot tell.
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

// Check objects if every part does. If a part could not tell, the objection wraps
// [ErrUndetermined].
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

var errNot = badValue(errObjection, "that another condition does not hold")

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

// check asks a condition that may be missing.
func check(c Condition, r *Request) error {
	if c == nil {
		return errNoCondition
	}
	return c.Check(r)
}

// objections asks every part.
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
