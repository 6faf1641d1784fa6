package plan

import (
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// longest bounds how long a job may take.
const longest = 100 * 365 * 24 * time.Hour

// Validate returns a [*PhaseError] for the first field of the plan that makes no sense,
// and for a plan with no phases or more than [MaxPhases].
func (p Plan) Validate() error {
	if n := len(p.Phases); n == 0 || n > MaxPhases {
		return &PhaseError{Phase: n, Field: "Phases", Reason: fmt.Sprintf("a plan needs 1 to %d phases, this one has %d", MaxPhases, n)}
	}
	for i := range p.Phases {
		if field, reason := p.Phases[i].check(i); field != "" {
			return &PhaseError{Phase: i, Name: p.Phases[i].Name, Field: field, Reason: reason}
		}
	}
	for i, o := range p.offsets() {
		if o.last > longest || o.last < 0 {
			return &PhaseError{Phase: i, Name: p.Phases[i].Name, Field: "Duration", Reason: "the job may take more than 100 years"}
		}
	}
	return nil
}

// check returns the first field that makes no sense, and why.
func (p *Phase) check(i int) (field, reason string) {
	for _, f := range []struct {
		name  string
		value time.Duration
		least time.Duration
	}{
		{"Earliest", p.Earliest, 0}, {"Latest", p.Latest, p.Earliest}, {"Queue", p.Queue, 0},
		{"Shortest", p.Shortest, 0}, {"Duration", p.Duration, p.Shortest},
	} {
		if f.value < f.least {
			return f.name, fmt.Sprintf("%v is less than %v", f.value, f.least)
		}
		if f.value > longest {
			return f.name, fmt.Sprintf("%v is more than 100 years", f.value)
		}
	}
	switch {
	case p.AfterPrevious && i == 0:
		return "AfterPrevious", "the first phase has no previous phase"
	case p.AccessTokens < AnyNumber:
		return "AccessTokens", fmt.Sprintf("%d is negative", p.AccessTokens)
	case p.OtherUses < AnyNumber:
		return "OtherUses", fmt.Sprintf("%d is negative", p.OtherUses)
	case p.AccessTokens == 0 && p.OtherUses == 0:
		return "AccessTokens", "the phase makes no uses at all; leave it out"
	case p.AccessTokens != 0 && len(p.Scopes) == 0:
		return "Scopes", "give at least one scope, because the phase obtains access tokens"
	case p.AccessTokens == 0 && len(p.Scopes)+len(p.Audiences) > 0:
		return "AccessTokens", "it is 0, but only access tokens have scopes and audiences"
	case len(p.Capabilities) > 0 && p.OtherUses == 0:
		return "Capabilities", "only other uses need them, but OtherUses is 0"
	case len(p.Capabilities.Unknown()) > 0:
		return "Capabilities", fmt.Sprintf("these are unknown: %v", p.Capabilities.Unknown())
	}
	return p.checkLists()
}

// checkLists checks the entries of lists with package restriction.
func (p *Phase) checkLists() (field, reason string) {
	for _, list := range []struct {
		field  string
		clause restriction.Clause
	}{
		{"Scopes", restriction.Clause{Scopes: p.Scopes}},
		{"Audiences", restriction.Clause{Audiences: p.Audiences}},
		{"Hosts", restriction.Clause{Hosts: p.Hosts}},
	} {
		if list.clause.Scopes == nil && list.clause.Audiences == nil && list.clause.Hosts == nil {
			continue
		}
		if err := (restriction.List{list.clause}).Validate(); err != nil {
			if located, ok := errors.AsType[*restriction.ClauseError](err); ok {
				err = located.Err
			}
			return list.field, err.Error()
		}
	}
	return "", ""
}
