package plan_test

import (
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestMain runs every property with 250 random cases, the same ones each time. The flags
// -rapid.checks and -rapid.seed change that; seed 0 draws new cases.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "250", "rapid.seed": "20300301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// submitted is when the jobs of the tests are submitted.
var submitted = time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)

// second returns an instant n seconds after the submission.
func second(n int) time.Time { return submitted.Add(time.Duration(n) * time.Second) }

func compile(t require.TestingT, list restriction.List) *restriction.Policy {
	policy, err := restriction.Compile(list, restriction.Options{})
	require.NoError(t, err)
	return policy
}

func preflight(t require.TestingT, p plan.Plan, token forecast.Token) *plan.Verdict {
	v, err := p.Preflight(token, submitted)
	require.NoError(t, err)
	return v
}

func doubts(v *plan.Verdict, what plan.Unknowable) bool {
	return slices.ContainsFunc(v.Doubts, func(d plan.Doubt) bool { return d.What == what })
}

// text returns a list as it is written.
func text(list restriction.List) string {
	b, err := list.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(b)
}
