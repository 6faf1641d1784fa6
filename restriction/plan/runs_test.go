package plan_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// firstRefusal plays all runs of a plan, second by second and with every order of uses.
// It asks the policy about each use, and returns the first second in which one is
// refused.
func firstRefusal(t *rapid.T, p plan.Plan, token forecast.Token) (int, bool) {
	first, found := 0, false
	for _, kind := range []restriction.Kind{restriction.AT, restriction.Other} {
		g := player{t: t, plan: p, policy: compile(t, token.Restrictions), list: token.Restrictions, kind: kind, may: token.Capabilities, end: worldEnd}
		if !token.Expires.IsZero() {
			g.end = int(token.Expires.Sub(submitted) / time.Second)
		}
		if second, ok := g.play(token.Used); ok && (!found || second < first) {
			first, found = second, true
		}
	}
	return first, found
}

// player plays the runs for one kind of use.
type player struct {
	t      *rapid.T
	plan   plan.Plan
	policy *restriction.Policy
	list   restriction.List
	kind   restriction.Kind
	may    capability.Set // nil: everything
	end    int            // last second of the token
}

// able reports whether the token has the capabilities that a use needs.
func (g *player) able(phase plan.Phase) bool {
	needs := phase.Capabilities
	if g.kind == restriction.AT {
		needs = capability.Set{capability.AT}
	}
	return g.may == nil || needs.Within(g.may)
}

// position is how many uses were spent from each clause, and made by each phase.
type position struct {
	used []restriction.Usage
	made []int64
}

func (p position) clone() position { return position{slices.Clone(p.used), slices.Clone(p.made)} }

// play returns the first second in which a use is refused.
func (g *player) play(used []restriction.Usage) (int, bool) {
	if used == nil {
		used = make([]restriction.Usage, len(g.list))
	}
	at := intervals(g.plan)
	positions := []position{{slices.Clone(used), make([]int64, len(g.plan.Phases))}}
	for second := range worldEnd + 1 {
		seen := map[string]bool{}
		for n := 0; n < len(positions); n++ {
			for i, phase := range g.plan.Phases {
				for _, a := range uses(phase, at[i], g.kind) {
					if a.second != second {
						continue
					}
					next, refused := g.step(positions[n], i, a)
					if refused {
						return second, true
					}
					if key := fmt.Sprint(next); next.used != nil && !seen[key] {
						seen[key] = true
						positions = append(positions, next)
					}
				}
			}
		}
	}
	return 0, false
}

// step makes one use: it spends from the first clause that admits it.
func (g *player) step(from position, phase int, a access) (next position, refused bool) {
	most := limit(g.plan.Phases[phase], g.kind)
	if most != plan.AnyNumber && from.made[phase] >= most {
		return position{}, false
	}
	next = from.clone()
	r := a.request(next.used)
	d := g.policy.Evaluate(&r)
	clause, ok := d.First()
	switch {
	case a.second > g.end, !ok && !d.Admitted(), !g.able(g.plan.Phases[phase]):
		return position{}, true
	case most != plan.AnyNumber:
		next.made[phase]++
	}
	if ok {
		spend(&next.used[clause], &g.list[clause], g.kind)
	}
	return next, false
}

// spend counts a use, unless the clause has no limit.
func spend(u *restriction.Usage, c *restriction.Clause, kind restriction.Kind) {
	switch {
	case kind == restriction.AT && c.UsagesAT != nil:
		u.AT++
	case kind == restriction.Other && c.UsagesOther != nil:
		u.Other++
	}
}

// overspent looks for a set of requests for which a list admits more uses than the plan.
// For every set, it adds up the limits of the clauses that admit one of the requests, and
// the limits of the phases that need one.
func overspent(t *rapid.T, p plan.Plan, list restriction.List) (set []access, found bool) {
	for _, kind := range []restriction.Kind{restriction.AT, restriction.Other} {
		kinds := classes(t, p, list, kind)
		if len(kinds) > 12 {
			t.Skip("too many sets")
		}
		for bits := 1; bits < 1<<len(kinds); bits++ {
			var x []access
			clauses, phases := uint64(0), uint64(0)
			for i, c := range kinds {
				if bits&(1<<i) != 0 {
					x, clauses, phases = append(x, c.sample), clauses|c.clauses, phases|c.phases
				}
			}
			if sum(clauses, func(i int) int64 { return clauseLimit(&list[i], kind) }) > sum(phases, func(i int) int64 { return limit(p.Phases[i], kind) }) {
				return x, true
			}
		}
	}
	return nil, false
}

// unlimited is more than all limits of the world.
const unlimited = 1 << 40

func sum(set uint64, of func(int) int64) int64 {
	var total int64
	for i := range 64 {
		if set&(1<<i) == 0 {
			continue
		}
		n := of(i)
		if n == plan.AnyNumber {
			return unlimited
		}
		total += n
	}
	return total
}

// clauseLimit returns how many uses of a kind a clause admits.
func clauseLimit(c *restriction.Clause, kind restriction.Kind) int64 {
	n := c.UsagesAT
	if kind == restriction.Other {
		n = c.UsagesOther
	}
	if n == nil {
		return plan.AnyNumber
	}
	return *n
}

// class is all requests that the same clauses admit and the same phases need.
type class struct {
	clauses, phases uint64
	sample          access
}

func classes(t *rapid.T, p plan.Plan, list restriction.List, kind restriction.Kind) []class {
	at := intervals(p)
	policy := compile(t, list)
	var all []class
	for _, a := range everything() {
		if a.kind != kind {
			continue
		}
		c := class{sample: a}
		for i := range p.Phases {
			if needs(p.Phases[i], at[i], a) {
				c.phases |= 1 << i
			}
		}
		r := a.request(nil)
		d := policy.Evaluate(&r)
		for i := range d.Candidates() {
			c.clauses |= 1 << i
		}
		if !slices.ContainsFunc(all, func(o class) bool { return o.clauses == c.clauses && o.phases == c.phases }) {
			all = append(all, c)
		}
	}
	return all
}
