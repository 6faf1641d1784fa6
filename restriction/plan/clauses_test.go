package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestClausesMerge checks which phases share a clause. All times are seconds after the
// submission.
func TestClausesMerge(t *testing.T) {
	tokens := func(from, until int, uses int64, scopes ...string) plan.Phase {
		begin := time.Duration(from) * time.Second
		return plan.Phase{
			Earliest: begin, Latest: begin, Duration: time.Duration(until-from) * time.Second, Scopes: scopes, AccessTokens: uses,
		}
	}
	others := func(from, until int, uses int64) plan.Phase {
		p := tokens(from, until, 0)
		p.OtherUses = uses
		return p
	}
	on := func(p plan.Phase, hosts ...string) plan.Phase { p.Hosts = hosts; return p }
	clause := func(from, until int, uses int64, scopes ...string) restriction.Clause {
		c := restriction.Clause{NotBefore: second(from).Unix(), Expires: second(until).Unix(), Scopes: scopes, UsagesOther: restriction.Usages(0)}
		if uses != plan.AnyNumber {
			c.UsagesAT = restriction.Usages(uses)
		}
		return c
	}
	const free = plan.AnyNumber
	block := clause(0, 9, free, "a")
	block.Hosts = []string{"192.0.2.0/24"}
	both := clause(0, 9, 2, "a")
	both.UsagesOther = nil
	for name, test := range map[string]struct {
		phases []plan.Phase
		want   restriction.List
	}{
		"equal, without limits":   {[]plan.Phase{tokens(0, 9, free, "a", "b"), tokens(0, 9, free, "b", "a")}, restriction.List{clause(0, 9, free, "a", "b")}},
		"equal, with limits":      {[]plan.Phase{tokens(0, 9, 2, "a"), tokens(0, 9, 3, "a")}, restriction.List{clause(0, 9, 5, "a")}},
		"adjacent":                {[]plan.Phase{tokens(5, 9, free, "a"), tokens(0, 4, free, "a")}, restriction.List{clause(0, 9, free, "a")}},
		"overlapping":             {[]plan.Phase{tokens(0, 6, free, "a"), tokens(5, 9, free, "a")}, restriction.List{clause(0, 9, free, "a")}},
		"a second apart":          {[]plan.Phase{tokens(0, 3, free, "a"), tokens(5, 9, free, "a")}, restriction.List{clause(0, 3, free, "a"), clause(5, 9, free, "a")}},
		"adjacent, with limits":   {[]plan.Phase{tokens(0, 4, 1, "a"), tokens(5, 9, 1, "a")}, restriction.List{clause(0, 4, 1, "a"), clause(5, 9, 1, "a")}},
		"contained":               {[]plan.Phase{tokens(0, 9, free, "a", "b"), tokens(3, 4, free, "b")}, restriction.List{clause(0, 9, free, "a", "b")}},
		"contained, with a limit": {[]plan.Phase{tokens(3, 4, 7, "a"), tokens(0, 9, free, "a")}, restriction.List{clause(0, 9, free, "a")}},
		"contained hosts":         {[]plan.Phase{on(tokens(0, 9, free, "a"), "192.0.2.0/24"), on(tokens(0, 9, free, "a"), "192.0.2.1")}, restriction.List{block}},
		"both kinds of uses":      {[]plan.Phase{tokens(0, 9, 2, "a"), others(0, 9, free)}, restriction.List{both}},
		"other scopes":            {[]plan.Phase{tokens(0, 9, 2, "a"), tokens(0, 9, 2, "b")}, restriction.List{clause(0, 9, 2, "a"), clause(0, 9, 2, "b")}},
	} {
		list, err := plan.Plan{Phases: test.phases}.Clauses(submitted)
		require.NoError(t, err, name)
		assert.True(t, test.want.Equal(list), "%s: %s", name, text(list))
	}
}

// TestContendedPlans checks that Clauses refuses a plan whose phases may take uses from
// each other, but not one for which some order of clauses helps.
func TestContendedPlans(t *testing.T) {
	phase := func(from, until int, hosts ...string) plan.Phase {
		begin := time.Duration(from) * time.Second
		return plan.Phase{
			Earliest: begin, Latest: begin, Duration: time.Duration(until-from) * time.Second, Scopes: []string{"a"}, Hosts: hosts, AccessTokens: 1,
		}
	}
	_, err := plan.Plan{Phases: []plan.Phase{phase(3, 9), phase(0, 5)}}.Clauses(submitted)
	require.NoError(t, err, "the clause that ends first comes first")

	// From the second host, each phase may spend from either clause.
	_, err = plan.Plan{Phases: []plan.Phase{phase(0, 9, "192.0.2.1", "192.0.2.2"), phase(0, 9, "192.0.2.2", "192.0.2.3")}}.Clauses(submitted)
	require.ErrorIs(t, err, plan.ErrContended)
}
