package plan_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestClausesAdmitWhatThePlanNeeds tries everything in the world: a request is
// admitted exactly if some phase needs it.
//
// proves P1
func TestClausesAdmitWhatThePlanNeeds(t *testing.T) {
	all := everything()
	cases, contended, merged := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 4, 2)
		cases++
		list, err := p.Clauses(submitted)
		if errors.Is(err, plan.ErrContended) {
			contended++
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(list) < len(p.Phases) {
			merged++
		}
		policy, at := compile(t, list), intervals(p)
		for _, a := range all {
			needed := slices.ContainsFunc(indices(p), func(i int) bool { return needs(p.Phases[i], at[i], a) })
			r := a.request(nil)
			if d := policy.Evaluate(&r); d.Admitted() != needed {
				t.Fatalf("%+v: needed %v, admitted %v by %s", a, needed, d.Admitted(), text(list))
			}
		}
		if _, err := p.Prove(submitted, list); err != nil {
			t.Fatalf("no proof: %v: %s", err, text(list))
		}
	})
	if contended > cases/4 || merged < 10 {
		t.Errorf("of %d plans %d were contended and %d merged: the test shows little", cases, contended, merged)
	}
}

// TestClausesCarryThePlan simulates every run: whatever the order of uses, none
// is refused, and no run gets more than the plan's limits.
//
// proves P3
func TestClausesCarryThePlan(t *testing.T) {
	shared := 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 3, 2)
		list, err := p.Clauses(submitted)
		if errors.Is(err, plan.ErrContended) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(p.Phases[1:], func(phase plan.Phase) bool { return phase.AccessTokens > 0 }) && p.Phases[0].AccessTokens > 0 {
			shared++
		}
		if second, ok := firstRefusal(t, p, forecast.Token{Restrictions: list}); ok {
			t.Fatalf("a run is refused at second %d: %s", second, text(list))
		}
		if excess, ok := overspent(t, p, list); ok {
			t.Fatalf("a run gets what the plan does not allow: %+v: %s", excess, text(list))
		}
	})
	if shared < 5 {
		t.Errorf("only %d plans with several limits: the test shows little", shared)
	}
}

// TestProofFindsFaults: what is taken from the clauses, or added to them, has no
// proof.
func TestProofFindsFaults(t *testing.T) {
	wider, narrower := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, 3, 2)
		list, err := p.Clauses(submitted)
		if err != nil {
			return
		}
		changed := list.Clone()
		c := &changed[rapid.IntRange(0, len(list)-1).Draw(t, "clause")]
		switch rapid.IntRange(0, 8).Draw(t, "fault") {
		case 0:
			c.NotBefore--
		case 1:
			c.Expires++
		case 2:
			c.NotBefore++
		case 3:
			c.Expires--
		case 4:
			c.Hosts = nil
		case 5:
			c.UsagesAT = nil
		case 6:
			c.UsagesOther = nil
		case 7:
			if c.UsagesAT != nil {
				c.UsagesAT = restriction.Usages(*c.UsagesAT + 1)
			}
		case 8:
			c.Scopes = []string{"a", "b"}
		}
		if changed.Equal(list) || changed.Validate() != nil {
			return
		}
		_, err = p.Prove(submitted, changed)
		over, tooMuch := overspent(t, p, changed)
		extra, more := excess(t, p, changed)
		_, refused := firstRefusal(t, p, forecast.Token{Restrictions: changed})
		switch {
		case err == nil && (tooMuch || more || refused):
			t.Fatalf("proven, and wrong (%+v, %+v, refused %v): %s", over, extra, refused, text(changed))
		case err != nil && !tooMuch && !more && !refused:
			if _, isExcess := errors.AsType[*plan.ExcessError](err); !isExcess {
				t.Fatalf("right, and not proven: %v: %s", err, text(changed))
			}
		case tooMuch || more:
			wider++
		case refused:
			narrower++
		}
	})
	if wider < 5 || narrower < 5 {
		t.Errorf("%d wider, %d narrower: the test shows little", wider, narrower)
	}
}

// excess finds a request that a list admits and the plan does not need.
func excess(t *rapid.T, p plan.Plan, list restriction.List) (access, bool) {
	policy, at := compile(t, list), intervals(p)
	for _, a := range everything() {
		r := a.request(nil)
		if d := policy.Evaluate(&r); !d.Admitted() {
			continue
		}
		if !slices.ContainsFunc(indices(p), func(i int) bool { return needs(p.Phases[i], at[i], a) }) {
			return a, true
		}
	}
	return access{}, false
}

func indices(p plan.Plan) []int {
	all := make([]int, len(p.Phases))
	for i := range all {
		all[i] = i
	}
	return all
}

func text(list restriction.List) string {
	b, err := list.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func second(n int) time.Time { return submitted.Add(time.Duration(n) * time.Second) }
