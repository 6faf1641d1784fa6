package forecast

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Style says how a forecast is told. The zero Style tells absolute times in UTC.
type Style struct {
	// Start makes times relative to it, as in "+1h30m". Zero: absolute times.
	Start time.Time
	// Location is that of absolute times; nil is UTC.
	Location *time.Location
	// Title is what the forecast is of; "" is "What the token admits".
	Title string
	// Labels name the clauses, by position; where there is none, or an empty
	// one, a clause is named by its scopes.
	Labels []string
	// First is the number of the first clause in sentences: 1 for readers who
	// count from one, 0 for those who compare with an index.
	First int
}

func (s *Style) title() string {
	if s.Title == "" {
		return "What the token admits"
	}
	return printable(s.Title)
}

func (s *Style) location() *time.Location {
	if s.Location == nil {
		return time.UTC
	}
	return s.Location
}

// label names a clause in a drawing.
func (s *Style) label(f *Forecast, i int) string {
	c := &f.Clauses[i]
	switch {
	case i < len(s.Labels) && s.Labels[i] != "":
		return printable(s.Labels[i])
	case len(c.Limits.Scopes) > 0:
		return printable(strings.Join(c.Limits.Scopes, " "))
	case c.Limits.Scopes != nil:
		return "no scope"
	}
	return "any scope"
}

// instant tells a time in prose.
func (s *Style) instant(t time.Time) string {
	if s.Start.IsZero() {
		return t.In(s.location()).Format(time.RFC3339)
	}
	return offset(t.Sub(s.Start))
}

// last tells the last second before a time.
func (s *Style) last(until time.Time) string {
	return s.instant(until.Add(-time.Nanosecond).Truncate(time.Second))
}

// between tells a time from its first second to its last.
func (s *Style) between(from, until time.Time) string {
	return s.instant(from) + " to " + s.last(until)
}

// short tells a time where there is little room, to the minute unless it is
// relative.
func (s *Style) short(t time.Time) string {
	if s.Start.IsZero() {
		return t.In(s.location()).Format("01-02 15:04")
	}
	return offset(t.Sub(s.Start).Truncate(time.Second))
}

// shortBetween tells a time from its first second to its last, and a day once.
func (s *Style) shortBetween(from, until time.Time) string {
	last := until.Add(-time.Nanosecond)
	begin, end := s.short(from), s.short(last)
	if s.Start.IsZero() && from.In(s.location()).YearDay() == last.In(s.location()).YearDay() {
		_, end, _ = strings.Cut(end, " ")
	}
	return begin + " to " + end
}

// offset writes a duration in whole seconds, with its sign and without parts
// that are zero at its end: "+0h", "+1h30m", "-0h00m05s", "+24h".
func offset(d time.Duration) string {
	sign := '+'
	if d < 0 {
		sign, d = '-', -d
	}
	d = d.Truncate(time.Second)
	h, m, s := int64(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case s != 0:
		return fmt.Sprintf("%c%dh%02dm%02ds", sign, h, m, s)
	case m != 0:
		return fmt.Sprintf("%c%dh%02dm", sign, h, m)
	}
	return fmt.Sprintf("%c%dh", sign, h)
}

// offsetDays writes a duration of whole days.
func offsetDays(d time.Duration) string { return fmt.Sprintf("%+dd", int64(d/day)) }

// printable makes foreign text safe for a terminal and a page: characters
// without a glyph, such as escapes and those that turn the direction of
// writing, are replaced.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// clip shortens a text to a number of characters.
func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:max(most-1, 0)]) + "…"
}
