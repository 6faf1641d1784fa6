package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestPreflightOfRotatingTokens plays every run of random plans with tokens that
// rotate: a token carries a plan exactly if no run meets a dead token or a
// refusal, and breaks exactly if the token, kept alive as long as any run can,
// still refuses a use. Break is the first refusal of that.
//
// proves P10
func TestPreflightOfRotatingTokens(t *testing.T) {
	var seen [3]int
	dead, idle := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 2, 2)
		token := drawToken(t, p)
		token.Rotation = &forecast.Rotation{
			OnAT: rapid.IntRange(0, 4).Draw(t, "on AT") > 0, OnOther: rapid.Bool().Draw(t, "on other"),
			Lifetime: uint64(rapid.IntRange(1, 6).Draw(t, "lifetime")), Issued: submitted,
		}
		if rapid.Bool().Draw(t, "with exp") {
			token.Expires = token.Life().Idle
		}
		v, err := p.Preflight(token, submitted)
		if err != nil {
			t.Fatal(err)
		}
		seen[v.Answer]++
		first, last := playRotating(t, p, token)
		kept := token
		kept.Rotation, kept.Expires = nil, second(last)
		always, breaks := firstRefusal(t, p, kept)
		want, at := plan.Carries, 0
		switch {
		case breaks:
			want, at = plan.Breaks, always
		case first >= 0:
			want, at = plan.Perhaps, first
		}
		if v.Answer != want {
			t.Fatalf("%v, want %v; first refusal %d, lives until %d: %s", v, want, first, last, text(token.Restrictions))
		}
		doubt := slices.ContainsFunc(v.Doubts, func(d plan.Doubt) bool { return d.What == plan.Renewal })
		if want == plan.Carries {
			return
		}
		if !v.Break.At.Equal(second(at)) {
			t.Fatalf("refused first at second %d: %v", at, v)
		}
		byRotation := slices.Contains(v.Break.Keys, plan.KeyRotation)
		if after := at > int(token.Life().Idle.Sub(submitted)/time.Second); want == plan.Perhaps && (!byRotation || !after || !doubt) {
			t.Fatalf("perhaps, and rotation is not why: %v", v)
		}
		if byRotation && want == plan.Breaks {
			dead++
		}
		if want == plan.Perhaps {
			idle++
		}
	})
	if seen[plan.Carries] < 20 || idle < 20 || dead < 20 {
		t.Errorf("breaks, perhaps, carries: %v; %d dead, %d idle: the test shows little", seen, dead, idle)
	}
}

// playRotating plays all runs with a token that rotates. It returns the first
// second in which a use is refused, or -1, and the last one in which the token
// lives in some run.
func playRotating(t *rapid.T, p plan.Plan, token forecast.Token) (first, last int) {
	type alive struct {
		positions [2]position // by kind
		end       int
	}
	var players [2]player
	renews := [2]bool{token.Rotation.OnAT && (token.Capabilities == nil || token.Capabilities.Allows(capability.AT)), token.Rotation.OnOther}
	start := alive{end: int(token.Rotation.Lifetime)}
	for k, kind := range []restriction.Kind{restriction.AT, restriction.Other} {
		players[k] = player{t: t, plan: p, policy: compile(t, token.Restrictions), list: token.Restrictions, kind: kind, may: token.Capabilities, end: worldEnd}
		start.positions[k] = position{slices.Clone(token.Used), make([]int64, len(p.Phases))}
	}
	at := intervals(p)
	first, last = -1, start.end
	states := []alive{start}
	for now := range worldEnd + 1 {
		seen := map[string]bool{}
		for n := 0; n < len(states); n++ {
			for k := range players {
				for i, phase := range p.Phases {
					for _, a := range uses(phase, at[i], players[k].kind) {
						if a.second != now {
							continue
						}
						most := limit(phase, players[k].kind)
						if most != plan.AnyNumber && states[n].positions[k].made[i] >= most {
							continue
						}
						next := states[n]
						var refused bool
						if next.positions[k], refused = players[k].step(states[n].positions[k], i, a); refused || now > states[n].end {
							if first < 0 {
								first = now
							}
							continue
						}
						if renews[k] {
							next.end = max(next.end, now+int(token.Rotation.Lifetime))
							last = max(last, next.end)
						}
						if key := fmt.Sprint(next); !seen[key] {
							seen[key] = true
							states = append(states, next)
						}
					}
				}
			}
		}
	}
	return first, last
}

// TestRotationIsNamed: an idle token is dead when its generation ends, whatever
// the restrictions say, and one that is kept in use is not.
func TestRotationIsNamed(t *testing.T) {
	limited := func(earliest, duration time.Duration, uses int64) plan.Phase {
		return plan.Phase{Earliest: earliest, Latest: earliest, Duration: duration, Scopes: []string{"a"}, AccessTokens: uses}
	}
	phase := func(earliest, duration time.Duration) plan.Phase { return limited(earliest, duration, plan.AnyNumber) }
	token := forecast.Token{
		Capabilities: capability.Default(), Expires: submitted.Add(12 * time.Hour),
		Rotation: &forecast.Rotation{OnAT: true, Lifetime: 12 * 60 * 60, Issued: submitted},
	}
	for name, test := range map[string]struct {
		plan plan.Plan
		want plan.Answer
		at   time.Duration
	}{
		"within the generation": {plan.Plan{Phases: []plan.Phase{phase(0, 12*time.Hour)}}, plan.Carries, 0},
		"in use for three days": {plan.Plan{Phases: []plan.Phase{phase(0, 72*time.Hour)}}, plan.Perhaps, 12*time.Hour + time.Second},
		"one use, and idle":     {plan.Plan{Phases: []plan.Phase{limited(0, time.Hour, 1), limited(20*time.Hour, time.Hour, 1)}}, plan.Breaks, 20 * time.Hour},
		"idle for 23 hours":     {plan.Plan{Phases: []plan.Phase{phase(0, time.Hour), phase(24*time.Hour, time.Hour)}}, plan.Breaks, 24 * time.Hour},
	} {
		v, err := test.plan.Preflight(token, submitted)
		if err != nil {
			t.Fatal(err)
		}
		if v.Answer != test.want {
			t.Errorf("%s: %v", name, v)
		}
		if test.want == plan.Carries {
			continue
		}
		if b := v.Break; !b.At.Equal(submitted.Add(test.at)) || !slices.Equal(b.Keys, []string{plan.KeyRotation}) || !strings.Contains(v.String(), plan.KeyRotation) {
			t.Errorf("%s: %v", name, v)
		}
		if doubt := strings.Contains(v.String(), "often enough"); doubt != (test.want == plan.Perhaps) {
			t.Errorf("%s: %v", name, v)
		}
	}
}
