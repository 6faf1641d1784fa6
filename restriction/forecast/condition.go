package forecast

import (
	"errors"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// mostSteps bounds how often the conditions of a token are asked for their next
// change. After that they cannot tell.
const mostSteps = 4096

// asker asks the embedding program's conditions about a request.
type asker struct {
	request restriction.Request
	steps   int
}

// timeline is what a condition answers over time.
func (a *asker) timeline(c restriction.Condition, h horizon) timeline {
	forecaster, ok := c.(restriction.Forecaster)
	if !ok {
		return h.whole(Unknown)
	}
	var line timeline
	for t := h.from; t.Before(h.until); {
		state, next := a.ask(forecaster, t, h.until)
		line = line.add(Span{t, next, state})
		t = next
	}
	return line
}

// ask returns the state at t, and until when it lasts. A condition that breaks
// its contract, or changes too often, cannot tell.
func (a *asker) ask(c restriction.Forecaster, t, until time.Time) (State, time.Time) {
	if a.steps <= 0 {
		return Unknown, until
	}
	a.steps--
	r := a.request
	r.Now = t
	if r.Kind == 0 {
		r.Kind = restriction.AT
	}
	state := answer(c.Check(&r))
	next, changes := c.Next(&r)
	switch {
	case !changes || next.After(until):
		return state, until
	case !next.After(t):
		return Unknown, until
	}
	return state, next.UTC()
}

func answer(err error) State {
	switch {
	case err == nil:
		return Open
	case errors.Is(err, restriction.ErrUndetermined):
		return Unknown
	}
	return Closed
}
