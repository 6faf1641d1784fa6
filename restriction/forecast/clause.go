package forecast

import (
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// Clause is one clause of a token over time.
type Clause struct {
	Index  int                // index in the token, or restriction.NoClause
	Limits restriction.Clause // copy of the clause in the token
	Left   Left               // uses that are left
	// NoAT reports that the token lacks the capability AT. The clause then admits no
	// access tokens, however many uses are left.
	NoAT bool

	// Spans are adjacent and cover the forecast. They depend on time and conditions, but
	// not on the uses that are left.
	Spans []Span
	// After is the state at Forecast.Until, just after the forecast.
	After State
	// Reopens reports that After is Closed and that the clause may open later: it begins
	// later, or its schedule or a condition admits again.
	Reopens bool

	// Facts say how the deployment evaluates the clause. They are nil if the token has no
	// restrictions.
	Facts *restriction.Facts
	// Never says why the clause refuses every request, for another reason than time or
	// used-up limits. It is nil if there is no such reason.
	Never *restriction.ClauseError
	// CannotTell are the wire names of keys that are Unknown at some time.
	CannotTell []string
	// Lookups are the wire names of keys that depend on look-ups of names or countries. A
	// forecast looks nothing up. It assumes that the results will satisfy the clause.
	Lookups []string
}

// Spent reports whether the clause has no uses of any kind left. Without the capability
// AT, access tokens count as used up.
func (c *Clause) Spent() bool {
	at, limitedAT := c.Left.Of(restriction.AT)
	other, limitedOther := c.Left.Of(restriction.Other)
	return (c.NoAT || limitedAT && at <= 0) && limitedOther && other <= 0
}

// At returns the state of the clause at an instant. Outside the forecast it is Closed.
func (c *Clause) At(t time.Time) State { return spans(c.Spans).at(t) }

// clauses forecasts all clauses. h goes beyond until, where the forecast ends: clauses
// cuts the spans there and keeps the state at until.
func (t *Token) clauses(facts []restriction.Facts, h horizon, until time.Time) []Clause {
	lifetime := t.lifetime(h)
	asked := asker{request: t.Request, steps: mostSteps}
	var clauses []Clause
	for i := range facts {
		clauses = append(clauses, t.clause(i, &facts[i], h, lifetime, &asked))
	}
	if len(facts) == 0 {
		clauses = []Clause{{Index: restriction.NoClause, Spans: lifetime}}
	}
	alive := t.bound(clauses, h)
	for i := range clauses {
		c := &clauses[i]
		c.NoAT = t.Lacks(capability.AT)
		c.Spans, c.After = spans(c.Spans).cut(until)
		c.Reopens = alive && c.After == Closed && c.Never == nil && c.Facts != nil && asked.opens(c.Facts, until)
	}
	return clauses
}

// clause forecasts one clause.
func (t *Token) clause(i int, f *restriction.Facts, h horizon, lifetime spans, asked *asker) Clause {
	c := Clause{Index: i, Limits: t.Restrictions[i].Clone(), Left: t.left(i, f), Facts: f, Never: f.Never, Lookups: f.Lookups}
	if c.Never == nil && len(f.Unknown) > 0 && !t.Elsewhere {
		c.Never = &restriction.ClauseError{Clause: i, Key: f.Unknown[0], Err: restriction.ErrUnsupported}
	}
	if c.Never != nil {
		c.Spans = h.whole(Closed)
		return c
	}
	line := lifetime.and(h.seconds(f.First, f.Last))
	for _, key := range f.Unknown {
		line = line.and(h.whole(Unknown))
		c.CannotTell = append(c.CannotTell, key)
	}
	for _, k := range f.Conditions {
		answers := asked.spans(k.Condition, h)
		if slices.ContainsFunc(answers, func(s Span) bool { return s.State == Unknown }) {
			c.CannotTell = append(c.CannotTell, k.Key)
		}
		line = line.and(answers)
	}
	c.Spans = line
	return c
}
