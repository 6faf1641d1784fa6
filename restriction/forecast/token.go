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
	// ErrHorizon reports a time span that has no beginning, ends before it begins, or
	// leaves the years 1970 to 9999.
	ErrHorizon = errors.New("forecast: invalid time span")
	// ErrCounters reports counters in Token.Used or Token.Left that are not exactly one
	// for each clause.
	ErrCounters = errors.New("forecast: the number of counters differs from the number of clauses")
)

// Token is what is known about a token. The zero Token has no restrictions.
type Token struct {
	// Capabilities are what the holder may do (protocol section 3). If they are nil, they
	// are not known, and a forecast assumes AT. An empty set that is not nil means none.
	Capabilities capability.Set

	Restrictions restriction.List

	// NotBefore and Expires are the first and the last second of the token itself, its
	// "nbf" and "exp" (protocol section 1.4). A zero time is no bound.
	NotBefore, Expires time.Time
	// Rotation says how uses move Expires; see [Token.Life]. It is nil if the token does
	// not rotate.
	Rotation *Rotation

	// Used says how often each clause was used, by index. It is nil if that is not known.
	Used []restriction.Usage
	// Left says how many uses the limits of ancestors leave, by clause. It is nil if they
	// set no limit. A clause has this number of uses left, or its own limit minus Used,
	// whichever is smaller.
	Left []Left

	// Options says what the deployment that judges the uses can evaluate.
	Options restriction.Options
	// Elsewhere reports that the options of that deployment are not known, for example
	// because another organization runs the server. A key without a condition then makes
	// its clause Unknown instead of Closed. Host names without a resolver and countries
	// without a locator no longer close their clause either: they count as look-ups, and
	// the forecast assumes that look-ups succeed.
	Elsewhere bool

	// Request is the use about which the forecast asks conditions of the embedding
	// program. Set the fields that they look at, such as the address. The forecast sets
	// the time. It takes a missing kind as AT.
	Request restriction.Request
}

// Lacks reports whether the token is known to lack a capability.
func (t Token) Lacks(c capability.Capability) bool {
	return t.Capabilities != nil && !t.Capabilities.Allows(c)
}

// Left is how many uses are left, by kind. nil means no limit.
type Left struct{ AT, Other *int64 }

// Of returns how many uses of a kind are left. If there is no limit, limited is false.
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

// compile checks the token and compiles its restrictions.
func (t *Token) compile() (*restriction.Policy, error) {
	n := len(t.Restrictions)
	switch {
	case t.Used != nil && len(t.Used) != n:
		return nil, fmt.Errorf("%w: %d clauses, %d counters in Used", ErrCounters, n, len(t.Used))
	case t.Left != nil && len(t.Left) != n:
		return nil, fmt.Errorf("%w: %d clauses, %d counters in Left", ErrCounters, n, len(t.Left))
	}
	if r := t.Rotation; r != nil && r.Lifetime > 0 && r.Issued.IsZero() && t.Expires.IsZero() {
		return nil, ErrRotation
	}
	options := t.Options
	if t.Elsewhere {
		options = options.Elsewhere()
	}
	return restriction.Compile(t.Restrictions, options)
}

// left returns how many uses of a clause are left.
func (t *Token) left(i int, f *restriction.Facts) Left {
	var used restriction.Usage
	var ancestors Left
	if t.Used != nil {
		used = t.Used[i]
	}
	if t.Left != nil {
		ancestors = t.Left[i]
	}
	return Left{
		AT:    smaller(remaining(f, restriction.AT, used.AT), ancestors.AT),
		Other: smaller(remaining(f, restriction.Other, used.Other), ancestors.Other),
	}
}

func remaining(f *restriction.Facts, kind restriction.Kind, used int64) *int64 {
	limit, limited := f.Limit(kind)
	if !limited {
		return nil
	}
	return restriction.Usages(max(limit-max(used, 0), 0))
}

// smaller returns a copy of the smaller of two limits, at least 0.
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

// lifetime returns spans that are Open while the token itself lives, provided that
// somebody uses it in time whenever it has to rotate.
func (t *Token) lifetime(h horizon) spans {
	first, last := int64(math.MinInt64), int64(math.MaxInt64)
	if !t.NotBefore.IsZero() {
		first = t.NotBefore.Unix()
	}
	if end := t.Life().Last; !end.IsZero() {
		last = end.Unix()
	}
	return h.seconds(first, last)
}

// horizon checks a time span and rounds it outwards to whole seconds.
func (t *Token) horizon(facts []restriction.Facts, from, until time.Time) (horizon, error) {
	if from.IsZero() {
		return horizon{}, fmt.Errorf("%w: set its beginning", ErrHorizon)
	}
	h := horizon{from: time.Unix(from.Unix(), 0).UTC()}
	if until.IsZero() {
		until = t.end(facts, h.from)
	}
	h.until = time.Unix(until.Unix(), 0).UTC()
	if h.until.Before(until) {
		h.until = h.until.Add(time.Second)
	}
	const firstYear, lastYear = 1970, 9999
	switch {
	case !h.from.Before(h.until):
		return horizon{}, fmt.Errorf("%w: %v is not before %v", ErrHorizon, h.from, h.until)
	case h.from.Year() < firstYear || h.until.Year() > lastYear:
		return horizon{}, fmt.Errorf("%w: %v to %v is not within the years %d to %d", ErrHorizon, h.from, h.until, firstYear, lastYear)
	}
	return h, nil
}

// end returns an instant after every time that the token states, plus a day if the token
// does not end. For a clause that does not end and does not always admit, this is a week
// after it admits first.
func (t *Token) end(facts []restriction.Facts, from time.Time) time.Time {
	const most = 250_000_000_000 // seconds; in the year 9892
	last, endless, again := from.Unix(), len(facts) == 0, int64(0)
	for i := range facts {
		last = max(last, min(facts[i].First, most))
		if facts[i].Last == math.MaxInt64 {
			endless = true
			again = max(again, min(t.again(&facts[i], from), most))
		} else {
			last = max(last, min(facts[i].Last, most))
		}
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
		if week := time.Unix(again, 0).AddDate(0, 0, 7); again > 0 && week.After(end) {
			end = week
		}
	}
	return end
}

// again returns the second in which a clause first admits, if it closes and opens again, or
// else 0.
func (t *Token) again(f *restriction.Facts, from time.Time) (second int64) {
	asked := asker{request: t.Request, steps: mostSteps}
	for _, k := range f.Conditions {
		first, opens := asked.first(k.Condition, laterOf(from, f.First))
		if forecaster, ok := k.Condition.(restriction.Forecaster); ok && opens {
			if _, next := asked.ask(forecaster, first, endOfTime); next.Before(endOfTime) {
				second = max(second, first.Unix())
			}
		}
	}
	return second
}
