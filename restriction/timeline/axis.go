package timeline

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/restriction/forecast"
)

// scale maps times of a forecast to positions in a drawing.
type scale struct {
	f     *forecast.Forecast
	style forecast.Style
}

// share returns where in the forecast t lies, from 0 to 1.
func (s *scale) share(t time.Time) float64 {
	part := float64(t.Unix()-s.f.From.Unix()) + float64(t.Nanosecond())/float64(time.Second)
	return min(max(part/float64(s.seconds()), 0), 1)
}

func (s *scale) seconds() int64 { return s.f.Until.Unix() - s.f.From.Unix() }

// relative reports whether times are written relative to the start of the style.
func (s *scale) relative() bool { return !s.style.Start.IsZero() }

// format writes an absolute time in the location of the style.
func (s *scale) format(t time.Time, layout string) string {
	if s.style.Location == nil {
		return t.UTC().Format(layout)
	}
	return t.In(s.style.Location).Format(layout)
}

// tick is a mark on the time axis.
type tick struct {
	at    time.Time
	label string
}

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// steps are distances between ticks that are easy to read.
var steps = [...]time.Duration{
	time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day, 182 * day, year, 2 * year, 5 * year, 10 * year, 50 * year, 100 * year,
}

// ticks returns marks at round times. width is the room for them, in characters.
func (s *scale) ticks(width int) []tick {
	room := len("28 Feb 15:04") + 3 // of one label, and the distance to the next
	if s.relative() {
		room = len("+100h") + 3
	}
	most := int64(max(width/room, 1))
	step := steps[len(steps)-1]
	for _, candidate := range steps {
		if s.seconds()/int64(candidate/time.Second) <= most {
			step = candidate
			break
		}
	}
	seconds := int64(step / time.Second)
	origin := s.origin()
	from := s.f.From.Unix() - origin
	first := from - from%seconds // rounds towards zero
	if first < from {
		first += seconds
	}
	var ticks []tick
	for at := first; origin+at < s.f.Until.Unix(); at += seconds {
		t := time.Unix(origin+at, 0)
		ticks = append(ticks, tick{t, s.tickLabel(t, step)})
	}
	return ticks
}

// origin returns the Unix second from which ticks count: the start of the style, or
// midnight in its location.
func (s *scale) origin() int64 {
	if s.relative() {
		return s.style.Start.Unix()
	}
	if s.style.Location == nil {
		return 0
	}
	_, zone := s.f.From.In(s.style.Location).Zone()
	return -int64(zone)
}

func (s *scale) tickLabel(t time.Time, step time.Duration) string {
	switch {
	case s.relative() && step%day == 0:
		return fmt.Sprintf("%+dd", (t.Unix()-s.style.Start.Unix())/int64(day/time.Second))
	case s.relative():
		return s.style.Instant(t)
	case step >= day:
		return s.format(t, dateOnly)
	case step >= time.Minute:
		return s.format(t, dateless+" "+clock)
	}
	return s.format(t, time.TimeOnly)
}

// Layouts of absolute times where there is little room. The sentences write them in full.
const (
	dateOnly = "2 Jan 2006"
	dateless = "2 Jan" // without the year
	clock    = "15:04"
)

// overYears reports whether a day of the forecast may come again a year later. Then every
// label names the year.
func (s *scale) overYears() bool { return s.seconds() > int64(year/time.Second) }

// between writes a span of time, to the minute if it is absolute. It names a day only
// once, and years only if they differ or if the forecast has several.
func (s *scale) between(from, until time.Time) string {
	end := s.style.End(until)
	if s.relative() {
		return s.style.Instant(from) + " to " + s.style.Instant(end)
	}
	year := func(t time.Time) string { return s.format(t, "2006") }
	switch {
	case s.format(from, dateOnly) == s.format(end, dateOnly) && s.overYears():
		return s.format(from, dateOnly+" "+clock) + " to " + s.format(end, clock)
	case s.format(from, dateOnly) == s.format(end, dateOnly):
		return s.short(from) + " to " + s.format(end, clock)
	case year(from) == year(end) && year(s.f.From) == year(end) && !s.overYears():
		return s.short(from) + " to " + s.short(end)
	}
	return s.format(from, dateOnly) + " to " + s.format(end, dateOnly)
}

// short writes a time: to the minute if it is absolute, or its day if it lies in another
// year than the beginning of the forecast, or if the forecast has several.
func (s *scale) short(t time.Time) string {
	switch {
	case s.relative():
		return s.style.Instant(t)
	case s.format(t, "2006") != s.format(s.f.From, "2006") || s.overYears():
		return s.format(t, dateOnly)
	}
	return s.format(t, dateless+" "+clock)
}

// zone names the zone of absolute times, or both if the clocks change during the
// forecast. It is empty if times are relative.
func (s *scale) zone() string {
	if s.relative() {
		return ""
	}
	first, last := s.format(s.f.From, "MST"), s.format(s.f.Until, "MST")
	if first != last {
		return first + ", " + last
	}
	return first
}

// clip shortens a text to a number of characters.
func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:max(most-1, 0)]) + "…"
}
