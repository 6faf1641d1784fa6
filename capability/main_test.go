package capability

import (
	"flag"
	"os"
	"testing"
)

// TestMain checks each property in 10,000 cases, the same ones in every run. The flags
// -rapid.checks and -rapid.seed change that; seed 0 means new cases.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "10000", "rapid.seed": "20300301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
