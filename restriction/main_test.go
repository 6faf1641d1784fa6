package restriction

import (
	"flag"
	"os"
	"testing"
)

// TestMain tries each property in thousands of cases, the same ones each time. The flags
// -rapid.checks and -rapid.seed change that. Seed 0 stands for new cases.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "4000", "rapid.seed": "20300301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
