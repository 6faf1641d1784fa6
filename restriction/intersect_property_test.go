package restriction

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawSparse draws a parent's clauses, and wanted ones that leave out keys.
func drawSparse(t *rapid.T) (parent, wanted List) {
	parent, wanted = drawFamily(t)
	for i := range wanted {
		sparse := wanted[i].Clone()
		for _, k := range keys {
			if rapid.Bool().Draw(t, "leave out") {
				k.take(&sparse, &Clause{})
			}
		}
		if rapid.Bool().Draw(t, "leave out extra keys") {
			sparse.Extra = nil
		}
		if !sparse.IsEmpty() {
			wanted[i] = sparse
		}
	}
	return parent, wanted
}

// nothingInCommon reports whether the documentation of Intersect excludes what the two
// clauses have in common.
func nothingInCommon(w, p *Clause) bool {
	disjoint := func(a, b []string) bool {
		return a != nil && b != nil && !slices.ContainsFunc(a, func(entry string) bool { return slices.Contains(b, entry) })
	}
	if disjoint(w.Scopes, p.Scopes) || disjoint(w.Audiences, p.Audiences) {
		return true
	}
	names := func(c *Clause, want bool) bool {
		return slices.ContainsFunc(c.Hosts, func(entry string) bool {
			h, err := parseHost(entry)
			return err == nil && h.isName() == want
		})
	}
	if names(w, true) && names(p, false) || names(w, false) && names(p, true) {
		return true
	}
	fittings := newFittings(List{*w, *p}, worldConditions())
	for i := range p.Extra {
		if value, ok := w.extra(p.Extra[i].Key); ok {
			if !fittings[0].extraWithin(&fittings[1], &p.Extra[i]) && !fittings[1].extraWithin(&fittings[0], &Extra{p.Extra[i].Key, value}) {
				return true
			}
		}
	}
	return false
}

// couldHave reports whether a child could have a clause without limits, because p has all
// that it states.
func couldHave(w, p *Clause) bool {
	if _, limited := newFittings(List{*w}, nil)[0].limited(); limited {
		return false
	}
	stated, completed := p.Clone(), w.Clone()
	for _, k := range keys {
		switch {
		case !k.states(w):
			k.take(&completed, p)
			k.take(&stated, &Clause{})
		case !k.states(p):
		case k.validate(w) != nil: // may contradict p
			return false
		}
	}
	stated.Extra = slices.DeleteFunc(stated.Extra, func(e Extra) bool {
		_, states := w.extra(e.Key)
		return !states
	})
	return completed.validate() == nil && (stated.IsEmpty() || Within(List{*w}, List{stated}, worldConditions()))
}

// TestIntersectAdmitsWhatBothAdmit compares the result with the evaluation of both lists.
//
// proves P1
func TestIntersectAdmitsWhatBothAdmit(t *testing.T) {
	cases, succeeded, completed, several, admitted := 0, 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := drawSparse(t)
		options := NarrowOptions{Conditions: worldConditions(), IndependentBudgets: rapid.Bool().Draw(t, "independent")}
		now := epoch.Add(time.Duration(rapid.IntRange(-1, horizon).Draw(t, "now")) * time.Second)
		cases++
		n, err := Intersect(parent, wanted, now, options)
		if err != nil {
			var e *ChildError
			require.ErrorAs(t, err, &e)
			if parent.Validate() != nil || options.IndependentBudgets { // siblings may take what a key of the parent allows
				return
			}
			for _, c := range e.Clauses {
				require.Contains(t, wanted[c.Clause].Keys(), c.Key, "%v of %v", err, wanted)
				for i := range parent {
					if couldHave(&wanted[c.Clause], &parent[i]) {
						t.Fatalf("%v, but clause %d of %v has all that %v states", err, i, parent, wanted[c.Clause])
					}
				}
			}
			return
		}
		succeeded++
		if !Within(n.List, parent, worldConditions()) || len(n.Draws) != len(n.List) {
			t.Fatalf("not within %v: %+v", parent, n)
		}
		for i, draws := range n.Draws {
			if len(parent) > 0 && !n.Inherited && !Within(n.List[i:i+1], parent[draws:draws+1], worldConditions()) {
				t.Fatalf("clause %d is not within clause %d, on which it draws", i, draws)
			}
			if len(wanted) > 0 && !Within(n.List[i:i+1], wanted, worldConditions()) {
				t.Fatalf("%v is not within what was wanted: %v", n.List[i], wanted)
			}
		}
		for i := range wanted {
			if !slices.ContainsFunc(n.List, func(c Clause) bool { return Within(List{c}, wanted[i:i+1], worldConditions()) }) {
				t.Fatalf("nothing of clause %d is left: %v", i, n.List)
			}
		}
		if !n.List.Equal(Merge(wanted)) && len(wanted) > 0 {
			completed++
		}
		if len(n.List) > len(wanted) && len(wanted) > 0 {
			several++
		}
		child, asked, elder := mustCompile(t, n.List, worldOptions()), mustCompile(t, wanted, worldOptions()), mustCompile(t, parent, worldOptions())
		for range 10 {
			r := drawRequest(t)
			if r.Now.Before(now) {
				r.Now = now
			}
			admits := func(p *Policy) bool {
				again := r
				d := p.Decide(t.Context(), &again)
				return d.Admitted()
			}
			if admits(child) && !(admits(asked) && admits(elder)) {
				t.Fatalf("%v admits %+v, which wanted %v or parent %v refuses", n.List, r, wanted, parent)
			}
			if admits(child) {
				admitted++
				continue
			}
			for i := range wanted {
				for k := range parent {
					if admits(mustCompile(t, wanted[i:i+1], worldOptions())) && admits(mustCompile(t, parent[k:k+1], worldOptions())) && !nothingInCommon(&wanted[i], &parent[k]) {
						t.Fatalf("%v refuses %+v, which clause %d of %v and clause %d of %v admit", n.List, r, i, wanted, k, parent)
					}
				}
			}
		}
	})
	t.Logf("of %d cases %d succeeded, %d were completed, %d got more clauses, and %d requests were admitted", cases, succeeded, completed, several, admitted)
	if succeeded < cases/4 || completed < cases/10 || several < cases/50 || admitted < cases/2 {
		t.Errorf("of %d cases %d succeeded, %d were completed, %d got more clauses, and %d requests were admitted: the test shows little",
			cases, succeeded, completed, several, admitted)
	}
}

// TestIntersectIsNarrowForWhatIsWithin: nothing changes for clauses that are within the
// parent as they stand.
func TestIntersectIsNarrowForWhatIsWithin(t *testing.T) {
	compared, cases := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := drawFamily(t)
		options := NarrowOptions{Conditions: worldConditions(), IndependentBudgets: rapid.Bool().Draw(t, "independent")}
		for range parent {
			options.Used = append(options.Used, Usage{AT: rapid.Int64Range(0, 3).Draw(t, "AT"), Other: rapid.Int64Range(0, 3).Draw(t, "other")})
		}
		cases++
		want := Narrow(parent, wanted, options)
		if !want.OK() {
			return
		}
		compared++
		got, err := Intersect(parent, wanted, epoch, options)
		require.NoError(t, err)
		require.True(t, got.List.Equal(want.List), "%v, want %v", got.List, want.List)
		require.Equal(t, want.Draws, got.Draws)
	})
	if compared < cases/4 {
		t.Errorf("compared %d of %d", compared, cases)
	}
}

// TestIntersectIsStable intersects a result again and gets the same.
func TestIntersectIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := drawSparse(t)
		once, err := Intersect(parent, wanted, epoch, NarrowOptions{Conditions: worldConditions()})
		if err != nil {
			return
		}
		twice, err := Intersect(parent, once.List, epoch, NarrowOptions{Conditions: worldConditions()})
		require.NoError(t, err)
		require.True(t, twice.List.Equal(Merge(once.List)), "%v, then %v", once.List, twice.List)
	})
}

// TestIntersectMultipliesNoBudget adds up the limits of the child. They are no more than
// was wanted, if that has limits everywhere, nor more than the clause that they draw on has,
// if nobody counts a use there.
//
// proves P3, P4
func TestIntersectMultipliesNoBudget(t *testing.T) {
	succeeded, limited, cases := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := drawSparse(t)
		for _, l := range []List{parent, wanted} {
			if len(l) > 0 && rapid.Bool().Draw(t, "again") {
				l[len(l)-1] = l[0].Clone()
			}
		}
		independent := rapid.Bool().Draw(t, "independent")
		cases++
		n, err := Intersect(parent, wanted, epoch, NarrowOptions{Conditions: worldConditions(), IndependentBudgets: independent})
		if err != nil || n.Inherited {
			return
		}
		succeeded++
		for _, k := range usagesKeys {
			sum := func(l List) int64 {
				total := int64(0)
				for i := range l {
					limit := *k.field(&l[i])
					if limit == nil {
						return noLimit
					}
					total += *limit
				}
				return total
			}
			asked := sum(Merge(wanted))
			if independent {
				asked = sum(wanted)
			}
			if got := sum(n.List); got > asked && len(wanted) > 0 {
				t.Fatalf("%s: %v allows %d, and %v wanted %d", k.wire, n.List, got, wanted, asked)
			} else if got != noLimit {
				limited++
			}
			for p := range parent {
				var drawing List
				for i, draws := range n.Draws {
					if draws == p {
						drawing = append(drawing, n.List[i])
					}
				}
				if most := parent[p : p+1]; independent && sum(drawing) > sum(most) {
					t.Fatalf("%s: %v allow more than %v", k.wire, drawing, most)
				}
			}
		}
	})
	if succeeded < cases/4 || limited < cases/10 {
		t.Errorf("of %d cases %d succeeded, and %d had a limit: the test shows little", cases, succeeded, limited)
	}
}
