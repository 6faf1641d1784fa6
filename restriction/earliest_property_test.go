package restriction

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestEarliestIsRight compares the promised instant with an exhaustive search, second by
// second, over all the time in which anything changes.
//
// proves P10
func TestEarliestIsRight(t *testing.T) {
	instants, nevers, unknowns := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		mute := rapid.IntRange(0, 3).Draw(t, "with mute conditions") == 0
		policy := mustCompile(t, drawClauses(t, "clauses", 1, mute), worldOptions())
		r := drawRequest(t)
		if rapid.IntRange(0, 3).Draw(t, "with counters") == 0 {
			r.Used = rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, 3), func(n int64) Usage { return Usage{n, n} }), policy.Len(), policy.Len()).Draw(t, "used")
		}
		policy.Prepare(t.Context(), &r)
		d := policy.Evaluate(&r)
		e := policy.Explain(&r)
		if d.Admitted() != e.Admitted {
			t.Fatalf("evaluated %v, explained %v", d.Admitted(), e)
		}
		var candidates []int
		for i := range e.Clauses {
			if len(e.Clauses[i].Objections) == 0 {
				candidates = append(candidates, i)
			}
		}
		if !slices.Equal(candidates, slices.Collect(d.Candidates())) {
			t.Fatalf("evaluated %v, explained %v", slices.Collect(d.Candidates()), candidates)
		}
		admittedAt := func(at time.Time) bool {
			then := r
			then.Now = at
			d := policy.Evaluate(&then)
			return d.Admitted()
		}
		first := func() (time.Time, bool) {
			for at := r.Now; !at.After(epoch.Add(3 * horizon * time.Second)); at = at.Add(time.Second) {
				if admittedAt(at) {
					return at, true
				}
			}
			return time.Time{}, false
		}
		want, found := first()
		at, known := e.Earliest.Time()
		switch {
		case known:
			instants++
			if !found || !at.Equal(want) {
				t.Fatalf("promised %v, found %v, %v", e.Earliest, want, found)
			}
			if !d.Admitted() && admittedAt(at.Add(-time.Second)) {
				t.Fatalf("admitted one second before %v", e.Earliest)
			}
		case e.Earliest.IsNever():
			nevers++
			if found {
				t.Fatalf("never, and admitted at %v", want)
			}
		default:
			unknowns++
			if !mute {
				t.Fatal("unknown, though every condition can tell")
			}
			if d.Admitted() {
				t.Fatal("unknown, and admitted now")
			}
		}
	})
	if instants < 10 || nevers < 10 || unknowns == 0 {
		t.Errorf("%d instants, %d nevers, %d unknowns: the test shows little", instants, nevers, unknowns)
	}
}
