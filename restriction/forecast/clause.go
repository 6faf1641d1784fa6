package forecast

import (
	"math"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// clauses forecasts all clauses. It drops everything from until on, but keeps the state
// at until.
func (t *Token) clauses(h horizon, until time.Time) []Clause {
	lifetime := t.lifetime(h)
	asked := asker{request: t.Request, steps: mostSteps}
	var clauses []Clause
	for i := range t.Restrictions {
		clauses = append(clauses, t.clause(i, h, lifetime, &asked))
	}
	if len(t.Restrictions) == 0 {
		clauses = []Clause{{Index: restriction.NoClause, Spans: lifetime}}
	}
	t.bound(clauses, h)
	for i := range clauses {
		clauses[i].NoAT = t.Lacks(capability.AT)
		clauses[i].Spans, clauses[i].After = spans(clauses[i].Spans).cut(until)
	}
	return clauses
}

// clause forecasts one clause.
func (t *Token) clause(i int, h horizon, lifetime spans, asked *asker) Clause {
	source := &t.Restrictions[i]
	c := Clause{Index: i, Limits: source.Clone(), Left: t.left(i)}
	f := finding{token: t, clause: source}
	f.judge()
	c.Lookups = f.lookups
	if f.never != nil {
		c.Never, c.Spans = f.never, h.whole(Closed)
		return c
	}
	line := lifetime.and(h.seconds(clauseBounds(source)))
	for _, key := range f.unsure {
		line = line.and(h.whole(Unknown))
		c.CannotTell = append(c.CannotTell, key)
	}
	for _, own := range f.conditions {
		foreign := asked.spans(own.condition, h)
		if slices.ContainsFunc(foreign, func(s Span) bool { return s.State == Unknown }) {
			c.CannotTell = append(c.CannotTell, own.key)
		}
		line = line.and(foreign)
	}
	c.Spans = line
	return c
}

// clauseBounds are the first and the last second of a clause.
func clauseBounds(c *restriction.Clause) (first, last int64) {
	first, last = math.MinInt64, math.MaxInt64
	if c.NotBefore != 0 {
		first = c.NotBefore
	}
	if c.Expires != 0 {
		last = c.Expires
	}
	return first, last
}
