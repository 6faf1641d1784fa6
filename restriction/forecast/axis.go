package forecast

import "time"

// tick is a mark on the time axis.
type tick struct {
	at    time.Time
	label string
}

// steps are the distances of ticks that read well.
var steps = [...]time.Duration{
	time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day, 182 * day, year, 2 * year, 5 * year, 10 * year, 50 * year, 100 * year,
}

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// ticks marks the time of the forecast at round times, with at most so many
// steps between them.
func (f *Forecast) ticks(s *Style, most int) []tick {
	step := steps[len(steps)-1]
	for _, candidate := range steps {
		if f.seconds()/int64(candidate/time.Second) <= int64(most) {
			step = candidate
			break
		}
	}
	seconds := int64(step / time.Second)
	origin := s.origin(f.From)
	from := f.From.Unix() - origin
	first := from - mod(from, seconds)
	if first < from {
		first += seconds
	}
	var ticks []tick
	for at := first; origin+at < f.Until.Unix(); at += seconds {
		t := time.Unix(origin+at, 0)
		ticks = append(ticks, tick{t, s.tickLabel(t, step)})
	}
	return ticks
}

func (f *Forecast) seconds() int64 { return f.Until.Unix() - f.From.Unix() }

// origin is the Unix second from which ticks count: the start, or midnight.
func (s *Style) origin(from time.Time) int64 {
	if !s.Start.IsZero() {
		return s.Start.Unix()
	}
	_, zone := from.In(s.location()).Zone()
	return -int64(zone)
}

func (s *Style) tickLabel(t time.Time, step time.Duration) string {
	switch {
	case !s.Start.IsZero() && step%day == 0:
		return offsetDays(t.Sub(s.Start))
	case !s.Start.IsZero():
		return offset(t.Sub(s.Start))
	case step >= day:
		return t.In(s.location()).Format(time.DateOnly)
	case step >= time.Minute:
		return t.In(s.location()).Format("01-02 15:04")
	}
	return t.In(s.location()).Format(time.TimeOnly)
}

// room is how many characters a tick needs for its label and the distance from
// the next.
func (s *Style) room() int {
	if s.Start.IsZero() {
		return len("01-02 15:04") + 3
	}
	return len("+100h") + 3
}

// mod is the remainder that is never negative.
func mod(n, by int64) int64 { return ((n % by) + by) % by }
