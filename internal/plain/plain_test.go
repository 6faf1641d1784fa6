package plain

import (
	"math"
	"strconv"
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

// TestFew checks that a list is cut, and that nothing is written that is left out.
func TestFew(t *testing.T) {
	for count, want := range map[int]string{0: "", 1: "0", 2: "0; 1", 3: "0; 1; and 1 more", 9: "0; 1; and 7 more"} {
		got := Few(count, 2, "; ", func(i int) string {
			if i >= 2 {
				t.Errorf("%d was written", i)
			}
			return strconv.Itoa(i)
		})
		if got != want {
			t.Errorf("%d: %q, want %q", count, got, want)
		}
	}
}
