package restriction

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrRefused reports that a policy refused a request. The error is a [*RefusedError].
var ErrRefused = errors.New("restriction: use refused")

// RefusedError says why a policy refused a request. It is an [ErrRefused].
type RefusedError struct {
	Explanation *Explanation
}

// Error names the keys that objected, without their values. It is safe to show to an
// untrusted caller.
func (e *RefusedError) Error() string {
	if e.Explanation == nil {
		return ErrRefused.Error()
	}
	return ErrRefused.Error() + ": " + strings.Join(e.Explanation.Keys(), ", ")
}

// Is reports whether target is [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// Keys of objections to a request as a whole, which no clause states.
const (
	KeyRequest = "request" // the request lacks its time or its kind
	KeyPolicy  = "policy"  // there is no policy
)

// Explanation says for each clause why it refuses a request, or that it admits the
// request. It shares no memory with the policy or the request.
type Explanation struct {
	Admitted bool
	Earliest Earliest // of all clauses; the time of the request if it is admitted
	Clauses  []ClauseExplanation

	// Objection refuses the request regardless of the clauses: the request is incomplete,
	// or there is no policy. It is nil otherwise.
	Objection *Objection
}

// ClauseExplanation says why one clause refuses the request. A clause without objections
// admits the request.
type ClauseExplanation struct {
	Clause     int // index in the token
	Objections []Objection
	Earliest   Earliest // when the clause will admit the same request
}

// Objection says why one key refuses the request.
type Objection struct {
	Key  string // wire name of the key
	Need string // what was needed, with the values of the clause; "" for untrusted readers
	Err  error  // error of a look-up or of a condition of the embedding program, or nil

	// Beyond reports that Need reveals more than the clause itself: the counter of an
	// ancestor, or the words of an embedding program's condition.
	Beyond bool

	// Earliest is when this key alone will stop objecting to the same request. It is
	// unknown if a look-up failed.
	Earliest Earliest
}

// Spent is a counter that has no uses left, as the store reports it.
type Spent struct {
	Clause    int   // index of the clause that could not be used
	Kind      Kind  // AT or Other
	Used      int64 // uses that were counted
	Limit     int64 // uses that are allowed
	Inherited bool  // the counter belongs to a clause of an ancestor
}

// Explain says for each clause why it admits or refuses r. It agrees with
// [Policy.Evaluate], and also explains requests that are admitted. It changes nothing.
//
// spent are counters that the store found without uses left. A clause with such a counter
// never admits another use of that kind. Explain ignores counters of clauses that do not
// exist.
//
// If [Policy.NeedsLookup] is true, call [Policy.Prepare] first.
func (p *Policy) Explain(r *Request, spent ...Spent) *Explanation {
	if objection := p.objection(r); objection != nil {
		return &Explanation{Earliest: Never(), Objection: objection}
	}
	e := &Explanation{Earliest: Never()}
	if len(p.clauses) == 0 {
		e.Admitted, e.Earliest = true, At(r.Now)
		return e
	}
	q := newQuery(r)
	q.steps = new(int)
	var parts []part
	byClause := make(map[int][]Spent)
	for _, s := range spent {
		byClause[s.Clause] = append(byClause[s.Clause], s)
	}
	e.Clauses = make([]ClauseExplanation, len(p.clauses))
	for i := range p.clauses {
		q.clause = i
		parts = p.clauses[i].parts(parts[:0])
		c := explain(parts, q, byClause[i])
		e.Clauses[i] = c
		e.Admitted = e.Admitted || len(c.Objections) == 0
		e.Earliest = e.Earliest.sooner(c.Earliest)
	}
	return e
}

// objection returns the objection that refuses the request regardless of the clauses, or
// nil.
func (p *Policy) objection(r *Request) *Objection {
	switch {
	case p == nil || !p.compiled:
		return &Objection{Key: KeyPolicy, Need: "a compiled policy", Earliest: Never()}
	case !r.complete():
		return &Objection{Key: KeyRequest, Need: "a time and a kind of use", Earliest: Never()}
	}
	return nil
}

// explain explains one clause, with its spent counters.
func explain(parts []part, q query, spent []Spent) ClauseExplanation {
	e := ClauseExplanation{Clause: q.clause, Earliest: earliest(parts, q)}
	for _, p := range parts {
		if p.admits(q) {
			continue
		}
		o := p.object(q)
		*q.steps = mostSteps
		o.Earliest = p.first(q, q.Now)
		e.Objections = append(e.Objections, o)
	}
	for _, s := range spent {
		if s.Kind == q.Kind {
			e.Objections = addSpent(e.Objections, s)
			e.Earliest = Never()
		}
	}
	return e
}

// addSpent adds an objection for a counter. It adds none for the clause's own counter if
// [Request.Used] already led to the same objection.
func addSpent(objections []Objection, s Spent) []Objection {
	key := limitKey(s.Kind)
	if !s.Inherited && slices.ContainsFunc(objections, func(o Objection) bool { return o.Key == key }) {
		return objections
	}
	need := fmt.Sprintf("a use left, %d of %d are spent", s.Used, s.Limit)
	if s.Inherited {
		need += " by an ancestor and its descendants"
	}
	return append(objections, Objection{Key: key, Need: need, Earliest: Never(), Beyond: s.Inherited})
}
