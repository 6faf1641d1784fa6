package forecast_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// epoch is the present of the tests.
var epoch = time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)

// TestMain makes every property be tried in thousands of cases, the same each
// time; -rapid.checks and -rapid.seed say otherwise (seed 0: new ones).
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "2000", "rapid.seed": "20300301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// second is an instant of the tests.
func second(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }

// unix is second, as a clause has it.
func unix(n int) int64 { return second(n).Unix() }

func mustForecast(t testing.TB, token forecast.Token, from, until time.Time) *forecast.Forecast {
	t.Helper()
	f, err := forecast.New(token, from, until)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return f
}

func mustPhases(t testing.TB, phases ...restriction.Phase) restriction.List {
	t.Helper()
	list, err := restriction.Phases(epoch, phases...)
	if err != nil {
		t.Fatalf("Phases: %v", err)
	}
	return list
}
