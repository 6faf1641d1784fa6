package forecast_test

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// TestMain runs every property with 2000 random cases, the same ones each time. The flags
// -rapid.checks and -rapid.seed change that; seed 0 draws new cases.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "2000", "rapid.seed": "20300301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// epoch is the present of the tests.
var epoch = time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)

// second returns an instant n seconds after epoch.
func second(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }

// unix returns second(n) as a clause has it.
func unix(n int) int64 { return second(n).Unix() }

func newForecast(t require.TestingT, token forecast.Token, from, until time.Time) *forecast.Forecast {
	f, err := forecast.New(token, from, until)
	require.NoError(t, err)
	return f
}

func newPhases(t *testing.T, phases ...restriction.Phase) restriction.List {
	t.Helper()
	list, err := restriction.Phases(epoch, phases...)
	require.NoError(t, err)
	return list
}

func compile(t require.TestingT, list restriction.List, o restriction.Options) *restriction.Policy {
	policy, err := restriction.Compile(list, o)
	require.NoError(t, err)
	return policy
}

// admits reports whether the policy of a list admits a request.
func admits(t require.TestingT, list restriction.List, o restriction.Options, r restriction.Request) bool {
	d := compile(t, list, o).Decide(context.Background(), &r)
	return d.Admitted()
}
