// Package plain writes numbers of things, and short lists of them, in plain words.
package plain

import (
	"strconv"
	"strings"
)

// Count writes a number of things: "1 access token", "3 access tokens". what names one of
// them.
func Count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.FormatInt(n, 10) + " " + what + "s"
}

// Few lists the first entries and says how many more there are: "a b and 3 more". text
// writes the entry with an index. It is not called for those that are left out.
func Few(count, most int, separator string, text func(int) string) string {
	shown := make([]string, 0, min(count, most)+1)
	for i := range min(count, most) {
		shown = append(shown, text(i))
	}
	if count > most {
		shown = append(shown, "and "+strconv.Itoa(count-most)+" more")
	}
	return strings.Join(shown, separator)
}
