package plain

import (
	"math"
	"testing"
)

// TestCount checks that one thing is one thing, and that others are several.
func TestCount(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 uses", 1: "1 use", 2: "2 uses", -1: "-1 uses", math.MaxInt64: "9223372036854775807 uses",
	} {
		if got := Count(n, "use"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
