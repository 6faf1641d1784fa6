package forecast

import (
	"errors"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// mostSteps bounds how often a forecast asks the conditions of a token for their next
// change. After that, it treats them as unknown.
const mostSteps = 4096

// asker asks conditions of the embedding program about a request at different times.
type asker struct {
	request restriction.Request
	steps   int
}

// spans returns the answers of a condition over time.
func (a *asker) spans(c restriction.Condition, h horizon) spans {
	forecaster, ok := c.(restriction.Forecaster)
	if !ok {
		return h.whole(Unknown)
	}
	var line spans
	for t := h.from; t.Before(h.until); {
		state, next := a.ask(forecaster, t, h.until)
		line = line.add(Span{t, next, state})
		t = next
	}
	return line
}

// ask returns the state at t, and until when it lasts. The state is Unknown if the
// condition breaks its contract or changes too often.
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
