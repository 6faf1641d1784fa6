package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestMissingCapability: whatever the restrictions, a token carries nothing that
// its capabilities do not allow, and what nobody told is a doubt.
func TestMissingCapability(t *testing.T) {
	submit := plan.Phase{Name: "submit", Duration: time.Hour, OtherUses: 1, Capabilities: capability.Set{capability.CreateMytoken}}
	run := plan.Phase{Name: "run", Earliest: time.Hour, Latest: time.Hour, Duration: time.Hour, Scopes: []string{"a"}, AccessTokens: 1}
	other := plan.Phase{Duration: time.Hour, OtherUses: 1}
	for name, test := range map[string]struct {
		phases  []plan.Phase
		token   capability.Set
		lacking capability.Capability
		at      time.Duration
		doubt   bool
	}{
		"all":                   {phases: []plan.Phase{submit, run}, token: capability.Set{capability.AT, capability.CreateMytoken}},
		"no AT":                 {phases: []plan.Phase{submit, run}, token: capability.Set{capability.CreateMytoken}, lacking: capability.AT, at: time.Hour},
		"no create_mytoken":     {phases: []plan.Phase{submit, run}, token: capability.Default(), lacking: capability.CreateMytoken},
		"none":                  {phases: []plan.Phase{run}, token: capability.Set{}, lacking: capability.AT, at: time.Hour},
		"nobody told":           {phases: []plan.Phase{run}, doubt: true},
		"the plan does not say": {phases: []plan.Phase{other}, token: capability.Default(), doubt: true},
	} {
		p := plan.Plan{Phases: test.phases}
		v, err := p.Preflight(forecast.Token{Capabilities: test.token}, submitted)
		if err != nil {
			t.Fatal(err)
		}
		if doubt := slices.ContainsFunc(v.Doubts, func(d plan.Doubt) bool { return d.What == plan.Capability }); doubt != test.doubt {
			t.Errorf("%s: doubted %v: %v", name, doubt, v)
		}
		if test.lacking == "" {
			if v.Answer != plan.Carries || v.AskCapabilities != nil {
				t.Errorf("%s: %v", name, v)
			}
			continue
		}
		b := v.Break
		if v.Answer != plan.Breaks || b.Capability != test.lacking || !b.At.Equal(submitted.Add(test.at)) || !slices.Equal(b.Keys, []string{plan.KeyCapabilities}) ||
			b.Clause != restriction.NoClause || !v.AskCapabilities.Equal(p.Capabilities()) {
			t.Errorf("%s: %v", name, v)
		}
		text := v.String()
		for _, line := range []string{"lacks the capability " + string(test.lacking), "Ask for the capabilities: " + p.Capabilities().String()} {
			if !strings.Contains(text, line) {
				t.Errorf("%s: no %q in %s", name, line, text)
			}
		}
	}
}
