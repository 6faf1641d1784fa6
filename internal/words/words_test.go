package words

import (
	"strings"
	"testing"
)

// TestCheck: the longest list passes. One word or one byte more is refused, with the
// limit.
func TestCheck(t *testing.T) {
	many := func(n int) []string { return strings.Fields(strings.Repeat("a ", n)) }
	for _, c := range []struct {
		list []string
		want string // empty: it passes
	}{
		{nil, ""},
		{many(256), ""},
		{many(257), "257 words, at most 256 are allowed"},
		{many(100_000), "100000 words, at most 256 are allowed"},
		{[]string{strings.Repeat("a", 8192)}, ""},
		{[]string{strings.Repeat("a", 8192), "b"}, "8193 bytes, at most 8192 are allowed"},
	} {
		got := ""
		if err := Check(c.list); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%d words: %q, want %q", len(c.list), got, c.want)
		}
	}
}
