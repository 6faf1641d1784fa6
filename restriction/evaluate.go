package restriction

import (
	"iter"
	"math/bits"
)

// query is a request in the form in which clauses look at it.
type query struct {
	*Request
	now    int64
	from   point
	clause int // index of the clause that is asked
}

func newQuery(r *Request) query {
	return query{Request: r, now: r.Now.Unix(), from: newPoint(r.Address)}
}

// complete reports whether the request says what every evaluation needs.
func (r *Request) complete() bool {
	return r != nil && !r.Now.IsZero() && r.Kind >= AT && r.Kind <= Uncounted
}

// Evaluate judges a request. It is pure, never looks anything up (see
// [Policy.Prepare]), and does not allocate when it admits.
func (p *Policy) Evaluate(r *Request) (d Decision) {
	if p == nil || !p.compiled || !r.complete() {
		d.refuse(p, r)
		return
	}
	q := newQuery(r)
	for i := range p.clauses {
		q.clause = i
		if p.clauses[i].admits(&q) {
			d.candidates[i/64] |= 1 << (i % 64)
			d.admitted = true
		}
	}
	if len(p.clauses) == 0 {
		d.admitted = true
	}
	if !d.admitted {
		d.refuse(p, r)
	}
	return
}

// Decision is the answer to a request. The zero Decision refuses.
type Decision struct {
	admitted   bool
	candidates [MaxClauses / 64]uint64 // one bit for each clause

	policy  *Policy // of a refusal
	request *Request
}

// refuse keeps what an explanation needs.
func (d *Decision) refuse(p *Policy, r *Request) {
	d.policy = p
	if r != nil {
		copied := *r
		d.request = &copied
	}
}

// Admitted reports whether the request may go ahead, as far as a policy can
// tell: the counters of the candidate clauses are up to the store.
func (d *Decision) Admitted() bool { return d.admitted }

// Candidates returns the indices of the clauses that admit the request, in the
// order of the token. The use spends from the first of them that has budget
// left (protocol section 2.5). There are none if the request is refused, and if
// the token is unrestricted.
func (d *Decision) Candidates() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range d.candidates {
			for ; word != 0; word &= word - 1 {
				if !yield(i*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// First returns the first candidate clause, or false if there is none.
func (d *Decision) First() (clause int, ok bool) {
	for clause := range d.Candidates() {
		return clause, true
	}
	return 0, false
}

// Explanation says why the request was refused. It is nil if it was admitted;
// see [Policy.Explain] for an explanation of both.
func (d *Decision) Explanation() *Explanation {
	if d.admitted {
		return nil
	}
	return d.policy.Explain(d.request)
}

// Err returns nil if the request was admitted, and otherwise a [RefusedError].
func (d *Decision) Err() error {
	if d.admitted {
		return nil
	}
	return &RefusedError{Explanation: d.Explanation()}
}

// admits reports whether the clause has no objection. What it asks, passing,
// lasting and foreign ask too. What costs least is asked first.
func (c *clause) admits(q *query) bool {
	return q.now >= c.from && q.now <= c.until &&
		(!c.placed || c.hasAddress(q.from) || c.names != nil && c.hasPlaceName(q)) &&
		c.hasBudget(q) &&
		(q.Kind != AT || c.hasWords(q)) &&
		c.unsatisfiable == nil &&
		(!c.allows && !c.denies || c.hasCountry(q)) &&
		(c.conditions == nil || c.hasConditions(q))
}

// hasBudget reports whether the limit on uses of this kind leaves one.
func (c *clause) hasBudget(q *query) bool {
	limit := c.limit(q.Kind)
	return limit == noLimit || limit > 0 && (q.Used == nil || c.hasCounted(q, limit))
}

// hasCounted compares the limit with what the request says was spent.
func (c *clause) hasCounted(q *query, limit int64) bool {
	used, known := q.used()
	return known && used < limit
}

// limit is the limit on uses of a kind.
func (c *clause) limit(kind Kind) int64 {
	switch kind {
	case AT:
		return c.limitAT
	case Other:
		return c.limitOther
	}
	return noLimit
}

// used returns what the request says was spent, if it does.
func (q *query) used() (used int64, known bool) {
	switch {
	case q.clause >= len(q.Used):
		return 0, false
	case q.Kind == AT:
		return q.Used[q.clause].AT, true
	}
	return q.Used[q.clause].Other, true
}

func (c *clause) hasWords(q *query) bool {
	if _, missing := c.scopes.missing(q.Scopes); missing {
		return false
	}
	_, missing := c.audiences.missing(q.Audiences)
	return !missing
}

// hasAddress reports whether the address is in a block.
func (c *clause) hasAddress(from point) bool {
	for i := range c.blocks {
		if c.blocks[i].contains(from) {
			return true
		}
	}
	return false
}

// hasPlaceName reports whether a name that was found for the address matches.
func (c *clause) hasPlaceName(q *query) bool {
	if !q.place.named || q.place.from != q.from {
		return false
	}
	for _, name := range q.place.names {
		if c.hasName(name) {
			return true
		}
	}
	return false
}

func (c *clause) hasName(name string) bool {
	for i := range c.names {
		if c.names[i].matchesName(name) {
			return true
		}
	}
	return false
}

// hasCountry reports whether the country is known, allowed and not denied.
func (c *clause) hasCountry(q *query) bool { return c.allowsCountry(q) && !c.excludesCountry(q) }

func (c *clause) allowsCountry(q *query) bool {
	return !c.allows || q.countryErr() == nil && c.allowed.has(q.place.country)
}

// excludesCountry is true of an unknown country.
func (c *clause) excludesCountry(q *query) bool {
	return c.denies && (q.countryErr() != nil || c.denied.has(q.place.country))
}

// countryErr says why the country is not known.
func (q *query) countryErr() error {
	switch {
	case q.from == point{}:
		return errNoCountry
	case !q.place.located || q.place.from != q.from:
		return errNotPrepared
	}
	return q.place.countryErr
}

func (c *clause) hasConditions(q *query) bool {
	for i := range c.conditions {
		if c.conditions[i].condition.Check(q.Request) != nil {
			return false
		}
	}
	return true
}
