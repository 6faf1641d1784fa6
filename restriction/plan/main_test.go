package plan_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes every property be tried in hundreds of cases, the same each
// time; -rapid.checks and -rapid.seed say otherwise (seed 0: new ones).
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "250", "rapid.seed": "20300301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
