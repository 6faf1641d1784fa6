// Package words bounds lists of scopes and audiences that somebody else made, before
// anything compares them, keeps them or sends them on.
package words

import "fmt"

// Limits of one list.
const (
	MaxCount = 256     // words
	MaxBytes = 8 << 10 // bytes of all words together
)

// LimitError says which limit a list exceeds. The text names the limit.
type LimitError struct {
	What  string // what the limit counts
	Count int    // at least that many
	Most  int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%d %s, at most %d are allowed", e.Count, e.What, e.Most)
}

// Check returns a [*LimitError] for a list beyond the limits. Its work does not grow with
// the length of the words.
func Check(list []string) error {
	if len(list) > MaxCount {
		return &LimitError{"words", len(list), MaxCount}
	}
	bytes := 0
	for _, word := range list {
		bytes += len(word)
	}
	if bytes > MaxBytes {
		return &LimitError{"bytes", bytes, MaxBytes}
	}
	return nil
}
