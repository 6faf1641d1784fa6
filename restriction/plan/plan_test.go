package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestInvalidPlans checks that a mistake in a plan is an error and never a wider token.
//
// proves P1
func TestInvalidPlans(t *testing.T) {
	good := plan.Phase{Name: "run", Duration: time.Hour, Scopes: []string{"a"}, AccessTokens: 1}
	for field, change := range map[string]func(*plan.Phase){
		"AfterPrevious": func(p *plan.Phase) { p.AfterPrevious = true },
		"Earliest":      func(p *plan.Phase) { p.Earliest = -1 },
		"Latest":        func(p *plan.Phase) { p.Earliest = 1 },
		"Queue":         func(p *plan.Phase) { p.Queue = -1 },
		"Shortest":      func(p *plan.Phase) { p.Shortest = -1 },
		"Duration":      func(p *plan.Phase) { p.Shortest = 2 * time.Hour },
		"AccessTokens":  func(p *plan.Phase) { p.AccessTokens = -2 },
		"OtherUses":     func(p *plan.Phase) { p.OtherUses = -2 },
		"Scopes":        func(p *plan.Phase) { p.Scopes = nil },
		"Audiences":     func(p *plan.Phase) { p.Audiences = []string{" "} },
		"Capabilities":  func(p *plan.Phase) { p.OtherUses, p.Capabilities = 1, capability.Set{"read_minds"} },
		"Hosts":         func(p *plan.Phase) { p.Hosts = []string{"*"} },
	} {
		phase := good
		change(&phase)
		_, err := plan.Plan{Phases: []plan.Phase{phase}}.Clauses(submitted)
		require.ErrorIs(t, err, plan.ErrInvalid, field)
		var found *plan.PhaseError
		require.ErrorAs(t, err, &found, field)
		assert.Equal(t, field, found.Field, err)
	}
	for n, ok := range map[int]bool{0: false, 1: true, plan.MaxPhases: true, plan.MaxPhases + 1: false} {
		err := plan.Plan{Phases: slices.Repeat([]plan.Phase{good}, n)}.Validate()
		assert.Equal(t, ok, err == nil, "%d phases: %v", n, err)
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Date(9001, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, err := plan.Plan{Phases: []plan.Phase{good}}.Clauses(at)
		require.ErrorIs(t, err, plan.ErrSubmission, at)
	}
	long := good
	long.Duration = 99 * 365 * 24 * time.Hour
	next := long
	next.AfterPrevious = true
	err := plan.Plan{Phases: []plan.Phase{long, next}}.Validate()
	require.EqualError(t, err, `plan: invalid plan: phase 1 "run": Duration: the job may take more than 100 years`)
}
