package plan_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestNoListIsShorter tries, for plans whose uses have no limit, all shorter
// lists of clauses that alone admit nothing else: none of them covers the plan.
func TestNoListIsShorter(t *testing.T) {
	const most = 60 // plans, because each takes long
	tried, merged := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		if tried >= most {
			return
		}
		p := drawPlan(t, 3, 0)
		list, err := p.Clauses(submitted)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) < len(p.Phases) {
			merged++
		}
		if len(list) == 1 {
			return
		}
		tried++
		needed, narrow := sketches(t, p)
		if covered(needed, narrow, len(list)-1) {
			t.Fatalf("%d clauses do, not %s", len(list)-1, text(list))
		}
		if !covered(needed, narrow, len(list)) {
			t.Fatalf("not even %d clauses do: the test is wrong", len(list))
		}
	})
	if tried < 10 || merged == 0 {
		t.Errorf("%d plans tried, %d merged: the test shows little", tried, merged)
	}
}

// sketch is the requests that a clause admits, a bit for each.
type sketch []bool

// sketches returns what the plan needs, and what each clause of the world admits
// that admits nothing else: any times, hosts of the plan, and accesses of it.
func sketches(t *rapid.T, p plan.Plan) (needed sketch, narrow []sketch) {
	at := intervals(p)
	all := slices.DeleteFunc(everything(), func(a access) bool { return !boundary(at, a.second) })
	for _, a := range all {
		needed = append(needed, slices.ContainsFunc(indices(p), func(i int) bool { return needs(p.Phases[i], at[i], a) }))
	}
	for _, c := range clausesOf(p) {
		policy := compile(t, restriction.List{c})
		s, wide := make(sketch, len(all)), false
		for i := 0; i < len(all) && !wide; i++ {
			r := all[i].request(nil)
			d := policy.Evaluate(&r)
			s[i] = d.Admitted()
			wide = s[i] && !needed[i]
		}
		if !wide && !slices.ContainsFunc(narrow, func(other sketch) bool { return slices.Equal(other, s) }) {
			narrow = append(narrow, s)
		}
	}
	return needed, narrow
}

// boundary reports whether something changes at a second, or before the first.
func boundary(at []interval, second int) bool {
	return second == -1 || slices.ContainsFunc(at, func(i interval) bool { return second == i.first || second == i.last+1 })
}

// clausesOf are the clauses of the world that have to do with a plan.
func clausesOf(p plan.Plan) []restriction.Clause {
	var all []restriction.Clause
	for _, from := range intervals(p) {
		for _, until := range intervals(p) {
			for _, begin := range []int{from.first, from.last + 1} {
				for _, end := range []int{until.last, until.first - 1} {
					if begin <= end {
						all = append(all, variants(p, second(begin).Unix(), second(end).Unix())...)
					}
				}
			}
		}
	}
	return all
}

// variants are the clauses of one time.
func variants(p plan.Plan, first, last int64) []restriction.Clause {
	var all []restriction.Clause
	var known []string
	for _, phase := range p.Phases {
		known = append(known, phase.Hosts...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for hosts := range 1 << len(known) {
		var entries []string
		for i, entry := range known {
			if hosts&(1<<i) != 0 {
				entries = append(entries, entry)
			}
		}
		for _, phase := range p.Phases {
			for uses := 1; uses < 4; uses++ {
				c := restriction.Clause{NotBefore: first, Expires: last, Hosts: entries, UsagesAT: restriction.Usages(0), UsagesOther: restriction.Usages(0)}
				if uses&1 != 0 && phase.AccessTokens != 0 {
					c.UsagesAT, c.Scopes, c.Audiences = nil, phase.Scopes, phase.Audiences
				}
				if uses&2 != 0 {
					c.UsagesOther = nil
				}
				all = append(all, c)
			}
		}
	}
	return all
}

// covered reports whether so many sketches have all that is needed.
func covered(needed sketch, all []sketch, most int) bool {
	missing := slices.Index(needed, true)
	if missing < 0 {
		return true
	}
	if most == 0 {
		return false
	}
	for _, s := range all {
		if !s[missing] {
			continue
		}
		rest := slices.Clone(needed)
		for i := range rest {
			rest[i] = rest[i] && !s[i]
		}
		if covered(rest, all, most-1) {
			return true
		}
	}
	return false
}
