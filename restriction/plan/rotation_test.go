package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestPreflightOfRotatingTokens plays every run of random plans with tokens that rotate.
// A token carries the plan only if no run meets a dead token or a refusal. It breaks the
// plan only if it still refuses a use when kept alive as long as any run can. Nearly all
// other tokens get Perhaps, and nearly no others do.
//
// proves P10
func TestPreflightOfRotatingTokens(t *testing.T) {
	var seen [3]int
	dead, idle, same := 0, 0, 0
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
		v := preflight(t, p, token)
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
		if v.Answer != want && v.Answer != plan.Perhaps {
			t.Fatalf("%v, want %v; first refusal %d, lives until %d: %s", v, want, first, last, text(token.Restrictions))
		}
		if v.Answer == want && (v.Break == nil || v.Break.At.Equal(second(at))) {
			same++
		}
		if v.Answer == plan.Carries {
			return
		}
		byRotation := slices.Contains(v.Break.Keys, plan.KeyRotation)
		if v.Answer == plan.Breaks {
			if byRotation {
				dead++
			}
			return
		}
		require.True(t, doubts(v, plan.Renewal) && byRotation || doubts(v, plan.Contention), "perhaps without a reason: %v", v)
		if byRotation {
			idle++
			require.True(t, v.Break.At.After(token.Life().Idle), v)
		}
	})
	assert.GreaterOrEqual(t, min(seen[plan.Carries], idle, dead), 20, "breaks, perhaps, carries: %v; %d dead, %d idle", seen, dead, idle)
	assert.GreaterOrEqual(t, same*20, 19*(seen[0]+seen[1]+seen[2]), "as exact as the simulation")
}

// playRotating plays all runs with a token that rotates. It returns the first second in
// which a use is refused, or -1, and the last one in which the token lives in some run.
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

// TestRotationIsNamed checks that an idle token is dead when its generation ends,
// whatever its restrictions say, and that one in use may live.
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
		v := preflight(t, test.plan, token)
		assert.Equal(t, test.want, v.Answer, "%s: %v", name, v)
		assert.Equal(t, test.want == plan.Perhaps, doubts(v, plan.Renewal), "%s: %v", name, v)
		if test.want != plan.Carries {
			assert.Equal(t, submitted.Add(test.at), v.Break.At, name)
			assert.Equal(t, []string{plan.KeyRotation}, v.Break.Keys, name)
			assert.Contains(t, v.String(), plan.KeyRotation)
		}
	}
}
