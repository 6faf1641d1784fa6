// Package plain writes numbers of things in plain words.
package plain

import "strconv"

// Count writes a number of things: "1 access token", "3 access tokens". what names one of
// them.
func Count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.FormatInt(n, 10) + " " + what + "s"
}
