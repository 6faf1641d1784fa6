package restriction

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes every property be tried in thousands of cases, the same ones each
// time; -rapid.checks and -rapid.seed say otherwise (seed 0: new ones).
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "4000", "rapid.seed": "20300301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
