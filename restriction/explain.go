package restriction

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrRefused is what a [RefusedError] is.
var ErrRefused = errors.New("restriction: use refused")

// RefusedError says that a policy refused a request.
type RefusedError struct {
	Explanation *Explanation
}

// Error names the keys that objected, not their values, and may be shown to an
// untrusted caller.
func (e *RefusedError) Error() string {
	if e.Explanation == nil {
		return ErrRefused.Error()
	}
	return ErrRefused.Error() + ": " + strings.Join(e.Explanation.Keys(), ", ")
}

// Is reports whether target is [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// Keys under which an explanation reports what no key of a clause is about.
const (
	KeyRequest = "request" // the request lacks its time or its kind
	KeyPolicy  = "policy"  // there is no policy
)

// Explanation says, clause by clause, what a request met. It shares no memory
// with the policy or the request.
type Explanation struct {
	Admitted bool
	Earliest Earliest // of the clauses; the time of the request if it is admitted
	Clauses  []ClauseExplanation

	// Objection is what stands against the request whatever the clauses say,
	// or nil.
	Objection *Objection
}

// ClauseExplanation says what one clause has to object. Without objections, it
// admits the request.
type ClauseExplanation struct {
	Clause     int // index in the token
	Objections []Objection
	Earliest   Earliest // when the clause admits the same request
}

// Objection is what one key refuses.
type Objection struct {
	Key  string // wire name of the key
	Need string // what was needed, with the values of the clause; "" for untrusted readers
	Err  error  // what a look-up or a condition of the embedding program said, or nil

	// Beyond says that Need tells what does not stand in the clause: the
	// counter of an ancestor, or the words of an embedding program's condition.
	Beyond bool

	// Earliest is when the key alone has no objection to the same request. If
	// look-ups failed it is unknown.
	Earliest Earliest
}

// Spent is a counter without budget, as the store reports it.
type Spent struct {
	Clause    int   // index of the clause that could not be used
	Kind      Kind  // AT or Other
	Used      int64 // of the counter
	Limit     int64
	Inherited bool // the counter is that of a clause of an ancestor
}

// Explain says what every clause has to object to the request: the dry run of
// [Policy.Evaluate], for requests that are admitted too. Spent are counters that
// the store found without budget; a clause that has one does not admit, and
// never will. Clause indices out of range are ignored.
//
// A policy with look-ups wants [Policy.Prepare] first, as Evaluate does.
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
	e.Clauses = make([]ClauseExplanation, len(p.clauses))
	for i := range p.clauses {
		q.clause = i
		c := p.clauses[i].explain(&q, spent)
		e.Clauses[i] = c
		e.Admitted = e.Admitted || len(c.Objections) == 0
		e.Earliest = e.Earliest.sooner(c.Earliest)
	}
	return e
}

// objection is what stands against any use of the policy with the request.
func (p *Policy) objection(r *Request) *Objection {
	switch {
	case p == nil || !p.compiled:
		return &Objection{Key: KeyPolicy, Need: "a compiled policy", Earliest: Never()}
	case !r.complete():
		return &Objection{Key: KeyRequest, Need: "a time and a kind of use", Earliest: Never()}
	}
	return nil
}

func (c *clause) explain(q *query, spent []Spent) ClauseExplanation {
	lasting := c.lasting(q)
	e := ClauseExplanation{
		Clause:     q.clause,
		Objections: slices.Concat(c.passing(q), lasting, c.foreign(q)),
		Earliest:   c.earliest(q, lasting),
	}
	for _, s := range spent {
		if s.Clause == q.clause && s.Kind == q.Kind {
			e.Objections = addSpent(e.Objections, s)
			e.Earliest = Never()
		}
	}
	return e
}

// addSpent adds a counter, unless the request said already that it is spent.
func addSpent(objections []Objection, s Spent) []Objection {
	key := limitKey(s.Kind)
	if !s.Inherited && slices.ContainsFunc(objections, func(o Objection) bool { return o.Key == key }) {
		return objections
	}
	need := fmt.Sprintf("a use left, %d of %d are spent", s.Used, s.Limit)
	if s.Inherited {
		need += " of a token that this one was created from"
	}
	return append(objections, Objection{Key: key, Need: need, Earliest: Never(), Beyond: s.Inherited})
}

// passing are the objections that come and go with time.
func (c *clause) passing(q *query) []Objection {
	var o []Objection
	if q.now < c.from {
		o = append(o, Objection{Key: KeyNotBefore, Need: "a time from " + instant(c.from), Earliest: At(time.Unix(c.from, 0))})
	}
	if q.now > c.until {
		o = append(o, Objection{Key: KeyExpires, Need: "a time until " + instant(c.until), Earliest: Never()})
	}
	return o
}

// lasting are the objections of this package's keys that time does not change.
func (c *clause) lasting(q *query) []Objection {
	var o []Objection
	add := func(key, need string, err error) {
		objection := Objection{Key: key, Need: need, Err: err, Earliest: Never()}
		if errors.Is(err, ErrUndetermined) {
			objection.Earliest = Unknown()
		}
		o = append(o, objection)
	}
	if !c.hasBudget(q) {
		add(limitKey(q.Kind), c.needBudget(q), nil)
	}
	if q.Kind == AT {
		if scope, missing := c.scopes.missing(q.Scopes); missing {
			add(KeyScope, fmt.Sprintf("scopes among %s, not %q", listed(c.scopes.list), clip(scope)), nil)
		}
		if audience, missing := c.audiences.missing(q.Audiences); missing {
			add(KeyAudience, fmt.Sprintf("audiences among %s, not %q", listed(c.audiences.list), clip(audience)), nil)
		}
	}
	if c.placed && !c.hasAddress(q.from) && !c.hasPlaceName(q) {
		add(KeyHosts, c.needPlace(q), c.placeErr(q))
	}
	if !c.allowsCountry(q) {
		add(KeyGeoIPAllow, "a country among "+listed(c.allowText), q.countryErr())
	}
	if c.excludesCountry(q) {
		add(KeyGeoIPDisallow, "a known country that is none of "+listed(c.denyText), q.countryErr())
	}
	return append(o, c.unsatisfiable...)
}

// foreign are the objections of the embedding program's conditions.
func (c *clause) foreign(q *query) []Objection {
	var o []Objection
	for i := range c.conditions {
		k, steps := &c.conditions[i], mostSteps
		if err := k.condition.Check(q.Request); err != nil {
			earliest := firstAdmitted(k.condition, q.Request, q.Now, &steps)
			o = append(o, Objection{Key: k.key, Need: err.Error(), Err: err, Earliest: earliest, Beyond: true})
		}
	}
	return o
}

func (c *clause) needBudget(q *query) string {
	limit := c.limit(q.Kind)
	used, known := q.used()
	switch {
	case limit <= 0:
		return "a limit above 0"
	case !known:
		return "the counter, which is not known"
	}
	return fmt.Sprintf("a use left, %d of %d are spent", used, limit)
}

func (c *clause) needPlace(q *query) string {
	entries := blockTexts(c.blocks)
	for _, h := range c.names {
		if h.name[0] == '.' {
			entries = append(entries, "*"+h.name)
		} else {
			entries = append(entries, h.name)
		}
	}
	if q.from == (point{}) {
		return "an address among " + listed(entries) + ", the request has none"
	}
	return "an address among " + listed(entries) + ", not " + normalAddr(q.Address).String()
}

func blockTexts(blocks []block) []string {
	texts := make([]string, len(blocks))
	for i := range blocks {
		if prefix := blocks[i].prefix; prefix.IsSingleIP() {
			texts[i] = prefix.Addr().String()
		} else {
			texts[i] = prefix.String()
		}
	}
	return texts
}

// placeErr says why names of the address may be missing, if names matter.
func (c *clause) placeErr(q *query) error {
	switch {
	case len(c.names) == 0 || q.from == (point{}):
		return nil
	case !q.place.named || q.place.from != q.from:
		return errNotPrepared
	}
	return q.place.namesErr
}

// listed writes a list for a text, shortened.
func listed(entries []string) string {
	const most = 8
	if len(entries) == 0 {
		return "none"
	}
	var text strings.Builder
	for i, entry := range entries {
		if i == most {
			fmt.Fprintf(&text, " and %d more", len(entries)-most)
			break
		}
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(plain(entry))
	}
	return text.String()
}
