package restriction

import (
	"flag"
	"os"
	"testing"
)

// TestMain makes every property be tried in thousands of cases, unless
// -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "4000"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
