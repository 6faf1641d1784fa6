package plan_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestPreflightAgreesWithSimulation plays every run of random plans with random tokens
// about which everything is known. The token carries the plan only if no run has a use
// refused, and breaks it only if some run has. Perhaps is left for plans whose phases
// compete for uses, and those are few.
//
// proves P10
func TestPreflightAgreesWithSimulation(t *testing.T) {
	var seen [3]int
	late, spent, lacking, exact := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 3, 3)
		token := drawToken(t, p)
		v := preflight(t, p, token)
		seen[v.Answer]++
		first, refused := firstRefusal(t, p, token)
		if refused == (v.Answer == plan.Carries) && v.Answer != plan.Perhaps {
			t.Fatalf("refused %v, at second %d: %v\n%s", refused, first, v, text(token.Restrictions))
		}
		if v.Answer == plan.Carries {
			require.Nil(t, v.Break)
			require.Nil(t, v.Ask)
			return
		}
		b := v.Break
		askCarries(t, p, v)
		if v.Answer == plan.Perhaps {
			require.True(t, doubts(v, plan.Contention), v)
			require.Subset(t, []string{restriction.KeyUsagesAT, restriction.KeyUsagesOther}, b.Keys[:1], v)
			require.False(t, refused && b.At.After(second(first)), "a use is refused before %v: %v", b.At, v)
			return
		}
		require.False(t, b.At.Before(second(first)), "no use is refused at %v: %v", b.At, v)
		require.NotEmpty(t, b.Keys, v)
		if b.At.Equal(second(first)) {
			exact++
		}
		if first > 0 {
			late++
		}
		if k := b.Keys[0]; k == restriction.KeyUsagesAT || k == restriction.KeyUsagesOther {
			spent++
		}
		if c := b.Capability; c != "" {
			require.True(t, token.Lacks(c) && b.Clause == restriction.NoClause && v.AskCapabilities.Allows(c), v)
			lacking++
		}
	})
	assert.GreaterOrEqual(t, min(seen[plan.Carries], seen[plan.Breaks]), 50, "breaks, perhaps, carries: %v", seen)
	assert.LessOrEqual(t, seen[plan.Perhaps]*20, seen[plan.Carries]+seen[plan.Breaks], "perhaps swallows simple cases: %v", seen)
	assert.GreaterOrEqual(t, exact*20, seen[plan.Breaks]*19, "breaks at the very first refusal")
	assert.GreaterOrEqual(t, min(late, spent, lacking), 20, "%d late, %d spent, %d lacking", late, spent, lacking)
}

// askCarries looks ahead with the clauses that the verdict says to ask for.
func askCarries(t *rapid.T, p plan.Plan, v *plan.Verdict) {
	if v.Ask == nil {
		return
	}
	again := preflight(t, p, forecast.Token{
		Capabilities: p.Capabilities(), Restrictions: v.Ask, Used: make([]restriction.Usage, len(v.Ask)),
	})
	require.Equal(t, plan.Carries, again.Answer, again)
}

// drawToken draws a token that may carry the plan: with the clauses of the plan, changed,
// or others of the same world.
func drawToken(t *rapid.T, p plan.Plan) forecast.Token {
	token := forecast.Token{Capabilities: rapid.SampledFrom([]capability.Set{
		nil, nil, capability.Default(), {capability.AT, capability.CreateMytoken}, {capability.AT, capability.CreateMytoken}, {capability.CreateMytoken}, {},
	}).Draw(t, "capabilities")}
	list, err := p.Clauses(submitted)
	if err == nil && rapid.IntRange(0, 3).Draw(t, "of the plan") > 0 {
		token.Restrictions = list
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			change(t, &token.Restrictions[rapid.IntRange(0, len(list)-1).Draw(t, "changed")])
		}
		if rapid.Bool().Draw(t, "one more") {
			token.Restrictions = append(token.Restrictions, drawClause(t))
		}
		token.Restrictions = rapid.Permutation(token.Restrictions).Draw(t, "order")
	} else {
		for range rapid.IntRange(1, 3).Draw(t, "clauses") {
			token.Restrictions = append(token.Restrictions, drawClause(t))
		}
	}
	for range token.Restrictions {
		var u restriction.Usage
		if rapid.IntRange(0, 3).Draw(t, "used") == 0 {
			u = restriction.Usage{AT: rapid.Int64Range(0, 2).Draw(t, "AT"), Other: rapid.Int64Range(0, 2).Draw(t, "other")}
		}
		token.Used = append(token.Used, u)
	}
	return token
}

// change changes one key of a clause.
func change(t *rapid.T, c *restriction.Clause) {
	switch rapid.IntRange(0, 7).Draw(t, "change") {
	case 0:
		c.NotBefore += int64(rapid.IntRange(-1, 1).Draw(t, "later"))
	case 1:
		c.Expires += int64(rapid.IntRange(-1, 1).Draw(t, "longer"))
	case 2:
		c.Hosts = nil
	case 3:
		c.UsagesAT = nil
	case 4:
		c.UsagesAT = restriction.Usages(rapid.Int64Range(0, 6).Draw(t, "usages_AT"))
	case 5:
		c.UsagesOther = nil
	case 6:
		c.Scopes = []string{"a", "b"}
	case 7:
		c.Expires = 0
	}
}

func drawClause(t *rapid.T) restriction.Clause {
	var c restriction.Clause
	c.NotBefore = submitted.Unix() + int64(rapid.IntRange(-2, 4).Draw(t, "nbf"))
	if rapid.Bool().Draw(t, "exp?") {
		c.Expires = c.NotBefore + int64(rapid.IntRange(0, 9).Draw(t, "exp"))
	}
	if rapid.Bool().Draw(t, "scopes?") {
		c.Scopes = rapid.SampledFrom(worldScopes).Draw(t, "clause scopes")
	}
	if rapid.IntRange(0, 3).Draw(t, "hosts?") == 0 {
		c.Hosts = []string{rapid.SampledFrom(worldHosts).Draw(t, "clause hosts")}
	}
	if rapid.Bool().Draw(t, "usages_AT?") {
		c.UsagesAT = restriction.Usages(rapid.Int64Range(0, 6).Draw(t, "clause usages_AT"))
	}
	if rapid.IntRange(0, 3).Draw(t, "usages_other?") == 0 {
		c.UsagesOther = restriction.Usages(rapid.Int64Range(0, 4).Draw(t, "clause usages_other"))
	}
	return c
}
