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

// opens reports whether a clause may admit something at an instant or later.
func (a *asker) opens(f *restriction.Facts, from time.Time) bool {
	if f.Last < from.Unix() {
		return false
	}
	for _, k := range f.Conditions {
		if first, opens := a.first(k.Condition, laterOf(from, f.First)); !opens || first.Unix() > f.Last {
			return false
		}
	}
	return true
}

// first returns the first instant, from t on, at which a condition may admit the request.
// It returns false if there is none.
func (a *asker) first(c restriction.Condition, t time.Time) (time.Time, bool) {
	const most = 64
	forecaster, ok := c.(restriction.Forecaster)
	for range most {
		if !ok {
			break
		}
		state, next := a.ask(forecaster, t, endOfTime)
		switch {
		case state != Closed:
			return t, true
		case !next.Before(endOfTime):
			return t, false
		}
		t = next
	}
	return t, true // nobody knows
}

// endOfTime is after every instant that a forecast can reach.
var endOfTime = time.Date(10_000, time.January, 1, 0, 0, 0, 0, time.UTC)

// laterOf returns the later one of an instant and a Unix second.
func laterOf(t time.Time, second int64) time.Time {
	if second <= t.Unix() {
		return t
	}
	return time.Unix(min(second, endOfTime.Unix()), 0).UTC()
}
