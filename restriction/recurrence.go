package restriction

import (
	"time"
)

// recurrence is the part for schedule: a [Schedule], prepared for requests.
//
// Local time is counted in seconds since 1970 on the local clock. A day that matches has
// one interval of local time, which may reach into the next day.
type recurrence struct {
	schedule *Schedule // as it was stated
	zone     *time.Location
	name     string // of the zone

	days       uint8  // days of the week that match; bit 0 is Monday
	everyDate  bool   // all days of the month match
	fromStart  uint32 // days of the month that match, by their number
	fromEnd    uint32 // the same, counted from the end of the month
	every      int64  // at least 1
	anchor     int64  // the day from which every counts
	begin, end int64  // of the interval of a day, in minutes from its midnight; begin < end

	// Each of these means that the schedule admits nothing.
	malformed error // a member makes no sense
	zoneErr   error // the zone is not known here
	noAnchor  bool  // it would depend on the creation of the token
	noDay     bool  // no day matches
}

// newRecurrence prepares a schedule, also one that makes no sense.
func newRecurrence(s *Schedule) *recurrence {
	n := s.normal(time.Time{})
	r := &recurrence{schedule: s.clone(), name: n.Timezone, malformed: s.validate()}
	if r.zone, r.zoneErr = loadZone(s.Timezone); r.malformed != nil {
		return r
	}
	r.days, r.everyDate = 1<<daysInWeek-1, len(n.DaysOfMonth) == 0
	if len(n.Days) > 0 {
		r.days = 0
	}
	for _, day := range n.Days {
		r.days |= 1 << (day - 1)
	}
	for _, day := range n.DaysOfMonth {
		if day > 0 {
			r.fromStart |= 1 << day
		} else {
			r.fromEnd |= 1 << -day
		}
	}
	from, _ := parseClock(n.From)
	to, _ := parseClock(n.To)
	if to <= from {
		to += minutesADay
	}
	r.begin, r.end = int64(from), int64(to)
	if from == to-minutesADay {
		r.begin, r.end = 0, minutesADay
	}
	if r.every = max(int64(n.Every), 1); r.every > 1 {
		r.anchor, _ = parseDate(n.Anchor)
		r.noAnchor = n.Anchor == ""
	}
	_, matches := r.nextDay(0)
	r.noDay = !r.noAnchor && !matches
	return r
}

// err says why the schedule admits nothing. It returns nil if it may admit something.
func (r *recurrence) err() error {
	switch {
	case r.malformed != nil:
		return r.malformed
	case r.zoneErr != nil:
		return r.zoneErr
	case r.noAnchor:
		return errNoAnchor
	case r.noDay:
		return errNoDay
	}
	return nil
}

// modulo returns the remainder of a division, which is not negative.
func modulo(n, by int64) int64 {
	if n %= by; n < 0 {
		n += by
	}
	return n
}

// dayOf returns the day of a local time.
func dayOf(local int64) int64 { return (local - modulo(local, secondsADay)) / secondsADay }

// weekday returns the day of the week: 0 is Monday.
func weekday(day int64) int64 { return modulo(day+3, daysInWeek) } // 1970 began on a Thursday

// matches reports whether a day matches.
func (r *recurrence) matches(day int64) bool {
	return modulo(day-r.anchor, r.every) == 0 && r.days&(1<<weekday(day)) != 0 && (r.everyDate || r.hasDate(day))
}

// hasDate reports whether the day of the month matches.
func (r *recurrence) hasDate(day int64) bool {
	year, month, date := time.Unix(day*secondsADay, 0).UTC().Date()
	length := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return r.fromStart&(1<<date) != 0 || r.fromEnd&(1<<(length+1-date)) != 0
}

// lastDay is the last day of the year 9999. No clause can state a later time.
const lastDay = lastInstant / secondsADay

// nextDay returns the first day that matches, from a day on. It returns false if there is
// none until the year 9999.
func (r *recurrence) nextDay(day int64) (int64, bool) {
	// The calendar repeats after this many days, and the days of the week with it.
	const cycle = 400*365 + 97
	day += modulo(r.anchor-day, r.every)
	for range cycle {
		if day > lastDay {
			break
		}
		if r.matches(day) {
			return day, true
		}
		day += r.every
	}
	return 0, false
}

// interval returns the first second of the interval of a day, and the first one after it.
func (r *recurrence) interval(day int64) (first, after int64) {
	return day*secondsADay + r.begin*60, day*secondsADay + r.end*60
}

// openLocal reports whether a local time is admitted. If so, it returns the end of the
// interval.
func (r *recurrence) openLocal(local int64) (after int64, open bool) {
	today := dayOf(local)
	for day := today; day >= today-1; day-- {
		if first, after := r.interval(day); first <= local && local < after && r.matches(day) {
			return after, true
		}
	}
	return 0, false
}

// nextLocal returns the first local time that is admitted, from a local time on.
func (r *recurrence) nextLocal(local int64) (int64, bool) {
	if _, open := r.openLocal(local); open {
		return local, true
	}
	day := dayOf(local)
	if first, _ := r.interval(day); first < local { // this day is over
		day++
	}
	day, ok := r.nextDay(day)
	first, _ := r.interval(day)
	return first, ok
}

// local returns the second on the local clock, its distance from UTC, and the end of a
// time with this distance, or 0 if it does not end.
func (r *recurrence) local(t time.Time) (local, offset, until int64) {
	t = t.In(r.zone)
	_, seconds := t.Zone()
	if _, end := t.ZoneBounds(); !end.IsZero() {
		until = end.Unix()
		if until <= t.Unix() {
			// For the last day of a leap year, time.Time.ZoneBounds returns its first second.
			until = t.Unix() + secondsADay - modulo(t.Unix(), secondsADay)
		}
	}
	return t.Unix() + int64(seconds), int64(seconds), until
}

// open reports whether an instant is admitted.
func (r *recurrence) open(t time.Time) bool {
	_, offset := t.In(r.zone).Zone()
	_, open := r.openLocal(t.Unix() + int64(offset))
	return open
}

// from returns the first instant that is admitted, from t on.
func (r *recurrence) from(t time.Time, steps *int) Earliest {
	if r.err() != nil {
		return Never()
	}
	// Two local clocks of a zone differ by less than this, and more than two days of local
	// time after a change lie beyond all that came before it.
	const apart = 2 * secondsADay
	for ; *steps > 0; *steps-- {
		local, offset, until := r.local(t)
		next, ok := r.nextLocal(local)
		at := next - offset
		switch {
		case !ok:
			return Never()
		case next == local:
			return At(t)
		case until == 0 || at < until:
			return At(time.Unix(at, 0))
		}
		if until-t.Unix() > apart { // nothing is admitted until shortly before next
			until = max(until, at-apart)
		}
		t = time.Unix(until, 0)
	}
	return unknownFrom(t)
}

// change returns the first instant after t at which the answer changes.
func (r *recurrence) change(t time.Time) (time.Time, bool) {
	steps := mostSteps
	switch {
	case r.free():
		return time.Time{}, false
	case !r.open(t):
		first := r.from(t, &steps)
		return first.at, !first.IsNever()
	}
	for ; steps > 0; steps-- { // of whole days that follow each other
		local, offset, until := r.local(t)
		after, open := r.openLocal(local)
		if !open {
			break
		}
		end := after - offset
		if until != 0 {
			end = min(end, until)
		}
		if end > lastInstant {
			return time.Time{}, false
		}
		t = time.Unix(end, 0)
	}
	return t, true
}

// free reports whether the schedule admits every instant, whatever the zone.
func (r *recurrence) free() bool {
	return r.err() == nil && r.days == 1<<daysInWeek-1 && r.everyDate && r.every == 1 && r.end-r.begin == minutesADay
}

// within reports whether each local interval of r is covered by intervals of the parent.
// It is exact if both depend on nothing but the day of the week. Otherwise it proves less
// than is true.
func (r *recurrence) within(parent part) bool {
	p := parent.(*recurrence)
	switch {
	case r.schedule.equal(p.schedule):
		return true
	case r.malformed != nil || p.malformed != nil || r.noAnchor || p.noAnchor:
		return false // nobody knows what they mean elsewhere
	case p.free():
		return true
	case r.name != p.name:
		return false
	}
	for day := range int64(daysInWeek) {
		if r.days&(1<<day) != 0 && !r.covered(p, day) {
			return false
		}
	}
	return true
}

// covered reports whether intervals of the parent cover the interval of each day of r that
// is this day of the week.
func (r *recurrence) covered(p *recurrence, day int64) bool {
	reached := r.begin
	for shift := int64(-1); shift <= 1; shift++ { // intervals of the parent begin in this order
		if first, after := p.begin+shift*minutesADay, p.end+shift*minutesADay; first <= reached && after > reached && r.implies(p, day, shift) {
			reached = after
		}
	}
	return reached >= r.end
}

// implies reports whether a day of the parent lies a number of days after each day of r
// that is this day of the week.
func (r *recurrence) implies(p *recurrence, day, shift int64) bool {
	return p.days&(1<<modulo(day+shift, daysInWeek)) != 0 &&
		(p.everyDate || shift == 0 && !r.everyDate && r.fromStart&^p.fromStart == 0 && r.fromEnd&^p.fromEnd == 0) &&
		modulo(r.every, p.every) == 0 && modulo(r.anchor+shift-p.anchor, p.every) == 0
}

// overlap returns the schedule that admits what both admit. It returns nil if that is
// nothing, or if no schedule is known to say it.
func (r *recurrence) overlap(p *recurrence) *Schedule {
	if r.name != p.name || r.err() != nil || p.err() != nil {
		return nil
	}
	var found *Schedule
	for shift := int64(-1); shift <= 1; shift++ {
		first, after := max(r.begin, p.begin+shift*minutesADay), min(r.end, p.end+shift*minutesADay)
		if first >= after {
			continue
		}
		s, nothing := r.overlapAt(p, shift, first, after)
		switch {
		case nothing:
		case s == nil || found != nil:
			return nil
		default:
			found = s
		}
	}
	return found
}

// overlapAt returns what each day of r has in common with the day of p that lies a number
// of days after it: the minutes from first to after. If no schedule can say it, the result
// is nil.
func (r *recurrence) overlapAt(p *recurrence, shift, first, after int64) (s *Schedule, nothing bool) {
	// A day of r is a day of the result. If the interval begins on the next day, that is.
	move := first / minutesADay
	s = &Schedule{Timezone: r.name}
	var days []int
	for day := range int64(daysInWeek) {
		if r.days&(1<<day) != 0 && p.days&(1<<modulo(day+shift, daysInWeek)) != 0 {
			days = append(days, int(modulo(day+move, daysInWeek))+1)
		}
	}
	if len(days) == 0 {
		return nil, true
	}
	if len(days) < daysInWeek {
		s.Days = days
	}
	switch {
	case !r.everyDate && move != 0, !p.everyDate && shift != move:
		return nil, false
	case r.everyDate:
		s.DaysOfMonth = p.schedule.DaysOfMonth
	case p.everyDate:
		s.DaysOfMonth = r.schedule.DaysOfMonth
	default:
		for _, day := range r.schedule.DaysOfMonth {
			if day > 0 && p.fromStart&(1<<day) != 0 || day < 0 && p.fromEnd&(1<<-day) != 0 {
				s.DaysOfMonth = append(s.DaysOfMonth, day)
			}
		}
		if r.fromEnd != 0 && p.fromStart != 0 || r.fromStart != 0 && p.fromEnd != 0 {
			return nil, false // some day may be both
		}
		if len(s.DaysOfMonth) == 0 {
			return nil, true
		}
	}
	every, anchor, ok := both(r.every, r.anchor, p.every, p.anchor-shift)
	if !ok {
		return nil, true
	}
	if every > maxEvery || anchor+move > lastDay {
		return nil, false
	}
	if every > 1 {
		s.Every, s.Anchor = int(every), dateText(anchor+move)
	}
	if after-first < minutesADay {
		s.From, s.To = clockText(int(first)), clockText(int(after))
	} else if first%minutesADay != 0 {
		return nil, false // no window of a whole day begins after midnight
	}
	return s.normal(time.Time{}), false
}

// maxEvery is the largest value of every.
const maxEvery = 1<<31 - 1

// both returns what two progressions of days have in common: its step, and one of its
// days. It returns false if that is nothing. For a step beyond maxEvery, it returns no day.
//
// It takes as many steps as Euclid's algorithm does. A child and its parent may have many
// clauses, and each pair of them may come here.
func both(aStep, a, bStep, b int64) (step, day int64, ok bool) {
	// Throughout, aStep*factor and divisor leave the same remainder of a division by bStep.
	divisor, rest := aStep, bStep
	factor, next := int64(1), int64(0)
	for rest != 0 {
		times := divisor / rest
		divisor, rest = rest, divisor-times*rest
		factor, next = next, factor-times*next
	}
	if modulo(b-a, divisor) != 0 {
		return 0, 0, false
	}
	bStep /= divisor // a day is common again after this many steps of a
	if step = aStep * bStep; step > maxEvery {
		return step, 0, true
	}
	day = a + aStep*modulo(modulo((b-a)/divisor, bStep)*modulo(factor, bStep), bStep)
	return step, modulo(day, step), true
}
