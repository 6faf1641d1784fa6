package forecast_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// TestRotationAgreesWithSimulation plays every way to use a token that rotates, second by
// second. The policy decides each use. An open clause is open even if nobody ever uses
// the token. Some way of using it opens an unknown clause, and none opens a closed one.
//
// proves P10
func TestRotationAgreesWithSimulation(t *testing.T) {
	var seen [3]int
	moved, ended := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		token := drawRotating(t)
		f := newForecast(t, token, epoch, second(horizon))
		idle := int(token.Life().Idle.Sub(epoch) / time.Second)
		last := furthest(t, token, idle)
		if last > idle {
			moved++
		}
		for i := range f.Clauses {
			for n := range horizon {
				want := forecast.Open
				switch {
				case !opens(t, &token, i, n) || n > last:
					want = forecast.Closed
					if n > last && opens(t, &token, i, n) {
						ended++
					}
				case n > idle:
					want = forecast.Unknown
				}
				seen[want]++
				if got := f.Clauses[i].At(second(n)); got != want {
					t.Fatalf("clause %d at second %d is %v, not %v; idle %d, last %d: %+v", i, n, got, want, idle, last, f.Clauses[i].Spans)
				}
			}
		}
	})
	if seen[forecast.Unknown] < 1000 || seen[forecast.Open] < 1000 || moved < 200 || ended < 1000 {
		t.Errorf("closed, unknown, open: %v; %d moved, %d ended: the test shows little", seen, moved, ended)
	}
}

// drawRotating draws a token whose clauses restrict time and uses only.
func drawRotating(t *rapid.T) forecast.Token {
	token := forecast.Token{
		Capabilities: rapid.SampledFrom([]capability.Set{nil, capability.Default(), capability.Default(), {capability.Tokeninfo}}).Draw(t, "capabilities"),
		Rotation: &forecast.Rotation{
			OnAT: rapid.IntRange(0, 3).Draw(t, "on AT") > 0, OnOther: rapid.IntRange(0, 3).Draw(t, "on other") == 0,
			Lifetime: uint64(rapid.IntRange(1, 9).Draw(t, "lifetime")), Issued: second(-rapid.IntRange(0, 3).Draw(t, "age")),
		},
	}
	for range rapid.IntRange(0, 2).Draw(t, "clauses") {
		c := restriction.Clause{NotBefore: unix(rapid.IntRange(0, 12).Draw(t, "nbf"))}
		if rapid.Bool().Draw(t, "exp?") {
			c.Expires = unix(rapid.IntRange(0, horizon).Draw(t, "exp"))
		}
		if rapid.Bool().Draw(t, "usages_AT?") {
			c.UsagesAT = restriction.Usages(rapid.Int64Range(0, 3).Draw(t, "usages_AT"))
		}
		if rapid.Bool().Draw(t, "usages_other?") {
			c.UsagesOther = restriction.Usages(rapid.Int64Range(0, 2).Draw(t, "usages_other"))
		}
		token.Restrictions = append(token.Restrictions, c)
	}
	switch rapid.IntRange(0, 3).Draw(t, "exp of the token") {
	case 0: // the reference server's first generation
	case 1: // another bound
		token.Expires = second(rapid.IntRange(0, horizon).Draw(t, "token exp"))
	default: // protocol section 4.3
		token.Expires = token.Rotation.Issued.Add(time.Duration(token.Rotation.Lifetime) * time.Second)
	}
	return token
}

// opens reports whether a clause admits anything in a second, whatever was used.
func opens(t *rapid.T, token *forecast.Token, i, n int) bool {
	if len(token.Restrictions) == 0 {
		return true
	}
	return admits(t, restriction.List{token.Restrictions[i]}, token.Options, restriction.Request{Now: second(n), Kind: restriction.Uncounted})
}

// furthest tries all ways of using a token. It returns the last second in which the token
// can live.
func furthest(t *rapid.T, token forecast.Token, idle int) int {
	policy := compile(t, token.Restrictions, token.Options)
	type state struct {
		end  int
		used [2]restriction.Usage
	}
	most := 1 << 30
	if fixed := token.Rotation.Issued.Add(time.Duration(token.Rotation.Lifetime) * time.Second); !token.Expires.IsZero() && !token.Expires.Equal(fixed) {
		most = int(token.Expires.Sub(epoch) / time.Second)
	}
	states, best := map[state]bool{{end: idle}: true}, idle
	for n := range horizon + 1 {
		next := map[state]bool{}
		for s := range states {
			if s.end < n {
				continue
			}
			next[s] = true
			for _, kind := range []restriction.Kind{restriction.AT, restriction.Other} {
				if kind == restriction.AT && (!token.Rotation.OnAT || token.Capabilities != nil && !token.Capabilities.Allows(capability.AT)) || kind == restriction.Other && !token.Rotation.OnOther {
					continue
				}
				r := restriction.Request{Now: second(n), Kind: kind, Used: s.used[:len(token.Restrictions)]}
				d := policy.Evaluate(&r)
				if !d.Admitted() {
					continue
				}
				used := s
				used.end = min(max(s.end, n+int(token.Rotation.Lifetime)), most)
				best = max(best, used.end)
				if len(token.Restrictions) == 0 {
					next[used] = true
				}
				for clause := range d.Candidates() { // a forecast ignores their order
					spent := used
					if kind == restriction.AT {
						spent.used[clause].AT = min(spent.used[clause].AT+1, 3)
					} else {
						spent.used[clause].Other = min(spent.used[clause].Other+1, 3)
					}
					next[spent] = true
				}
			}
		}
		states = next
	}
	return best
}

// TestLife checks what moves the end of a token.
func TestLife(t *testing.T) {
	at := func(n int) time.Time {
		if n < 0 {
			return time.Time{}
		}
		return second(n)
	}
	onAT := func(lifetime uint64, issued int) *forecast.Rotation {
		return &forecast.Rotation{OnAT: true, Lifetime: lifetime, Issued: at(issued)}
	}
	for name, test := range map[string]struct {
		token      forecast.Token
		idle, last int // -1: no end
	}{
		"no rotation":                {forecast.Token{Expires: second(9)}, 9, 9},
		"no end":                     {forecast.Token{}, -1, -1},
		"no lifetime":                {forecast.Token{Expires: second(9), Rotation: onAT(0, 0)}, 9, 9},
		"exp is the generation's":    {forecast.Token{Expires: second(9), Rotation: onAT(9, 0)}, 9, -1},
		"exp comes first":            {forecast.Token{Expires: second(5), Rotation: onAT(9, 0)}, 5, 5},
		"exp comes later":            {forecast.Token{Expires: second(30), Rotation: onAT(9, 0)}, 9, 30},
		"no exp":                     {forecast.Token{Rotation: onAT(9, 0)}, 9, -1},
		"iat is not known":           {forecast.Token{Expires: second(9), Rotation: onAT(3, -1)}, 9, -1},
		"nothing rotates it":         {forecast.Token{Rotation: &forecast.Rotation{Lifetime: 9, Issued: epoch}}, 9, 9},
		"it cannot be rotated":       {forecast.Token{Rotation: onAT(9, 0), Capabilities: capability.Set{capability.Tokeninfo}}, 9, 9},
		"a lifetime beyond all time": {forecast.Token{Expires: second(9), Rotation: onAT(1<<64-1, 0)}, 9, 9},
	} {
		got := test.token.Life()
		assert.True(t, got.Idle.Equal(at(test.idle)), "%s: idle until %v", name, got.Idle)
		assert.True(t, got.Last.Equal(at(test.last)), "%s: lives until %v", name, got.Last)
	}
}

// TestLivesUntil checks how far uses move the end of a token.
func TestLivesUntil(t *testing.T) {
	token := forecast.Token{Rotation: &forecast.Rotation{OnAT: true, Lifetime: 10, Issued: epoch}}
	for name, test := range map[string]struct {
		uses []forecast.Uses
		last int
	}{
		"no use":                   {nil, 10},
		"one as late as possible":  {[]forecast.Uses{{First: epoch, Last: second(30), Most: 1}}, 20},
		"one early":                {[]forecast.Uses{{First: epoch, Last: second(3), Most: 1}}, 13},
		"many":                     {[]forecast.Uses{{First: epoch, Last: second(35), Most: math.MaxInt64}}, 45},
		"the second comes in time": {[]forecast.Uses{{First: second(15), Last: second(40), Most: 1}, {First: epoch, Last: second(8), Most: 1}}, 28},
		"the second is too late":   {[]forecast.Uses{{First: second(19), Last: second(40), Most: 1}, {First: epoch, Last: second(8), Most: 1}}, 18},
	} {
		assert.Equal(t, second(test.last), token.LivesUntil(test.uses), name)
	}
	token.Expires = second(15)
	assert.Equal(t, second(15), token.LivesUntil([]forecast.Uses{{First: epoch, Last: second(30), Most: 9}}), "exp stays")
}

// TestRotationIsTold checks that sentences say when the token depends on being used, and
// that the forecast does not end with a generation.
func TestRotationIsTold(t *testing.T) {
	token := forecast.Token{
		Restrictions: restriction.List{{Expires: unix(48 * 60 * 60)}}, Expires: second(12 * 60 * 60),
		Rotation: &forecast.Rotation{OnAT: true, Lifetime: 12 * 60 * 60, Issued: epoch},
	}
	f := newForecast(t, token, epoch, time.Time{})
	text := f.Describe(forecast.Style{Start: epoch})
	for _, want := range []string{
		"What the token admits, +0h to +48h.\n", "After +12h the token lives on only if it is used in time: each access token gives it another 12h.\n",
		"from +0h to +12h", "perhaps from +12h00m01s to +48h",
	} {
		assert.Contains(t, text, want)
	}
	token.Rotation.OnAT = false
	text = newForecast(t, token, epoch, time.Time{}).Describe(forecast.Style{Start: epoch})
	assert.NotContains(t, text, "perhaps")
	assert.Contains(t, text, "+0h to +12h")
}
