package plan

import (
	"fmt"
	"time"
)

// offsets are the first and the last instant at which a phase may use the token, counted
// from the submission. firstEnd is the earliest end of the phase.
type offsets struct{ first, firstEnd, last time.Duration }

// offsets adds up the extremes. Queues are empty or as long as possible, and phases are
// as short or as long as possible.
func (p Plan) offsets() []offsets {
	all := make([]offsets, len(p.Phases))
	for i := range p.Phases {
		phase := &p.Phases[i]
		var before offsets
		if phase.AfterPrevious {
			before = all[i-1]
		}
		first := before.firstEnd + phase.Earliest
		all[i] = offsets{first, first + phase.Shortest, before.last + phase.Latest + phase.Queue + phase.Duration}
	}
	return all
}

// seconds is a span from one second to another in Unix time, both included.
type seconds struct{ first, last int64 }

// schedule returns the seconds in which each phase may use the token. It drops fractions
// of a second, as restrictions do.
func (p Plan) schedule(submitted time.Time) ([]seconds, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	const lastYear = 9000
	if submitted.Unix() <= 0 || submitted.Year() > lastYear {
		return nil, fmt.Errorf("%w: %v is not within 1970 to %d", ErrSubmission, submitted, lastYear)
	}
	all := make([]seconds, len(p.Phases))
	for i, o := range p.offsets() {
		all[i] = seconds{submitted.Add(o.first).Unix(), submitted.Add(o.last).Unix()}
	}
	return all, nil
}
