package plan_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestPreflightAgreesWithSimulation plays every run of random plans with random
// tokens: a token carries a plan exactly if no use of any run is refused, and the
// first refusal is where Preflight says.
//
// proves P10
func TestPreflightAgreesWithSimulation(t *testing.T) {
	var seen [3]int
	late, spent, lacking := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 3, 3)
		token := drawToken(t, p)
		v, err := p.Preflight(token, submitted)
		if err != nil {
			t.Fatal(err)
		}
		seen[v.Answer]++
		second, refused := firstRefusal(t, p, token)
		switch v.Answer {
		case plan.Perhaps:
			t.Fatalf("perhaps, and nothing is unknown: %v", v)
		case plan.Carries:
			if refused {
				t.Fatalf("it carries, and is refused at second %d: %s", second, text(token.Restrictions))
			}
			if v.Break != nil || v.Ask != nil {
				t.Fatalf("it carries, and breaks: %v", v)
			}
		case plan.Breaks:
			if !refused {
				t.Fatalf("no run is refused: %v\n%s", v, text(token.Restrictions))
			}
			if at := v.Break.At; !at.Equal(submitted.Add(time.Duration(second) * time.Second)) {
				t.Fatalf("refused first at second %d, not at %v: %s", second, at, text(token.Restrictions))
			}
			if len(v.Break.Keys) == 0 && len(token.Restrictions) > 0 {
				t.Fatalf("no key: %v", v)
			}
			if second > 0 {
				late++
			}
			if k := v.Break.Keys[0]; k == restriction.KeyUsagesAT || k == restriction.KeyUsagesOther {
				spent++
			}
			if c := v.Break.Capability; c != "" {
				if !token.Lacks(c) || v.Break.Clause != restriction.NoClause || !v.AskCapabilities.Allows(c) {
					t.Fatalf("%v is lacking, and the token has %v: %v", c, token.Capabilities, v)
				}
				lacking++
			}
			askCarries(t, p, v)
		}
	})
	if seen[plan.Carries] < 50 || seen[plan.Breaks] < 50 || late < 20 || spent < 20 || lacking < 20 {
		t.Errorf("breaks, perhaps, carries: %v; %d late, %d spent, %d lacking: the test shows little", seen, late, spent, lacking)
	}
}

// askCarries looks ahead with what the verdict says to ask for.
func askCarries(t *rapid.T, p plan.Plan, v *plan.Verdict) {
	if v.Ask == nil {
		return
	}
	again, err := p.Preflight(forecast.Token{
		Capabilities: p.Capabilities(), Restrictions: v.Ask, Used: make([]restriction.Usage, len(v.Ask)),
	}, submitted)
	if err != nil || again.Answer != plan.Carries {
		t.Fatalf("what to ask for does not carry the plan: %v, %v", again, err)
	}
}

// drawToken draws a token that has something to do with the plan: its clauses,
// changed, or others of the same world.
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

// TestPreflightOfTokenWithoutRestrictions: nothing but its own end breaks it.
func TestPreflightOfTokenWithoutRestrictions(t *testing.T) {
	p := plan.Plan{Phases: []plan.Phase{{Name: "run", Duration: time.Hour, Scopes: []string{"a"}, AccessTokens: plan.AnyNumber}}}
	for end, want := range map[time.Duration]plan.Answer{
		time.Hour: plan.Carries, time.Hour - time.Second: plan.Breaks, -time.Second: plan.Breaks,
	} {
		v, err := p.Preflight(forecast.Token{Expires: submitted.Add(end)}, submitted)
		if err != nil {
			t.Fatal(err)
		}
		if v.Answer != want {
			t.Errorf("with an end after %v: %v", end, v)
		}
		if want == plan.Carries {
			continue
		}
		if at := max(end+time.Second, 0); !v.Break.At.Equal(submitted.Add(at)) || fmt.Sprint(v.Break.Keys) != "[exp]" || v.Break.Clause != restriction.NoClause {
			t.Errorf("with an end after %v: %v", end, v.Break)
		}
	}
}
