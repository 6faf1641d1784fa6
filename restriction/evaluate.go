package restriction

import (
	"iter"
	"math/bits"
)

// query is a request, prepared for comparison with clauses.
type query struct {
	*Request
	now    int64
	from   point
	clause int  // index of the clause that judges
	steps  *int // calls to conditions that are left; only for the method first
}

func newQuery(r *Request) query {
	return query{Request: r, now: r.Now.Unix(), from: newPoint(r.Address)}
}

// complete reports whether the request has a time and a kind.
func (r *Request) complete() bool {
	return r != nil && !r.Now.IsZero() && r.Kind >= AT && r.Kind <= Uncounted
}

// Evaluate judges a request. It is a pure function: it looks nothing up (see
// [Policy.Prepare]) and keeps no state. If no clause has a condition of the embedding
// program, Evaluate does not allocate memory to admit a request.
//
// Evaluate refuses every request if p is nil or zero. It refuses a request without a time
// or a kind.
func (p *Policy) Evaluate(r *Request) (d Decision) {
	if p == nil || !p.compiled || !r.complete() {
		d.refuse(p, r)
		return
	}
	var o outline
	o.draw(p, r)
	var q query // made when it is needed
	for i := nextOpen(p.gates, &o, 0); i < len(p.gates); i = nextOpen(p.gates, &o, i+1) {
		if open := p.gates[i].asks & o.asks; open != 0 {
			if q.Request == nil {
				q = newQuery(r)
			}
			if q.clause = i; !p.clauses[i].admits(&q, open) {
				continue
			}
		}
		d.candidates[i/64] |= 1 << (i % 64)
		d.admitted = true
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
//
// A Decision that refuses keeps a copy of the request, but not of its slices and its map.
// Do not change those before you call [Decision.Explanation] or [Decision.Err].
type Decision struct {
	admitted   bool
	candidates [MaxClauses / 64]uint64 // one bit for each clause

	policy  *Policy // of a refusal
	request *Request
}

// refuse keeps the policy and the request for an explanation.
func (d *Decision) refuse(p *Policy, r *Request) {
	d.policy = p
	if r != nil {
		copied := *r
		d.request = &copied
	}
}

// Admitted reports whether the policy admits the request. The store still has to check
// the counters of the candidate clauses.
func (d *Decision) Admitted() bool { return d.admitted }

// Candidates returns the indices of the clauses that admit the request, in the order of
// the token's list. The use counts against the first of them that has uses left (protocol
// section 2.5). There are no candidates if the request is refused, or if the token is
// unrestricted.
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

// Explanation says why the request was refused. It returns nil if the request was
// admitted. [Policy.Explain] also explains admitted requests.
func (d *Decision) Explanation() *Explanation {
	if d.admitted {
		return nil
	}
	return d.policy.Explain(d.request)
}

// Err returns nil if the request was admitted, and a [*RefusedError] otherwise.
func (d *Decision) Err() error {
	if d.admitted {
		return nil
	}
	return &RefusedError{Explanation: d.Explanation()}
}

// admits asks the parts about what the gate of the clause left open. It asks those that
// have a field without dynamic calls and copies of the query.
func (c *clause) admits(q *query, open asks) bool {
	return (open&askCounted == 0 || c.at.allows(q) && c.other.allows(q)) &&
		(open&askShared == 0 || q.Kind != AT || c.scopes.has(q.Scopes) && c.audiences.has(q.Audiences)) &&
		(open&^askCounted == 0 || c.hosts.allows(q)) &&
		(open&askAlways == 0 || c.restAdmits(q))
}

func (c *clause) restAdmits(q *query) bool {
	for i := range c.rest {
		if !c.rest[i].part.admits(*q) {
			return false
		}
	}
	return true
}
