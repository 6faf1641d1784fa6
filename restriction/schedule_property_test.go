package restriction

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The time zones of these tests change their clocks on different days, by an hour or half
// an hour, at night or at midnight, or not at all.
var scheduleZones = []string{
	"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "America/Havana",
	"Asia/Beirut", "Africa/Casablanca", "", "UTC",
}

// The tests look at three years with all their clock changes.
var (
	threeYears    = time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	threeYearsEnd = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// long reports whether the tests look at every minute instead of some.
func long() bool { return os.Getenv("CI_LONG") != "" }

// prose returns whether a schedule admits an instant, according to the words of protocol
// section 2.12. It shares nothing with what it tests.
func prose(t require.TestingT, s *Schedule) func(time.Time) bool {
	zone, err := time.LoadLocation(s.Timezone) // "" is UTC
	require.NoError(t, err)
	return func(at time.Time) bool { return saysTheProseIn(t, s, at.In(zone)) }
}

func saysTheProseIn(t require.TestingT, s *Schedule, local time.Time) bool {
	year, month, date := local.Date()
	today := time.Date(year, month, date, 0, 0, 0, 0, time.UTC)
	minute, from, to := 60*local.Hour()+local.Minute(), proseMinute(t, s.From), proseMinute(t, s.To)
	switch {
	case from == to:
		return proseDay(t, s, today)
	case from < to:
		return from <= minute && minute < to && proseDay(t, s, today)
	}
	return minute >= from && proseDay(t, s, today) || minute < to && proseDay(t, s, today.AddDate(0, 0, -1))
}

func proseMinute(t require.TestingT, clock string) int {
	hour, minute, stated := strings.Cut(clock, ":")
	if !stated {
		return 0
	}
	h, err := strconv.Atoi(hour)
	require.NoError(t, err)
	m, err := strconv.Atoi(minute)
	require.NoError(t, err)
	return 60*h + m
}

// proseDay reports whether a day matches. The day is given as its midnight in UTC.
func proseDay(t require.TestingT, s *Schedule, day time.Time) bool {
	weekday := int(day.Weekday()) // 0 is Sunday
	if len(s.Days) > 0 && !slices.Contains(s.Days, weekday) && !(weekday == 0 && slices.Contains(s.Days, 7)) {
		return false
	}
	lastDate := day.AddDate(0, 0, -day.Day()+1).AddDate(0, 1, -1).Day()
	if len(s.DaysOfMonth) > 0 && !slices.ContainsFunc(s.DaysOfMonth, func(n int) bool {
		return n > 0 && n == day.Day() || n < 0 && lastDate+n+1 == day.Day()
	}) {
		return false
	}
	if s.Every > 1 {
		anchor, err := time.Parse("2006-01-02", s.Anchor)
		require.NoError(t, err)
		if days := int(day.Unix()-anchor.Unix()) / (24 * 60 * 60); days%s.Every != 0 { // a Duration ends after 292 years
			return false
		}
	}
	return true
}

// scheduleClocks are the ends of random windows. Many lie where clocks change.
var scheduleClocks = []string{
	"00:00", "00:01", "00:30", "01:00", "01:30", "01:45", "02:00", "02:30", "02:59", "03:00", "06:00", "12:00", "21:59", "22:00", "23:00", "23:30", "23:59",
}

func drawSchedule(t *rapid.T, zones ...string) *Schedule {
	s := &Schedule{Timezone: rapid.SampledFrom(zones).Draw(t, "zone")}
	sometimes := func(name string, of int) bool { return rapid.IntRange(1, of).Draw(t, name+"?") == 1 }
	if sometimes("days", 2) {
		s.Days = rapid.SliceOfN(rapid.IntRange(0, 7), 1, 5).Draw(t, "days")
	}
	if sometimes("days of month", 4) {
		s.DaysOfMonth = rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 15, 28, 29, 30, 31, -1, -2, -28, -30, -31}), 1, 4).Draw(t, "days of month")
	}
	if sometimes("every", 4) {
		s.Every = rapid.SampledFrom([]int{1, 2, 3, 4, 7, 10, 14, 30, 365, 1000}).Draw(t, "every")
		s.Anchor = threeYears.AddDate(0, 0, rapid.IntRange(-400, 400).Draw(t, "anchor")).Format("2006-01-02")
	}
	if s.isZero() || !sometimes("whole day", 4) {
		s.From, s.To = rapid.SampledFrom(scheduleClocks).Draw(t, "from"), rapid.SampledFrom(scheduleClocks).Draw(t, "to")
	}
	return s
}

// drawTimes draws instants in the three years. Half of them lie near a clock change of the
// zone, and many at the edge of a minute.
func drawTimes(t *rapid.T, zone string, n int) []time.Time {
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	var changes []time.Time
	for at := threeYears; at.Before(threeYearsEnd); {
		_, end := at.In(location).ZoneBounds()
		if end.IsZero() {
			break
		}
		changes, at = append(changes, end), end
	}
	times := make([]time.Time, n)
	seed := rapid.Uint64().Draw(t, "times") // one draw for many instants is faster
	random := func(below int64) int64 {
		seed = seed*6364136223846793005 + 1442695040888963407
		return int64(seed>>33) % below
	}
	for i := range times {
		at := threeYears.Unix() + random(threeYearsEnd.Unix()-threeYears.Unix())
		if len(changes) > 0 && random(2) == 0 {
			at = changes[random(int64(len(changes)))].Unix() + random(3*24*3600) - 24*3600
		}
		switch random(3) {
		case 0:
			at -= at % 60
		case 1:
			at += 59 - at%60
		}
		times[i] = time.Unix(at, 0)
	}
	return times
}

func evaluateSchedule(t require.TestingT, s *Schedule) func(time.Time) bool {
	policy := mustCompile(t, List{{Schedule: s}}, Options{})
	return func(at time.Time) bool {
		d := policy.Evaluate(&Request{Now: at, Kind: Uncounted})
		return d.Admitted()
	}
}

// TestScheduleAdmitsWhatTheProseSays compares the decisions about random schedules with
// the words of the protocol: at random instants and around clock changes, or at each
// minute of three years if CI_LONG is set. The normal form admits the same.
//
// proves P1
func TestScheduleAdmitsWhatTheProseSays(t *testing.T) {
	admitted, refused := 0, 0
	compare := func(t require.TestingT, s *Schedule, times []time.Time) {
		admits, normal := evaluateSchedule(t, s), evaluateSchedule(t, s.normal(time.Time{}))
		zone, err := time.LoadLocation(s.Timezone)
		require.NoError(t, err)
		for _, at := range times {
			want := saysTheProseIn(t, s, at.In(zone))
			if got := admits(at); got != want {
				require.FailNow(t, "wrong decision", "%s at %s (%s): got %v", s, at.UTC(), at.In(zone), got)
			}
			if normal(at) != want {
				require.FailNow(t, "another normal form", "%+v of %+v at %s", s.normal(time.Time{}), s, at.UTC())
			}
			if want {
				admitted++
			} else {
				refused++
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t, scheduleZones...)
		compare(t, s, drawTimes(t, s.Timezone, 200))
	})
	if min(admitted, refused) < 10_000 {
		t.Errorf("%d admitted, %d refused: the test shows little", admitted, refused)
	}
	if !long() {
		return
	}
	var minutes []time.Time
	for at := threeYears; at.Before(threeYearsEnd); at = at.Add(time.Minute) {
		minutes = append(minutes, at)
	}
	for i := range 20 {
		s := rapid.Custom(func(t *rapid.T) *Schedule { return drawSchedule(t, scheduleZones...) }).Example(i)
		compare(t, s, minutes)
	}
}

// TestScheduleEarliestIsRight compares the promised instant with a search, minute by
// minute. It searches the days after the request and before the promise, and with CI_LONG
// all of 40 days.
//
// proves P10
func TestScheduleEarliestIsRight(t *testing.T) {
	near, far, nevers := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t, scheduleZones...)
		policy := mustCompile(t, List{{Schedule: s}}, Options{})
		zone, err := time.LoadLocation(s.Timezone)
		require.NoError(t, err)
		says := prose(t, s)
		for _, now := range drawTimes(t, s.Timezone, 2) {
			e := policy.Explain(&Request{Now: now, Kind: Uncounted})
			require.False(t, e.Earliest.IsUnknown(), "%s at %s", s, now)
			end, known := e.Earliest.Time()
			if !known {
				nevers++
				end = now.AddDate(0, 0, 1)
			} else if !says(end) || end.Before(now) || e.Admitted != end.Equal(now) {
				t.Fatalf("%s at %s promises %s, and the prose refuses", s, now.In(zone), end.In(zone))
			}
			next := now.Truncate(time.Minute) // offsets from UTC are whole minutes
			if next.Before(now) {
				if known && end.After(now) && says(now) {
					t.Fatalf("%s admits at %s and promises %s", s, now.In(zone), end.In(zone))
				}
				next = next.Add(time.Minute)
			}
			skip := end.Add(-12 * time.Hour)
			for days := now.AddDate(0, 0, 1); next.Before(end); next = next.Add(time.Minute) {
				if !(long() && end.Sub(now) < 40*24*time.Hour) && next.After(days) && next.Before(skip) {
					next = skip.Truncate(time.Minute)
				}
				if says(next) {
					t.Fatalf("%s at %s promises %s, and the prose admits at %s", s, now.In(zone), e.Earliest, next.In(zone))
				}
			}
			if end.Sub(now) > 24*time.Hour && known {
				far++
			} else if known && end.After(now) {
				near++
			}
		}
	})
	if min(near, far) < 500 || nevers < 20 {
		t.Errorf("%d near, %d far, %d nevers: the test shows little", near, far, nevers)
	}
}

// TestScheduleChangesAreRight: between two changes that a forecast is told, the answer is
// the same, and at a change it is another one.
//
// proves P10
func TestScheduleChangesAreRight(t *testing.T) {
	changes := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t, scheduleZones...)
		r, says := newRecurrence(s), prose(t, s)
		for _, now := range drawTimes(t, s.Timezone, 2) {
			next, changing := r.Next(&Request{Now: now})
			open := says(now)
			end := now.AddDate(0, 0, 3)
			if changing {
				changes++
				require.True(t, next.After(now))
				if says(next) == open {
					t.Fatalf("%s does not change at %s, asked at %s", s, next, now)
				}
				if next.Before(end) {
					end = next
				}
			}
			for at := now.Truncate(time.Minute).Add(time.Minute); at.Before(end); at = at.Add(7 * time.Minute) {
				if says(at) != open {
					t.Fatalf("%s changes at %s, before %s, asked at %s", s, at, end, now)
				}
			}
		}
	})
	if changes < 1000 {
		t.Errorf("%d changes: the test shows little", changes)
	}
}

// drawSchedules draws a parent, and a child that is often a variation of it.
func drawSchedules(t *rapid.T, zones ...string) (child, parent *Schedule) {
	parent, child = drawSchedule(t, zones...), drawSchedule(t, zones...)
	if rapid.Bool().Draw(t, "variation") {
		other := child
		child = parent.clone()
		switch rapid.IntRange(0, 5).Draw(t, "change") {
		case 0:
			child.From, child.To = other.From, other.To
		case 1:
			child.Days = other.Days
		case 2:
			child.DaysOfMonth = other.DaysOfMonth
		case 3:
			child.Every, child.Anchor = other.Every, other.Anchor
		case 4:
			child.From, child.To, parent.From, parent.To = other.From, other.To, "", ""
		case 5:
			if child.Every *= 2; child.Every > 0 {
				parent.Days = nil
			}
		}
	}
	for _, s := range []*Schedule{child, parent} {
		if s.isZero() {
			s.Days = []int{1, 2}
		}
	}
	return child, parent
}

// weekly reports whether a schedule depends on nothing but the day of the week.
func weekly(s *Schedule) bool { return len(s.DaysOfMonth) == 0 && s.Every <= 1 }

// beyondTheProse returns an instant that the child admits and the parent refuses, if there
// is one. Their answers change at the edges of their windows and at midnight alone, so it
// looks at each edge of each day. It takes both as schedules in UTC: no local time of
// theirs is skipped or repeated.
func beyondTheProse(t require.TestingT, child, parent *Schedule) (time.Time, bool) {
	days := 7
	if !weekly(child) || !weekly(parent) {
		days = 3 * 365
	}
	var edges []time.Duration
	for _, text := range []string{"00:00", child.From, child.To, parent.From, parent.To} {
		if at, err := time.Parse("15:04", text); err == nil {
			edges = append(edges, time.Duration(at.Hour())*time.Hour+time.Duration(at.Minute())*time.Minute)
		}
	}
	if long() && days == 7 {
		for edges = nil; len(edges) < 24*60; {
			edges = append(edges, time.Duration(len(edges))*time.Minute)
		}
	}
	for day := range days {
		for _, edge := range edges {
			at := threeYears.AddDate(0, 0, day).Add(edge)
			if saysTheProseIn(t, child, at) && !saysTheProseIn(t, parent, at) {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// TestScheduleWithinIsExact compares the rule for children with what both admit. It never
// accepts a child that admits more. Of schedules that depend on the day of the week alone,
// it accepts every child that does not.
//
// proves P1
func TestScheduleWithinIsExact(t *testing.T) {
	within, beyond, calendar, missed := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(scheduleZones).Draw(t, "zone")
		child, parent := drawSchedules(t, zone)
		c, p := List{{Schedule: child}}, List{{Schedule: parent}}
		got := Within(c, p, nil)
		exact := weekly(child) && weekly(parent)
		if !got && !exact {
			if _, more := beyondTheProse(t, child, parent); !more {
				missed++
			}
			return
		}
		switch at, more := beyondTheProse(t, child, parent); {
		case got && more:
			t.Fatalf("%+v is within %+v, and admits %s", child, parent, at)
		case !got && !more:
			t.Fatalf("%+v is not within %+v, and admits no more", child, parent)
		case got && exact:
			within++
		case got:
			calendar++
		default:
			beyond++
		}
	})
	t.Logf("%d within, %d beyond, %d with days of the month or every, %d of those missed", within, beyond, calendar, missed)
	if min(within, beyond) < 300 || calendar < 100 {
		t.Errorf("%d within, %d beyond, %d with calendars: the test shows little", within, beyond, calendar)
	}
}

// TestScheduleOverlapIsExact compares what two schedules have in common, as Intersect says
// it, with what both admit.
//
// proves P1
func TestScheduleOverlapIsExact(t *testing.T) {
	said, unsaid := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(scheduleZones).Draw(t, "zone")
		a, b := drawSchedules(t, zone)
		f := newFittings(List{{Schedule: a}, {Schedule: b}}, nil)
		c, objection := f[0].meet(&f[1])
		if objection != nil {
			require.Equal(t, KeySchedule, objection.Key)
			unsaid++
			return
		}
		said++
		require.True(t, Within(List{c}, List{{Schedule: b}}, nil))
		both := c.Schedule
		inA, inB, inBoth := prose(t, a), prose(t, b), prose(t, both)
		for _, at := range drawTimes(t, a.Timezone, 60) {
			if inBoth(at) != (inA(at) && inB(at)) {
				t.Fatalf("%+v and %+v have %+v in common, and not at %s", a, b, both, at)
			}
		}
	})
	t.Logf("%d said, %d not", said, unsaid)
	if min(said, unsaid) < 500 {
		t.Errorf("%d said, %d not: the test shows little", said, unsaid)
	}
}

// TestScheduleNormalForm: the normal form of a normal form is the same, and it is written
// and read without a change.
func TestScheduleNormalForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := List{{Schedule: drawSchedule(t, scheduleZones...)}}
		if rapid.Bool().Draw(t, "without anchor") {
			list[0].Schedule.Anchor = ""
		}
		before := list.Clone()
		normal := list.Normalize(epoch)
		require.Equal(t, before, list, "Normalize changes its receiver")
		require.Equal(t, normal, normal.Normalize(epoch.AddDate(1, 0, 1)), "another time")
		require.True(t, Within(normal, normal, nil))
		text := mustEncode(t, normal)
		require.Equal(t, normal, mustParse(t, text))
		require.Equal(t, text, mustEncode(t, mustParse(t, text)))
		again := mustParse(t, mustEncode(t, list))
		require.True(t, again.Equal(list), "as it was stated")
	})
}

// TestCommonDays: what two progressions of days have in common is a progression, and both
// finds its step and a day of it. Small steps are compared with a search for each day, and
// large ones with what the result claims.
func TestCommonDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.OneOf(rapid.Int64Range(1, 40), rapid.Int64Range(1, 50_000), rapid.Int64Range(1, maxEvery))
		aStep, bStep := steps.Draw(t, "a's step"), steps.Draw(t, "b's step")
		a, b := rapid.Int64Range(-800_000, lastDay).Draw(t, "a"), rapid.Int64Range(-800_000, lastDay).Draw(t, "b")
		step, day, ok := both(aStep, a, bStep, b)
		isCommon := func(day int64) bool { return modulo(day-a, aStep) == 0 && modulo(day-b, bStep) == 0 }
		if aStep <= 40 && bStep <= 40 {
			var common []int64
			for day := range 2 * aStep * bStep {
				if isCommon(day) {
					common = append(common, day)
				}
			}
			require.Equal(t, ok, len(common) > 0)
			if ok {
				require.Equal(t, common[0], day)
				require.Equal(t, common[1]-common[0], step)
			}
			return
		}
		if ok && step <= maxEvery {
			require.True(t, isCommon(day) && 0 <= day && day < step, "day %d", day)
			require.True(t, step%aStep == 0 && step%bStep == 0, "step %d", step)
		}
	})
}
