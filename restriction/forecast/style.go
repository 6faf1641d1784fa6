package forecast

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/plain"
)

// Style says how to write a forecast, in sentences or drawings. The zero Style writes
// absolute times in UTC, as in "1 March 2030 08:00 UTC".
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
	// Clause is what sentences call a clause; "" is "Clause".
	Clause string
}

// Instant writes a time relative to Start, or with its date, clock and zone. It leaves
// out seconds that are 0: "+1h30m", "1 March 2030 08:00 UTC".
func (s Style) Instant(t time.Time) string {
	if !s.Start.IsZero() {
		return offset(s.past(t))
	}
	if t = t.UTC(); s.Location != nil {
		t = t.In(s.Location)
	}
	if t.Second() == 0 {
		return t.Format("2 January 2006 15:04 MST")
	}
	return t.Format("2 January 2006 15:04:05 MST")
}

// End returns the instant by which people name the end of a span. A clause with exp 10:00
// admits the whole second 10:00:00, opening hours until 10:00 do not, and both end at
// 10:00 for a reader. So End returns until if that is a whole minute, and otherwise the
// last second of the span. until is excluded from the span, as in [Span] and [Window].
func (s Style) End(until time.Time) time.Time {
	if s.past(until)%60 == 0 {
		return until
	}
	return until.Add(-time.Nanosecond).Truncate(time.Second)
}

// past returns the whole seconds since Start, or since 1970.
func (s *Style) past(t time.Time) int64 {
	if s.Start.IsZero() {
		return t.Unix()
	}
	return t.Unix() - s.Start.Unix()
}

// between writes a span of time.
func (s *Style) between(from, until time.Time) string {
	return s.Instant(from) + " to " + s.Instant(s.End(until))
}

// gap writes a span in which the token admits nothing. It ends at the first second that
// something admits.
func (f *Forecast) gap(s *Style, w *Window) string {
	until := s.Instant(w.Until)
	if w.Until.Equal(f.Until) {
		until = s.Instant(s.End(w.Until))
	}
	if w.From.Equal(f.From) {
		return "from " + s.Instant(w.From) + " to " + until
	}
	return "between " + s.Instant(s.End(w.From)) + " and " + until
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

// offset writes seconds with their sign. It leaves out zero minutes and seconds at the
// end: "+0h", "+1h30m", "-0h00m05s", "+24h".
func offset(seconds int64) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	h, m, s := seconds/3600, seconds/60%60, seconds%60
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
	return plain.Few(len(entries), most, " ", func(i int) string {
		text := []rune(legible.Show(entries[i]))
		if len(text) > longest {
			text = append(text[:longest-1], '…')
		}
		return string(text)
	})
}
