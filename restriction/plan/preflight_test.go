package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestMissingCapability checks that a token carries only what its capabilities allow,
// whatever its restrictions say, and that unknown capabilities are a doubt.
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
		"not known":             {phases: []plan.Phase{run}, doubt: true},
		"the plan does not say": {phases: []plan.Phase{other}, token: capability.Default(), doubt: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan.Plan{Phases: test.phases}
			v := preflight(t, p, forecast.Token{Capabilities: test.token})
			assert.Equal(t, test.doubt, doubts(v, plan.Capability), v)
			if test.lacking == "" {
				assert.Equal(t, plan.Carries, v.Answer, v)
				assert.Nil(t, v.AskCapabilities)
				return
			}
			assert.Equal(t, plan.Breaks, v.Answer, v)
			assert.Equal(t, &plan.Break{
				At: submitted.Add(test.at), Phase: v.Break.Phase, Name: p.Phases[v.Break.Phase].Name, Kind: v.Break.Kind,
				Clause: restriction.NoClause, Keys: []string{plan.KeyCapabilities}, Capability: test.lacking,
			}, v.Break)
			assert.True(t, v.AskCapabilities.Equal(p.Capabilities()))
			assert.Contains(t, v.String(), "lacks the capability "+string(test.lacking))
			assert.Contains(t, v.String(), "Ask for the capabilities: "+p.Capabilities().String())
		})
	}
}

// TestUnknowns checks that conditions, names and countries are doubts, and that a token
// that depends on them only perhaps carries the plan.
func TestUnknowns(t *testing.T) {
	p := plan.Plan{Phases: []plan.Phase{{Duration: time.Hour, Scopes: []string{"a"}, AccessTokens: 1, Hosts: []string{"192.0.2.1"}}}}
	for what, c := range map[plan.Unknowable]restriction.Clause{
		plan.Condition: {Extra: []restriction.Extra{{Key: "foreign", Value: []byte("1")}}},
		plan.Names:     {Hosts: []string{"*.example.org"}},
		plan.Country:   {GeoIPAllow: []string{"DE"}},
	} {
		v := preflight(t, p, forecast.Token{Restrictions: restriction.List{c}, Elsewhere: true})
		assert.Equal(t, plan.Perhaps, v.Answer, v)
		assert.True(t, doubts(v, what), v)
		assert.False(t, doubts(v, plan.Contention), v)
	}
}

// TestNamesThatNobodyLooksUp checks a deployment without a resolver. A name in a clause
// then admits nobody. The host of the phase may still have an address that another entry
// admits.
func TestNamesThatNobodyLooksUp(t *testing.T) {
	p := plan.Plan{Phases: []plan.Phase{{Duration: time.Hour, OtherUses: 1, Hosts: []string{worldName}}}}
	token := forecast.Token{Restrictions: restriction.List{{Hosts: []string{worldName, "192.0.2.1"}}}}
	v := preflight(t, p, token)
	assert.Equal(t, plan.Perhaps, v.Answer, v)
	assert.Equal(t, []string{restriction.KeyHosts}, v.Break.Keys)
	token.Elsewhere = true
	v = preflight(t, p, token)
	assert.Equal(t, plan.Carries, v.Answer, v)
}

// TestNamesThatMayBeDrained checks two phases. Depending on the DNS, the first one may
// take the uses that the second one needs.
func TestNamesThatMayBeDrained(t *testing.T) {
	for _, n := range []int64{1, 100_000} {
		p := plan.Plan{Phases: []plan.Phase{
			{AccessTokens: n, Scopes: []string{"a"}, Hosts: []string{worldName}}, {AccessTokens: n, Scopes: []string{"b"}, Hosts: []string{"192.0.2.1"}},
		}}
		v := preflight(t, p, forecast.Token{Elsewhere: true, Restrictions: restriction.List{
			{Hosts: []string{"192.0.2.1"}, Scopes: []string{"a", "b"}, UsagesAT: restriction.Usages(n)},
			{Hosts: []string{worldName}, Scopes: []string{"a"}, UsagesAT: restriction.Usages(n)},
		}})
		assert.Equal(t, plan.Perhaps, v.Answer, v)
	}
}

// TestBounds checks the answer where limits decide. A foreign key is one that nobody can
// judge.
func TestBounds(t *testing.T) {
	other := func(uses int64) plan.Plan { return plan.Plan{Phases: []plan.Phase{{OtherUses: uses}}} }
	foreign := func(uses int64) restriction.List {
		return restriction.List{{Extra: []restriction.Extra{{Key: "foreign", Value: []byte("1")}}, UsagesOther: restriction.Usages(uses)}}
	}
	limit := func(list restriction.List, uses int64) restriction.List {
		return append(list, restriction.Clause{UsagesOther: restriction.Usages(uses)})
	}
	two := plan.Plan{Phases: []plan.Phase{{OtherUses: 2}, {OtherUses: 3}}}
	sequence := plan.Plan{Phases: []plan.Phase{{OtherUses: 1}, {Earliest: time.Hour, Latest: time.Hour, OtherUses: 1}}}
	hour := restriction.Clause{Expires: submitted.Unix() + 9, UsagesOther: restriction.Usages(1)}
	for name, test := range map[string]struct {
		plan      plan.Plan
		list      restriction.List
		want      plan.Answer
		contended bool
	}{
		"enough":                         {other(2), limit(nil, 2), plan.Carries, false},
		"too few":                        {other(3), limit(nil, 2), plan.Breaks, false},
		"too few for both phases":        {two, limit(nil, 4), plan.Breaks, false},
		"enough for both phases":         {two, limit(nil, 5), plan.Carries, false},
		"enough in two clauses":          {two, limit(limit(nil, 1), 4), plan.Carries, false},
		"any number of three":            {other(plan.AnyNumber), limit(nil, 3), plan.Breaks, false},
		"foreign, two uses of one":       {other(2), foreign(1), plan.Breaks, false},
		"foreign, two uses of two":       {other(2), foreign(2), plan.Perhaps, false},
		"foreign, any number of three":   {other(plan.AnyNumber), foreign(3), plan.Breaks, false},
		"foreign, and then without one":  {other(plan.AnyNumber), append(foreign(3), restriction.Clause{UsagesAT: restriction.Usages(0)}), plan.Carries, false},
		"foreign, three of two and one":  {other(3), limit(foreign(2), 1), plan.Perhaps, true},
		"foreign, four of two and one":   {other(4), limit(foreign(2), 1), plan.Breaks, false},
		"the short clause is used first": {sequence, limit(restriction.List{hour}, 1), plan.Carries, false},
		"the long clause is used first":  {sequence, append(limit(nil, 1), hour), plan.Perhaps, true},
		"any audience of one": {
			plan.Plan{Phases: []plan.Phase{{Scopes: []string{"a"}, AccessTokens: 1}}}, restriction.List{{Audiences: []string{"x"}}}, plan.Breaks, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := preflight(t, test.plan, forecast.Token{Restrictions: test.list, Elsewhere: true})
			assert.Equal(t, test.want, v.Answer, v)
			assert.Equal(t, test.contended, doubts(v, plan.Contention), v)
			assert.Equal(t, test.want == plan.Carries, v.Break == nil)
		})
	}
}

// TestPreflightOfTokenWithoutRestrictions checks that only its own end breaks such a
// token.
func TestPreflightOfTokenWithoutRestrictions(t *testing.T) {
	p := plan.Plan{Phases: []plan.Phase{{Name: "run", Duration: time.Hour, Scopes: []string{"a"}, AccessTokens: plan.AnyNumber}}}
	for end, want := range map[time.Duration]plan.Answer{
		time.Hour: plan.Carries, time.Hour - time.Second: plan.Breaks, -time.Second: plan.Breaks,
	} {
		v := preflight(t, p, forecast.Token{Expires: submitted.Add(end)})
		assert.Equal(t, want, v.Answer, "with an end after %v: %v", end, v)
		if want == plan.Breaks {
			assert.Equal(t, &plan.Break{
				At: submitted.Add(max(end+time.Second, 0)), Name: "run", Kind: restriction.AT, Clause: restriction.NoClause, Keys: []string{restriction.KeyExpires},
			}, v.Break, "with an end after %v", end)
		}
	}
}
