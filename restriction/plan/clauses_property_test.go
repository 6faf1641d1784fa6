package plan_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestClausesAdmitWhatThePlanNeeds tries every access of the world. The clauses admit it
// exactly if some phase needs it.
//
// proves P1
func TestClausesAdmitWhatThePlanNeeds(t *testing.T) {
	all := everything()
	cases, contended, merged := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 4, 2)
		cases++
		list, err := p.Clauses(submitted)
		if errors.Is(err, plan.ErrContended) {
			contended++
			return
		}
		require.NoError(t, err)
		if len(list) < len(p.Phases) {
			merged++
		}
		policy, at := compile(t, list), intervals(p)
		for _, a := range all {
			needed := false
			for i := range p.Phases {
				needed = needed || needs(p.Phases[i], at[i], a)
			}
			r := a.request(nil)
			if d := policy.Evaluate(&r); d.Admitted() != needed {
				t.Fatalf("%+v: needed %v, admitted %v by %s", a, needed, d.Admitted(), text(list))
			}
		}
	})
	assert.LessOrEqual(t, contended, cases/4, "contended plans show little")
	assert.GreaterOrEqual(t, merged, 10, "plans whose clauses merge")
}

// TestClausesCarryThePlan plays every run. No use is refused, and no run gets more than
// the limits of the plan.
//
// proves P3
func TestClausesCarryThePlan(t *testing.T) {
	shared := 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 3, 2)
		list, err := p.Clauses(submitted)
		if errors.Is(err, plan.ErrContended) {
			return
		}
		require.NoError(t, err)
		if slices.ContainsFunc(p.Phases[1:], func(phase plan.Phase) bool { return phase.AccessTokens > 0 }) && p.Phases[0].AccessTokens > 0 {
			shared++
		}
		if second, ok := firstRefusal(t, p, forecast.Token{Restrictions: list}); ok {
			t.Fatalf("a run is refused at second %d: %s", second, text(list))
		}
		if excess, ok := overspent(t, p, list); ok {
			t.Fatalf("a run gets what the plan does not allow: %+v: %s", excess, text(list))
		}
	})
	assert.GreaterOrEqual(t, shared, 5, "plans with several limits")
}
