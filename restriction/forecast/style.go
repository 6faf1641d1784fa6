package forecast

import (
	"fmt"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
)

// Style says how to write a forecast, in sentences or drawings. The zero Style writes
// absolute times in UTC.
type Style struct {
	// Start makes times relative to it, as in "+1h30m". If it is zero, times are
	// absolute.
	Start time.Time
	// Location is the time zone of absolute times; nil is UTC.
	Location *time.Location
	// Title names the forecast; "" is "What the token admits".
	Title string
	// Labels name the clauses, by index in Forecast.Clauses. A clause without a label, or
	// with an empty one, is named by its scopes.
	Labels []string
	// First is the number of the first clause in sentences. Use 1 for readers who count
	// from one, and 0 for readers who compare with an index.
	First int
}

// Instant writes a time to the second, relative to Start or as in RFC 3339.
func (s Style) Instant(t time.Time) string {
	switch {
	case !s.Start.IsZero():
		return offset(t.Sub(s.Start))
	case s.Location == nil:
		return t.UTC().Format(time.RFC3339)
	}
	return t.In(s.Location).Format(time.RFC3339)
}

// between writes a span of time as its first and its last second.
func (s *Style) between(from, until time.Time) string {
	return s.Instant(from) + " to " + s.Instant(until.Add(-time.Nanosecond).Truncate(time.Second))
}

func (s *Style) title() string {
	if s.Title == "" {
		return "What the token admits"
	}
	return legible.Show(s.Title)
}

// label returns the label of a clause, or "".
func (s *Style) label(i int) string {
	if i < len(s.Labels) {
		return legible.Show(s.Labels[i])
	}
	return ""
}

// offset writes a duration in whole seconds with its sign. It leaves out zero minutes and
// seconds at the end: "+0h", "+1h30m", "-0h00m05s", "+24h".
func offset(d time.Duration) string {
	sign := '+'
	if d < 0 {
		sign, d = '-', -d
	}
	h, m, s := int64(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case s != 0:
		return fmt.Sprintf("%c%dh%02dm%02ds", sign, h, m, s)
	case m != 0:
		return fmt.Sprintf("%c%dh%02dm", sign, h, m)
	}
	return fmt.Sprintf("%c%dh", sign, h)
}

// list writes the first entries of a list, shortened.
func list(entries []string) string {
	const most, longest = 8, 64 // entries, and characters of one
	if len(entries) == 0 {
		return "none"
	}
	var shown []string
	for i, entry := range entries {
		if i == most {
			shown = append(shown, fmt.Sprintf("and %d more", len(entries)-most))
			break
		}
		text := []rune(legible.Show(entry))
		if len(text) > longest {
			text = append(text[:longest-1], '…')
		}
		shown = append(shown, string(text))
	}
	return strings.Join(shown, " ")
}
