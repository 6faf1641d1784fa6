package plan_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// proves P1: a mistake in a plan is an error, never a wider token.
func TestSenselessPlans(t *testing.T) {
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
		if found, ok := errors.AsType[*plan.PhaseError](err); !ok || found.Field != field || !errors.Is(err, plan.ErrInvalid) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for n, ok := range map[int]bool{0: false, 1: true, plan.MaxPhases: true, plan.MaxPhases + 1: false} {
		if err := (plan.Plan{Phases: slices.Repeat([]plan.Phase{good}, n)}).Validate(); (err == nil) != ok {
			t.Errorf("%d phases: %v", n, err)
		}
	}
	if _, err := (plan.Plan{Phases: []plan.Phase{good}}).Clauses(time.Time{}); !errors.Is(err, plan.ErrSubmission) {
		t.Errorf("no submission: %v", err)
	}
}

// TestWhatCannotBeKnown: conditions of others, names and countries are doubts,
// and a token that depends on them only perhaps carries the plan.
func TestWhatCannotBeKnown(t *testing.T) {
	p := plan.Plan{Phases: []plan.Phase{{Duration: time.Hour, Scopes: []string{"a"}, AccessTokens: 1, Hosts: []string{"192.0.2.1"}}}}
	for what, c := range map[plan.Unknowable]restriction.Clause{
		plan.Condition: {Extra: []restriction.Extra{{Key: "foreign", Value: []byte("1")}}},
		plan.Names:     {Hosts: []string{"*.example.org"}},
		plan.Country:   {GeoIPAllow: []string{"DE"}},
	} {
		v, err := p.Preflight(forecast.Token{Restrictions: restriction.List{c}, Elsewhere: true}, submitted)
		if err != nil {
			t.Fatal(err)
		}
		if v.Answer != plan.Perhaps || !slices.ContainsFunc(v.Doubts, func(d plan.Doubt) bool { return d.What == what }) {
			t.Errorf("%v: %v", what, v)
		}
	}
}

// TestNamesThatNobodyLooksUp: where the deployment has no resolver, as is known, a name in
// a clause admits nobody; the phase's host may have an address that another entry admits.
func TestNamesThatNobodyLooksUp(t *testing.T) {
	p := plan.Plan{Phases: []plan.Phase{{Duration: time.Hour, OtherUses: 1, Hosts: []string{"node.example.org"}}}}
	token := forecast.Token{Restrictions: restriction.List{{Hosts: []string{"node.example.org", "192.0.2.1"}}}}
	v, err := p.Preflight(token, submitted)
	if err != nil {
		t.Fatal(err)
	}
	if v.Answer != plan.Perhaps || v.Break == nil || !slices.Equal(v.Break.Keys, []string{restriction.KeyHosts}) {
		t.Errorf("without a resolver: %v", v)
	}
	token.Elsewhere = true
	if v, err = p.Preflight(token, submitted); err != nil || v.Answer != plan.Carries {
		t.Errorf("with a resolver, perhaps: %v, %v", v, err)
	}
}
