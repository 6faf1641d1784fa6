package restriction

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
)

// Schedule is a recurring window of local time, such as "Mondays to Fridays from 22:00 to
// 06:00, Europe/Berlin" (protocol section 2.12). It admits an instant if the local day
// matches Days, DaysOfMonth and Every, and the local time lies within the window.
//
// A window that ends before it begins reaches into the next day and belongs to the day on
// which it begins. Local times that the clocks skip never occur. Local times that occur
// twice are admitted both times.
type Schedule struct {
	// Timezone is a name of the IANA time zone database; "" is UTC. If the system does not
	// know the name, the schedule admits nothing. A program for systems without time zones
	// imports time/tzdata.
	Timezone string
	// Days are days of the week: 1 (Monday) to 7 (Sunday). 0 is Sunday too. Without Days,
	// every day of the week matches.
	Days []int
	// DaysOfMonth are 1 to 31, or -1 (the last day of the month) to -31. Without them, every
	// day of the month matches.
	DaysOfMonth []int
	// From and To are local times such as "08:30". From is included, To is not. Without
	// them, or if they are equal, the window is the whole day. One cannot be without the
	// other.
	From, To string
	// Every matches each n-th day, counted from Anchor. 0 and 1 match every day.
	Every int
	// Anchor is a date such as "2030-01-31". If Every needs it and it is missing, the issuer
	// of the token fills in the day of the request; see [List.Normalize]. A schedule in a
	// token that lacks it admits nothing.
	Anchor string
}

// The limits of the members of a schedule.
const (
	daysInWeek  = 7
	daysInMonth = 31        // at most
	minutesADay = 24 * 60   // of the local clock
	secondsADay = 24 * 3600 // of the local clock
	maxZoneName = 64        // bytes
	dateLayout  = "2006-01-02"
)

// isZero reports whether s states nothing.
func (s *Schedule) isZero() bool {
	return s.Timezone == "" && len(s.Days) == 0 && len(s.DaysOfMonth) == 0 && s.From == "" && s.To == "" && s.Every == 0 && s.Anchor == ""
}

func (s *Schedule) equal(other *Schedule) bool {
	return s.Timezone == other.Timezone && slices.Equal(s.Days, other.Days) && slices.Equal(s.DaysOfMonth, other.DaysOfMonth) &&
		s.From == other.From && s.To == other.To && s.Every == other.Every && s.Anchor == other.Anchor
}

func (s *Schedule) clone() *Schedule {
	c := *s
	c.Days, c.DaysOfMonth = slices.Clone(s.Days), slices.Clone(s.DaysOfMonth)
	return &c
}

// normal returns the normal form of s, which admits the same. It fills in the time zone,
// sorts both lists and removes duplicates, makes day 0 a 7 and drops an Every that says
// nothing. If created is not zero, it also fills in an anchor that Every needs: the local
// day of created.
func (s *Schedule) normal(created time.Time) *Schedule {
	n := s.clone()
	if n.Timezone == "" {
		n.Timezone = utc
	}
	for i, day := range n.Days {
		if day == 0 {
			n.Days[i] = daysInWeek
		}
	}
	slices.Sort(n.Days)
	n.Days = slices.Compact(n.Days)
	slices.Sort(n.DaysOfMonth)
	n.DaysOfMonth = slices.Compact(n.DaysOfMonth)
	if n.Every == 1 {
		n.Every = 0
	}
	if n.Every > 1 && n.Anchor == "" && !created.IsZero() {
		if zone, err := loadZone(n.Timezone); err == nil {
			n.Anchor = created.In(zone).Format(dateLayout)
		}
	}
	return n
}

// utc is the name of the default time zone.
const utc = "UTC"

// zones are the time zones that were loaded. Loading one reads a file.
var zones struct {
	sync.Mutex
	loaded map[string]*time.Location
}

// loadZone returns the time zone with a name. It refuses names that mean another zone on
// another system, or none: files that some systems keep beside the time zones, and other
// spellings of their paths.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == utc {
		return time.UTC, nil
	}
	if !isZoneName(name) {
		return nil, badValue(ErrInvalid, "timezone: %q is not the name of a time zone, such as Europe/Berlin", clip.Name(name))
	}
	zones.Lock()
	zone := zones.loaded[name]
	zones.Unlock()
	if zone != nil {
		return zone, nil
	}
	zone, err := time.LoadLocation(name) // others need not wait for it
	if err != nil {
		return nil, badValue(ErrInvalid, "timezone: %q is not known here; use a name such as Europe/Berlin", clip.Name(name))
	}
	zones.Lock()
	defer zones.Unlock()
	const most = 1024 // there are about 600 names
	if zones.loaded == nil || len(zones.loaded) >= most {
		zones.loaded = make(map[string]*time.Location)
	}
	zones.loaded[name] = zone
	return zone, nil
}

// isZoneName reports whether a name may be in the IANA time zone database.
func isZoneName(name string) bool {
	if len(name) > maxZoneName || strings.Contains(name, "..") || strings.Contains(name, "//") {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/_+-", c) >= 0) {
			return false
		}
	}
	// Some file systems ignore case.
	first, _, _ := strings.Cut(strings.ToLower(name), "/")
	return !slices.Contains([]string{"local", "localtime", "posixrules", "posix", "right"}, first)
}

// validate reports the first member that makes no sense, whatever the time zone.
func (s *Schedule) validate() error {
	if s.isZero() {
		return badValue(ErrInvalid, "it states nothing; leave it out for no restriction")
	}
	if len(s.Days) > MaxEntries || len(s.DaysOfMonth) > MaxEntries {
		return &LimitError{"entries in a list", MaxEntries}
	}
	for _, day := range s.Days {
		if day < 0 || day > daysInWeek {
			return badValue(ErrInvalid, "days: %d is not a day of the week; use 1 (Monday) to 7 (Sunday)", day)
		}
	}
	for _, day := range s.DaysOfMonth {
		if day == 0 || day < -daysInMonth || day > daysInMonth {
			return badValue(ErrInvalid, "days_of_month: %d is not a day of the month; use 1 to 31, or -1 (the last day) to -31", day)
		}
	}
	switch {
	case s.From == "" && s.To != "":
		return badValue(ErrInvalid, "from: it is missing, and to is %q; state both", clip.Name(s.To))
	case s.From != "" && s.To == "":
		return badValue(ErrInvalid, "to: it is missing, and from is %q; state both", clip.Name(s.From))
	}
	for _, clock := range []struct{ member, text string }{{"from", s.From}, {"to", s.To}} {
		if _, ok := parseClock(clock.text); !ok {
			return badValue(ErrInvalid, "%s: %q is not a time from 00:00 to 23:59", clock.member, clip.Name(clock.text))
		}
	}
	if s.Every < 0 {
		return badValue(ErrInvalid, "every: %d is negative", s.Every)
	}
	if _, ok := parseDate(s.Anchor); s.Anchor != "" && !ok {
		return badValue(ErrInvalid, "anchor: %q is not a date such as 2030-01-31", clip.Name(s.Anchor))
	}
	return nil
}

// parseClock reads a time such as "08:30". It returns the minutes since midnight. "" is
// midnight.
func parseClock(text string) (minute int, ok bool) {
	if text == "" {
		return 0, true
	}
	if len(text) != len("08:30") || text[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	hour, minute := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	return hour*60 + minute, hour < 24 && minute < 60
}

func clockText(minute int) string {
	minute %= minutesADay
	return fmt.Sprintf("%02d:%02d", minute/60, minute%60)
}

// parseDate reads a date. It returns the number of days since 1970.
func parseDate(text string) (day int64, ok bool) {
	t, err := time.Parse(dateLayout, text)
	return t.Unix() / secondsADay, err == nil
}

func dateText(day int64) string { return time.Unix(day*secondsADay, 0).UTC().Format(dateLayout) }

// String describes s in words: "Mondays to Fridays from 22:00 to 06:00, Europe/Berlin". It
// shortens malformed values, and quotes them if they have control or format characters.
func (s *Schedule) String() string {
	n := s.normal(time.Time{})
	var days []string
	if len(n.Days) > 0 && len(n.Days) < daysInWeek {
		days = append(days, weekdaysText(n.Days))
	}
	if len(n.DaysOfMonth) > 0 {
		days = append(days, "on "+monthDaysText(n.DaysOfMonth))
	}
	switch {
	case n.Every > 1 && n.Anchor == "":
		days = append(days, fmt.Sprintf("every %d days", n.Every))
	case n.Every > 1:
		days = append(days, fmt.Sprintf("every %d days from %s", n.Every, oneLine(n.Anchor)))
	case len(days) == 0:
		days = append(days, "every day")
	}
	text := strings.Join(days, ", ")
	if n.From != n.To {
		if len(days) > 1 || len(n.DaysOfMonth) > 0 || n.Every > 1 {
			text += ","
		}
		text += " from " + oneLine(n.From) + " to " + oneLine(n.To)
	}
	return text + ", " + oneLine(n.Timezone)
}

// weekdaysText names days of the week in normal form, and joins three in a row.
func weekdaysText(days []int) string {
	name := func(day int) string {
		if day < 1 || day > daysInWeek {
			return fmt.Sprintf("day %d", day)
		}
		return time.Weekday(day%daysInWeek).String() + "s"
	}
	var parts []string
	for i := 0; i < len(days); {
		last := i
		for last+1 < len(days) && days[last+1] == days[last]+1 {
			last++
		}
		if last-i >= 2 {
			parts = append(parts, name(days[i])+" to "+name(days[last]))
			i = last + 1
			continue
		}
		parts = append(parts, name(days[i]))
		i++
	}
	return joinedWords(parts)
}

// monthDaysText names days of the month in normal form.
func monthDaysText(days []int) string {
	var plain, ends []string
	for _, day := range days {
		switch {
		case day == -1:
			ends = append(ends, "the last day")
		case day < 0:
			ends = append(ends, fmt.Sprintf("day %d from the end", -day))
		default:
			plain = append(plain, fmt.Sprint(day))
		}
	}
	slices.Reverse(ends)
	if len(plain) > 0 {
		ends = append([]string{"day " + joinedWords(plain)}, ends...)
	}
	return joinedWords(ends) + " of the month"
}

// joinedWords lists words. It shortens a long list.
func joinedWords(parts []string) string {
	const most = 31
	if n := len(parts); n > most {
		parts = append(slices.Clone(parts[:most]), fmt.Sprintf("%d more", n-most))
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return strings.Join(parts, "")
}
