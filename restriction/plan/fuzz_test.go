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

// FuzzPlan checks for any phases that Clauses returns the right error, or clauses that
// admit nothing else. A token with these clauses carries the plan. A token with any other
// clauses gets a verdict with a reason. If it carries the plan, it is open whenever the
// plan may use it.
//
// proves P1
func FuzzPlan(f *testing.F) {
	for _, seed := range []struct {
		phases  []byte
		clauses string
		life    uint8
	}{
		{[]byte{0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0}, `[{"exp":1898582403}]`, 0},
		{[]byte{2, 0, 50, 0, 0, 10, 1, 0, 0, 1, 0, 0, 0, 0, 60, 0, 60, 2, 1, 0, 255, 0, 1, 4, 30, 0, 1, 6, 1, 0, 3, 2, 2}, `[{"scope":"a b","usages_AT":3},{"hosts":["192.0.2.0/24"]}]`, 9},
		{[]byte{1, 0, 3, 1, 2, 1, 1, 1, 1, 2, 0, 0, 2, 1, 0, 0, 3, 1, 2, 2, 2, 1}, `[{"hosts":["node.example.org"],"usages_AT":1},{}]`, 3},
		{[]byte{3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, `[{"foreign":1,"usages_other":2},{"geoip_allow":["DE"]}]`, 77},
	} {
		f.Add(seed.phases, seed.clauses, seed.life)
	}
	f.Fuzz(func(t *testing.T, phases []byte, clauses string, life uint8) {
		p := decodePlan(phases)
		list, err := p.Clauses(submitted)
		switch {
		case err == nil:
			checkClauses(t, p, list)
		case p.Validate() != nil:
			if !errors.Is(err, plan.ErrInvalid) {
				t.Fatalf("invalid, but %v", err)
			}
			return
		case !errors.Is(err, plan.ErrContended):
			t.Fatal(err)
		}
		other, err := restriction.Parse([]byte(clauses))
		if err != nil || len(other) > 6 {
			return
		}
		token := forecast.Token{Restrictions: other, Elsewhere: life&1 != 0}
		if life > 1 {
			token.Rotation = &forecast.Rotation{OnAT: life&2 != 0, OnOther: life&4 != 0, Lifetime: uint64(life >> 2), Issued: submitted}
		}
		if life&8 != 0 {
			token.Capabilities = capability.Default()
		}
		v, err := p.Preflight(token, submitted)
		if err != nil {
			return
		}
		switch {
		case v.Answer != plan.Carries && v.Break == nil, v.String() == "":
			t.Fatalf("no reason: %+v", v)
		case v.Answer == plan.Carries:
			if v.Break != nil || v.Ask != nil || v.AskCapabilities != nil {
				t.Fatalf("it carries the plan, but asks for more: %+v", v)
			}
			checkOpen(t, p, token)
		}
	})
}

// decodePlan reads phases from bytes. Missing bytes are 0.
func decodePlan(data []byte) plan.Plan {
	next := func() int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b)
	}
	span := func() time.Duration { return time.Duration(int8(next())) * time.Second }
	pick := func(lists [][]string) []string { return lists[next()%len(lists)] }
	var p plan.Plan
	for range 1 + next()%4 {
		flags := next()
		phase := plan.Phase{AfterPrevious: flags&1 != 0, Earliest: span()}
		phase.Latest, phase.Queue, phase.Shortest = phase.Earliest+span(), span(), span()
		phase.Duration = phase.Shortest + span()
		phase.AccessTokens, phase.OtherUses = int64(int8(next())%8), int64(int8(next())%4)
		if phase.AccessTokens != 0 || flags&2 != 0 {
			phase.Scopes = pick([][]string{{"a"}, {"b"}, {"a", "b"}, {"b", "a", "c"}, nil, {" "}})
			phase.Audiences = pick([][]string{nil, {"x"}, {"y", "x"}})
		}
		phase.Hosts = pick([][]string{nil, nil, {"192.0.2.1"}, {"192.0.2.0/24", "192.0.2.1"}, {"node.example.org"}, {"*.example.org", "::1"}, {"*"}})
		if flags&4 != 0 {
			phase.Capabilities = capability.Set{capability.CreateMytoken}
		}
		p.Phases = append(p.Phases, phase)
	}
	return p
}

// checkClauses checks that each clause is within what the phases say, as long as neither
// limits nor merged times matter, and looks ahead with the clauses.
func checkClauses(t *testing.T, p plan.Plan, list restriction.List) {
	var needed restriction.List
	for _, phase := range p.Phases {
		c := restriction.Clause{Scopes: phase.Scopes, Audiences: phase.Audiences, Hosts: phase.Hosts, UsagesAT: restriction.Usages(0)}
		if phase.AccessTokens != 0 {
			c.UsagesAT = nil
		}
		needed = append(needed, c)
		if phase.OtherUses != 0 {
			needed = append(needed, restriction.Clause{Hosts: phase.Hosts, UsagesAT: restriction.Usages(0)})
		}
	}
	at := intervals(p)
	for _, c := range list {
		begins := slices.ContainsFunc(at, func(i interval) bool { return second(i.first).Unix() == c.NotBefore })
		ends := slices.ContainsFunc(at, func(i interval) bool { return second(i.last).Unix() == c.Expires })
		if !begins || !ends || !restriction.Within(restriction.List{c}, needed, nil) {
			t.Fatalf("more than the plan needs: %s", text(restriction.List{c}))
		}
	}
	v, err := p.Preflight(forecast.Token{Capabilities: p.Capabilities(), Restrictions: list, Used: make([]restriction.Usage, len(list)), Elsewhere: true}, submitted)
	if err != nil || v.Answer != plan.Carries {
		t.Fatalf("the clauses do not carry the plan: %v, %v: %s", v, err, text(list))
	}
}

// checkOpen checks a token that carries a plan. In every second in which the plan may use
// it, its forecast has a clause that is open.
func checkOpen(t *testing.T, p plan.Plan, token forecast.Token) {
	at := intervals(p)
	for i := range p.Phases {
		f, err := forecast.New(token, second(at[i].first), second(at[i].last+1))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range f.Windows {
			if len(w.Clauses) == 0 {
				t.Fatalf("nothing is open from %v to %v for phase %d: %s", w.From, w.Until, i, text(token.Restrictions))
			}
		}
	}
}
