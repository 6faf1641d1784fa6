package restriction

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestChildNeverAdmitsWhatItsParentRefuses compares the proof with the evaluation.
//
// proves P1
func TestChildNeverAdmitsWhatItsParentRefuses(t *testing.T) {
	within, admitted, cases := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		parent := drawClause(t, true)
		child := drawClause(t, true)
		if rapid.IntRange(0, 9).Draw(t, "unrelated") > 0 {
			child = drawChild(t, parent)
		}
		cases++
		if !Within(List{child}, List{parent}, worldConditions()) {
			return
		}
		within++
		childPolicy, parentPolicy := mustCompile(t, List{child}, worldOptions()), mustCompile(t, List{parent}, worldOptions())
		for range 10 {
			r := drawRequest(t)
			if d := childPolicy.Decide(t.Context(), &r); !d.Admitted() {
				continue
			}
			admitted++
			parentRequest := r
			if d := parentPolicy.Decide(t.Context(), &parentRequest); !d.Admitted() {
				t.Fatalf("the child admits what its parent refuses: %v", d.Explanation())
			}
		}
	})
	if within < cases/10 || admitted < cases/10 {
		t.Errorf("of %d cases only %d were within and %d requests admitted: the test shows little", cases, within, admitted)
	}
}

// TestNarrowNeverWidens shows that each clause of the result is within the parent's
// clause on which it draws, and that the parent admits each request that the result
// admits.
//
// proves P1
func TestNarrowNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := drawFamily(t)
		options := NarrowOptions{Conditions: worldConditions(), IndependentBudgets: rapid.Bool().Draw(t, "independent")}
		n := Narrow(parent, wanted, options)

		if !Within(n.List, parent, worldConditions()) {
			t.Fatalf("not within: %+v", n)
		}
		if len(n.Draws) != len(n.List) {
			t.Fatalf("%d clauses, %d draws", len(n.List), len(n.Draws))
		}
		for i, draws := range n.Draws {
			switch {
			case len(parent) == 0:
				if draws != NoClause {
					t.Fatalf("clause %d draws on %d of an unrestricted parent", i, draws)
				}
			case draws < 0 || draws >= len(parent):
				t.Fatalf("clause %d draws on %d", i, draws)
			case !n.Inherited && !Within(n.List[i:i+1], parent[draws:draws+1], worldConditions()):
				t.Fatalf("clause %d is not within clause %d, on which it draws", i, draws)
			}
		}
		if n.Inherited && !n.List.Equal(parent) {
			t.Fatal("inherited, and not the parent's")
		}
		if len(parent) == 0 {
			return
		}
		child, elder := mustCompile(t, n.List, worldOptions()), mustCompile(t, parent, worldOptions())
		for range 5 {
			r := drawRequest(t)
			again := r
			if d := child.Decide(t.Context(), &r); d.Admitted() {
				if p := elder.Decide(t.Context(), &again); !p.Admitted() {
					t.Fatalf("the child admits what its parent refuses: %v", p.Explanation())
				}
			}
		}
	})
}

// TestNarrowDoesNotDependOnOrder shuffles the clauses of the child and of the parent.
func TestNarrowDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := drawFamily(t)
		options := NarrowOptions{Conditions: worldConditions()}
		n := Narrow(parent, wanted, options)
		shuffledParent := List(rapid.Permutation(parent).Draw(t, "parent in another order"))
		shuffled := Narrow(shuffledParent, rapid.Permutation(wanted).Draw(t, "wanted in another order"), options)
		if len(n.List) != len(shuffled.List) || len(n.Dropped) != len(shuffled.Dropped) || n.Inherited != shuffled.Inherited {
			t.Fatalf("%+v\n%+v", n, shuffled)
		}
		for i := range n.List {
			if !slices.ContainsFunc(shuffled.List, func(c Clause) bool { return c.Equal(&n.List[i]) }) {
				t.Fatalf("clause %d got lost", i)
			}
		}
		if len(wanted) > 0 && Within(wanted, parent, worldConditions()) != Within(wanted, shuffledParent, worldConditions()) {
			t.Fatal("within in one order only")
		}
	})
}

// TestNarrowIsStable narrows a result again and gets the same.
func TestNarrowIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := drawFamily(t)
		options := NarrowOptions{Conditions: worldConditions()}
		once := Narrow(parent, wanted, options)
		twice := Narrow(parent, once.List, options)
		merged := Merge(once.List)
		if !twice.OK() || !twice.List.Equal(merged) {
			t.Fatalf("%+v\n%+v", once, twice)
		}
		if !Within(parent, parent, worldConditions()) {
			t.Fatal("not within itself")
		}
	})
}

// drawFamily draws a parent's clauses and wanted ones. Most of the wanted ones are
// variations of the parent's.
func drawFamily(t *rapid.T) (parent, wanted List) {
	parent = drawClauses(t, "parent", 0, true)
	for range rapid.IntRange(0, 3).Draw(t, "wanted") {
		if len(parent) == 0 || rapid.IntRange(0, 4).Draw(t, "unrelated") == 0 {
			wanted = append(wanted, drawClause(t, true))
		} else {
			wanted = append(wanted, drawChild(t, rapid.SampledFrom(parent).Draw(t, "of")))
		}
	}
	return parent, wanted
}

// TestConditionsImply compares the proof for conditions alone with their answers,
// including "cannot tell".
//
// proves P1
func TestConditionsImply(t *testing.T) {
	within, cases := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		make := worldConditions()["own"]
		child, err := make([]byte(drawExpression(t, 2, true)))
		require.NoError(t, err)
		parent, err := make([]byte(drawExpression(t, 2, true)))
		require.NoError(t, err)
		switch rapid.IntRange(0, 4).Draw(t, "relation") {
		case 0:
			child = All(child, parent)
		case 1:
			parent = Any(child, parent)
		case 2:
			child, parent = Not(Not(child)), Not(Not(child))
		}
		cases++
		if !implies(child, parent) {
			return
		}
		within++
		for range 10 {
			if r := drawRequest(t); child.Check(&r) == nil && parent.Check(&r) != nil {
				t.Fatalf("the child admits what its parent refuses: %v", parent.Check(&r))
			}
		}
	})
	if within < cases/10 {
		t.Errorf("of %d cases only %d were within", cases, within)
	}
}
