package plan

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/mytoken-go/sdk/restriction"
)

var (
	// ErrInvalid is what a [PhaseError] is.
	ErrInvalid = errors.New("plan: senseless plan")
	// ErrSubmission reports a submission that is missing, before 1970 or in the
	// far future.
	ErrSubmission = errors.New("plan: senseless time of submission")
	// ErrContended reports that phases with limited uses can take them from each
	// other, so that no list of clauses is sure to carry the plan and admits
	// nothing else. Limits that are dropped, or a token for each of the phases,
	// help.
	ErrContended = errors.New("plan: phases compete for uses")
	// ErrTooComplex reports a plan whose shortest list was not found within the
	// bounded search.
	ErrTooComplex = errors.New("plan: too complex")
)

// PhaseError says what makes no sense in a plan. It is an [ErrInvalid].
type PhaseError struct {
	Phase  int    // index in the plan
	Name   string // of the phase
	Field  string // of Phase, or "Phases"
	Reason string
}

// Error names the phase, the field and the reason.
func (e *PhaseError) Error() string {
	return fmt.Sprintf("%v: phase %d%s: %s: %s", ErrInvalid, e.Phase, quoted(e.Name), e.Field, e.Reason)
}

// Is reports whether target is [ErrInvalid].
func (e *PhaseError) Is(target error) bool { return target == ErrInvalid }

// UncoveredError says that clauses do not carry a plan.
type UncoveredError struct {
	Phase int
	Name  string
	Kind  restriction.Kind
	At    int64  // Unix second, the first
	Host  string // one of the phase's, or "" for anywhere
}

// Error names the phase and the instant.
func (e *UncoveredError) Error() string {
	return fmt.Sprintf("plan: phase %d%s: %v use at %s%s is not covered", e.Phase, quoted(e.Name), e.Kind, instant(e.At), from(e.Host))
}

// ExcessError says that clauses admit what a plan does not need.
type ExcessError struct {
	Clause int              // index, or restriction.NoClause for a list without clauses
	Kind   restriction.Kind // of the use that is too much
	At     int64            // Unix second, the first; 0 if the number of uses is too large
	Host   string           // from which, or "" for anywhere
}

// Error names the clause and what is too much.
func (e *ExcessError) Error() string {
	switch {
	case e.Clause == restriction.NoClause:
		return "plan: without clauses everything is admitted"
	case e.At == 0:
		return fmt.Sprintf("plan: clause %d admits more %v uses than the plan needs", e.Clause, e.Kind)
	}
	return fmt.Sprintf("plan: clause %d admits an %v use at %s%s that the plan does not need", e.Clause, e.Kind, instant(e.At), from(e.Host))
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return " " + strconv.Quote(name)
}

func from(host string) string {
	if host == "" {
		return ""
	}
	return " from " + strconv.Quote(host)
}

// cause is the innermost text of an error of the package restriction.
func cause(err error) string {
	if located, ok := errors.AsType[*restriction.ClauseError](err); ok {
		return located.Err.Error()
	}
	return err.Error()
}
