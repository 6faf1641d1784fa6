package forecast

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

var (
	// ErrHorizon reports a time to look at that is missing, runs backwards or
	// leaves the years 1970 to 9999.
	ErrHorizon = errors.New("forecast: senseless horizon")
	// ErrCounters reports counters that are not one for each clause.
	ErrCounters = errors.New("forecast: counters do not fit the clauses")
)

// Token is what is known about a token. The zero Token is one without
// restrictions.
type Token struct {
	// Capabilities are what the holder may do (protocol section 3). nil: nobody
	// told, and a forecast takes AT to be among them; empty, but not nil: none.
	Capabilities capability.Set

	Restrictions restriction.List

	// NotBefore and Expires are the first and the last second of the token
	// itself, its "nbf" and "exp" (protocol section 1.4); zero is no bound.
	NotBefore, Expires time.Time
	// Rotation moves Expires; nil: the token does not rotate. See [Token.Life].
	Rotation *Rotation

	// Used says, by clause, what was spent; nil if nobody told.
	Used []restriction.Usage
	// Left says, by clause, what the budgets of ancestors leave; nil if they
	// limit nothing. What is left of a clause is the smaller of this and what
	// Used leaves.
	Left []Left

	// Options is what the deployment that judges the uses can evaluate.
	Options restriction.Options
	// Elsewhere says that the options of that deployment are not known, as by a
	// program that holds a token of somebody else's server. What Options cannot
	// evaluate is then unknown, and not refused: keys without a condition, names
	// without a resolver, countries without a locator.
	Elsewhere bool

	// Request is the use about which the embedding program's conditions are
	// asked; its time does not matter, and without a kind it is an AT use. A
	// condition that looks at an address or a value wants it here.
	Request restriction.Request
}

// Lacks reports whether the token is known not to have a capability.
func (t Token) Lacks(c capability.Capability) bool {
	return t.Capabilities != nil && !t.Capabilities.Allows(c)
}

// Left is how many uses are left; nil is no limit.
type Left struct{ AT, Other *int64 }

// Of returns what is left for a kind of use; limited is false if there is no
// limit.
func (l Left) Of(kind restriction.Kind) (n int64, limited bool) {
	left := l.Other
	switch kind {
	case restriction.AT:
		left = l.AT
	case restriction.Other:
	default:
		return 0, false
	}
	if left == nil {
		return 0, false
	}
	return *left, true
}

// check reports what makes no sense.
func (t *Token) check() error {
	n := len(t.Restrictions)
	switch {
	case t.Used != nil && len(t.Used) != n:
		return fmt.Errorf("%w: %d clauses, %d used", ErrCounters, n, len(t.Used))
	case t.Left != nil && len(t.Left) != n:
		return fmt.Errorf("%w: %d clauses, %d left", ErrCounters, n, len(t.Left))
	}
	if r := t.Rotation; r != nil && r.Lifetime > 0 && r.Issued.IsZero() && t.Expires.IsZero() {
		return ErrRotation
	}
	_, err := restriction.Compile(t.Restrictions, t.Options)
	return err
}

// left is what is left of a clause.
func (t *Token) left(i int) Left {
	c := &t.Restrictions[i]
	var used restriction.Usage
	var ancestors Left
	if t.Used != nil {
		used = t.Used[i]
	}
	if t.Left != nil {
		ancestors = t.Left[i]
	}
	return Left{
		AT:    smaller(remaining(c.UsagesAT, used.AT), ancestors.AT),
		Other: smaller(remaining(c.UsagesOther, used.Other), ancestors.Other),
	}
}

func remaining(limit *int64, used int64) *int64 {
	if limit == nil {
		return nil
	}
	return restriction.Usages(max(*limit-max(used, 0), 0))
}

// smaller returns the smaller of two limits, as a copy that is not negative.
func smaller(a, b *int64) *int64 {
	switch {
	case a == nil && b == nil:
		return nil
	case a == nil:
		return restriction.Usages(max(*b, 0))
	case b == nil:
		return restriction.Usages(max(*a, 0))
	}
	return restriction.Usages(max(min(*a, *b), 0))
}

// lifetime is when the token itself may be used, if it is used well.
func (t *Token) lifetime(h horizon) timeline { return h.seconds(bounds(t.NotBefore, t.Life().Last)) }

func bounds(first, last time.Time) (int64, int64) {
	from, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !first.IsZero() {
		from = first.Unix()
	}
	if !last.IsZero() {
		until = last.Unix()
	}
	return from, until
}

// horizon checks and rounds the time to look at, outwards to whole seconds.
func (t *Token) horizon(from, until time.Time) (horizon, error) {
	if from.IsZero() {
		return horizon{}, fmt.Errorf("%w: no beginning", ErrHorizon)
	}
	h := horizon{from: time.Unix(from.Unix(), 0).UTC()}
	if until.IsZero() {
		until = t.end(h.from)
	}
	h.until = time.Unix(until.Unix(), 0).UTC()
	if h.until.Before(until) {
		h.until = h.until.Add(time.Second)
	}
	const firstYear, lastYear = 1970, 9999
	switch {
	case !h.from.Before(h.until):
		return horizon{}, fmt.Errorf("%w: it ends before it begins", ErrHorizon)
	case h.from.Year() < firstYear || h.until.Year() > lastYear:
		return horizon{}, fmt.Errorf("%w: not within the years %d to %d", ErrHorizon, firstYear, lastYear)
	}
	return h, nil
}

// end is after everything that the token says about time, and a day later if
// it does not end.
func (t *Token) end(from time.Time) time.Time {
	const most = 250_000_000_000 // seconds; in the year 9892
	last, endless := from.Unix(), len(t.Restrictions) == 0
	for i := range t.Restrictions {
		c := &t.Restrictions[i]
		last = max(last, min(c.NotBefore, most), min(c.Expires, most))
		endless = endless || c.Expires == 0
	}
	if !t.NotBefore.IsZero() {
		last = max(last, min(t.NotBefore.Unix(), most))
	}
	switch life := t.Life(); {
	case !life.Last.IsZero():
		last, endless = max(from.Unix(), min(life.Last.Unix(), most)), false
	case !life.Idle.IsZero():
		last = max(last, min(life.Idle.Unix(), most))
	}
	end := time.Unix(last+1, 0)
	if endless {
		end = end.AddDate(0, 0, 1)
	}
	return end
}
