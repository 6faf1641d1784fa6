package plan

import (
	"errors"
	"fmt"
	"strconv"
)

var (
	// ErrInvalid reports a plan that makes no sense. The error is a [*PhaseError].
	ErrInvalid = errors.New("plan: invalid plan")
	// ErrSubmission reports a time of submission that is missing, before 1970, or after
	// the year 9000.
	ErrSubmission = errors.New("plan: invalid time of submission")
	// ErrContended reports that phases with limits may take uses from each other. Clauses
	// found no list that carries the plan for certain. Drop limits, or get a token for
	// each phase.
	ErrContended = errors.New("plan: phases compete for limited uses; drop limits or get a token for each phase")
)

// PhaseError says what makes no sense in a plan. It is an [ErrInvalid].
type PhaseError struct {
	Phase  int    // index in the plan; the number of phases if Field is "Phases"
	Name   string // of the phase
	Field  string // name of a field of Phase, or "Phases"
	Reason string
}

// Error names the phase, the field and the reason.
func (e *PhaseError) Error() string {
	return fmt.Sprintf("%v: phase %d%s: %s: %s", ErrInvalid, e.Phase, quoted(e.Name), e.Field, e.Reason)
}

// Is reports whether target is [ErrInvalid].
func (e *PhaseError) Is(target error) bool { return target == ErrInvalid }

// quoted returns a name in quotes after a space, or nothing.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return " " + strconv.Quote(name)
}
