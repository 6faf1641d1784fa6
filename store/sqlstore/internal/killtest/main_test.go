package killtest_test

import (
	"os"
	"testing"
)

// childVariable turns this program into one of the processes that are killed.
const childVariable = "KILLTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(childMain(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}
