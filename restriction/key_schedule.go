package restriction

import (
	"fmt"
	"hash/maphash"
	"math"
	"strconv"
	"time"
)

// KeySchedule is the key with a recurring window of local time (protocol section 2.12).
const KeySchedule = "schedule"

var keySchedule = &schedules{anyKey{KeySchedule}}

type schedules struct{ anyKey }

func (k *schedules) states(c *Clause) bool { return c.Schedule != nil }
func (k *schedules) take(c, from *Clause)  { c.Schedule = from.Schedule }
func (k *schedules) show(c *Clause) string { return c.Schedule.String() }
func (k *schedules) passes() bool          { return true }
func (k *schedules) remote(c *Clause) bool {
	_, err := loadZone(c.Schedule.Timezone)
	return err != nil // the issuer may know the zone
}

func (k *schedules) clone(c *Clause) {
	if c.Schedule != nil {
		c.Schedule = c.Schedule.clone()
	}
}

func (k *schedules) equal(a, b *Clause) bool {
	x, y := a.Schedule, b.Schedule
	return x == y || x != nil && y != nil && x.equal(y)
}

func (k *schedules) hash(h *maphash.Hash, c *Clause) {
	s := c.Schedule
	maphash.WriteComparable(h, s != nil)
	if s == nil {
		return
	}
	for _, text := range []string{s.Timezone, s.From, s.To, s.Anchor} {
		maphash.WriteComparable(h, text)
	}
	for _, days := range [][]int{{s.Every}, s.Days, s.DaysOfMonth} {
		maphash.WriteComparable(h, len(days))
		for _, day := range days {
			maphash.WriteComparable(h, day)
		}
	}
}

func (k *schedules) normalize(c *Clause, created time.Time) {
	c.Schedule = c.Schedule.normal(created)
}

// The members of the value.
const (
	memberTimezone    = "timezone"
	memberDays        = "days"
	memberDaysOfMonth = "days_of_month"
	memberFrom        = "from"
	memberTo          = "to"
	memberEvery       = "every"
	memberAnchor      = "anchor"
)

// read reads an object. An object without members counts as absent, as does null.
func (k *schedules) read(d *decoder, c *Clause) error {
	switch d.json.PeekKind() {
	case 'n':
		_, err := d.value()
		return err
	case '{':
	default:
		if _, err := d.value(); err != nil {
			return err
		}
		return badValue(ErrSyntax, "need an object")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return keySyntax(err)
	}
	s := new(Schedule)
	for d.json.PeekKind() != '}' {
		member, err := d.string()
		if err != nil {
			return err
		}
		if err := s.read(d, member); err != nil {
			return inMember(member, err)
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return keySyntax(err)
	}
	if !s.isZero() {
		c.Schedule = s
	}
	return nil
}

// read reads the value of a member. An absent value is that of a zero Schedule.
func (s *Schedule) read(d *decoder, member string) (err error) {
	switch member {
	case memberTimezone:
		s.Timezone, err = d.text()
	case memberDays:
		s.Days, err = d.integers()
	case memberDaysOfMonth:
		s.DaysOfMonth, err = d.integers()
	case memberFrom:
		s.From, err = d.text()
	case memberTo:
		s.To, err = d.text()
	case memberEvery:
		s.Every, err = d.small()
	case memberAnchor:
		s.Anchor, err = d.text()
	default:
		return badValue(ErrSyntax, "there is no such member")
	}
	return err
}

// inMember says in which member of the value an error is.
func inMember(member string, err error) error {
	if bad, ok := err.(*valueError); ok {
		return badValue(bad.kind, "%s: %w", oneLine(member), bad.cause)
	}
	return fmt.Errorf("%s: %w", oneLine(member), err)
}

// text reads a string or null.
func (d *decoder) text() (string, error) {
	if d.json.PeekKind() == 'n' {
		_, err := d.value()
		return "", err
	}
	return d.string()
}

// small reads an integer of 32 bits, or null.
func (d *decoder) small() (int, error) {
	n, _, err := d.integer()
	if err == nil && (n < math.MinInt32 || n > math.MaxInt32) {
		return 0, badValue(ErrSyntax, "%d is too large", n)
	}
	return int(n), err
}

// integers reads an array of integers, or null.
func (d *decoder) integers() ([]int, error) {
	return array(d, "integers", func() (int, error) {
		if d.json.PeekKind() == 'n' {
			return 0, badValue(ErrSyntax, "need an array of integers")
		}
		return d.small()
	})
}

// write writes the members that the schedule states, in the order of protocol section
// 2.12.
func (k *schedules) write(e *encoder, c *Clause) {
	s := c.Schedule
	if s.isZero() {
		e.fail(KeySchedule, badValue(ErrInvalid, "it states nothing and would read as no restriction"))
		return
	}
	e.key(KeySchedule)
	members := encoder{text: append(e.text, '{')}
	members.optional(memberTimezone, s.Timezone)
	members.integers(memberDays, s.Days)
	members.integers(memberDaysOfMonth, s.DaysOfMonth)
	members.optional(memberFrom, s.From)
	members.optional(memberTo, s.To)
	if s.Every != 0 {
		members.key(memberEvery)
		members.small(s.Every)
	}
	members.optional(memberAnchor, s.Anchor)
	if members.err != nil {
		e.fail(KeySchedule, members.err)
		return
	}
	e.text = append(members.text, '}')
}

// optional writes a string, unless it is empty.
func (e *encoder) optional(member, text string) {
	if text != "" {
		e.key(member)
		e.string(member, text)
	}
}

// integers writes an array, unless it has no elements.
func (e *encoder) integers(member string, list []int) {
	if len(list) == 0 {
		return
	}
	e.key(member)
	e.text = append(e.text, '[')
	for i, n := range list {
		if i > 0 {
			e.text = append(e.text, ',')
		}
		e.small(n)
	}
	e.text = append(e.text, ']')
}

// small writes an integer that the decoder's method of this name reads back.
func (e *encoder) small(n int) {
	if n < math.MinInt32 || n > math.MaxInt32 {
		e.fail(KeySchedule, badValue(ErrInvalid, "%d is too large", n))
	}
	e.text = strconv.AppendInt(e.text, int64(n), 10)
}

// validate refuses a schedule that makes no sense, that matches no day, or that admits
// nothing between nbf and exp.
func (k *schedules) validate(c *Clause) error {
	r := newRecurrence(c.Schedule)
	switch {
	case r.malformed != nil:
		return r.malformed
	case r.zoneErr != nil:
		return r.zoneErr
	case r.noAnchor: // the issuer fills it in
		return nil
	case r.noDay:
		return errNoDay
	case c.idle(r):
		return errIdle
	}
	return nil
}

var (
	errNoAnchor = badValue(ErrInvalid, "anchor: it is missing, and every counts from it")
	errNoDay    = badValue(ErrInvalid, "no day matches all of days, days_of_month and every")
	errIdle     = badValue(ErrInvalid, "it admits nothing between nbf and exp")
)

// idle reports whether the schedule of c admits nothing between nbf and exp.
func (c *Clause) idle(r *recurrence) bool {
	if c.Expires == 0 || r.err() != nil {
		return false
	}
	steps := mostSteps
	first := r.from(time.Unix(c.NotBefore, 0), &steps)
	at, known := first.Time()
	return first.IsNever() || known && at.Unix() > c.Expires
}

// noTime says that the schedule leaves nothing of c, the clause that w and p have in
// common.
func (w *fitting) noTime(p *fitting, c *Clause) *ClauseError {
	switch {
	case c.Schedule == nil || !c.idle(newRecurrence(c.Schedule)):
		return nil
	case keySchedule.states(w.source):
		return noOverlap(KeySchedule, "it admits nothing between nbf and exp")
	case keyEXP.states(w.source):
		return noOverlap(KeyExpires, "the parent allows %s alone", p.source.Schedule)
	}
	return noOverlap(KeyNotBefore, "the parent allows %s alone", p.source.Schedule)
}

func (k *schedules) compile(c *Clause, _ *clause) part { return newRecurrence(c.Schedule) }

// index compares a child with each different schedule of the parents.
func (k *schedules) index(parents []part) keyIndex {
	x := &scheduleIndex{free: newSet(len(parents))}
	byText := make(map[string]int)
	for i, p := range parents {
		r, has := p.(*recurrence)
		if !has {
			x.free.add(i)
			continue
		}
		s := r.schedule
		text := fmt.Sprintf("%q %v %v %q %q %d %q", s.Timezone, s.Days, s.DaysOfMonth, s.From, s.To, s.Every, s.Anchor)
		n, known := byText[text]
		if !known {
			n = len(x.groups)
			byText[text] = n
			x.groups = append(x.groups, scheduleGroup{r, newSet(len(parents))})
		}
		x.groups[n].parents.add(i)
	}
	return x
}

// scheduleIndex is the index of this key.
type scheduleIndex struct {
	free   set // parents without a schedule
	groups []scheduleGroup
}

// scheduleGroup is the parents with one schedule.
type scheduleGroup struct {
	schedule *recurrence
	parents  set
}

func (x *scheduleIndex) covering(child part) set {
	found := newSet(64 * len(x.free))
	found.join(x.free)
	if r, has := child.(*recurrence); has {
		for i := range x.groups {
			if r.within(x.groups[i].schedule) {
				found.join(x.groups[i].parents)
			}
		}
	}
	return found
}

func (r *recurrence) admits(q query) bool { return r.err() == nil && r.open(q.Now) }

func (r *recurrence) object(query) Objection {
	return Objection{Key: KeySchedule, Need: "a time within " + r.schedule.String(), Err: r.err()}
}

func (r *recurrence) first(q query, t time.Time) Earliest { return r.from(t, q.steps) }

func (r *recurrence) excess(parent part) string {
	return "the parent allows " + parent.(*recurrence).schedule.String() + ", not " + r.schedule.String()
}

func (r *recurrence) hopeless(*Options) *ClauseError {
	if err := r.err(); err != nil {
		return &ClauseError{Key: KeySchedule, Err: err}
	}
	return nil
}

// judge makes the part a condition, so that forecasts ask it for its changes.
func (r *recurrence) judge() KeyCondition { return KeyCondition{KeySchedule, r} }

// Check implements [Condition].
func (r *recurrence) Check(request *Request) error {
	switch err := r.err(); {
	case err != nil:
		return err
	case request.Now.IsZero():
		return badValue(ErrUndetermined, "the request has no time")
	case !r.open(request.Now):
		return fmt.Errorf("a time within %s", r.schedule)
	}
	return nil
}

// Within implements [Condition].
func (r *recurrence) Within(parent Condition) bool {
	p, ok := parent.(*recurrence)
	return ok && r.within(p)
}

// Next implements [Forecaster].
func (r *recurrence) Next(request *Request) (time.Time, bool) {
	if r.err() != nil || request.Now.IsZero() {
		return time.Time{}, false
	}
	return r.change(request.Now)
}

// Until returns the last second, in Unix time, through which c lasts from t on: its exp, or
// the end of the present window of its schedule. 0 means that c does not end. If the
// schedule does not admit t, the result lies before t. Until does not look at nbf.
func (c *Clause) Until(t time.Time) int64 {
	last := int64(noEnd)
	if c.Expires != 0 {
		last = c.Expires
	}
	if c.Schedule != nil {
		r := newRecurrence(c.Schedule)
		if r.err() != nil || !r.open(t) {
			last = min(last, t.Unix()-1)
		} else if next, changes := r.change(t); changes {
			last = min(last, next.Unix()-1)
		}
	}
	if last == noEnd {
		return 0
	}
	return last
}

// overlap gives c the schedule that both parts allow.
func (k *schedules) overlap(c *Clause, child, parent part) bool {
	c.Schedule = child.(*recurrence).overlap(parent.(*recurrence))
	return c.Schedule != nil
}

// Schedule allows uses only at the times of s, within the phase.
func (p Phase) Schedule(s Schedule) Phase {
	p.clause.Schedule = s.clone()
	return p
}
