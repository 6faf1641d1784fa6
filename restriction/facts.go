package restriction

import "slices"

// Facts describes one clause of a policy without any request. [Policy.Evaluate] uses the
// same values, so conclusions from Facts agree with its decisions.
//
// A clause admits a request if all of this is true:
//
//   - Never is nil and Unknown is empty.
//   - The second of the request lies from First to Last.
//   - Scopes and Audiences contain every scope and audience of the request, if the
//     request is for an access token.
//   - A use is left of the limit; see [Facts.Limit].
//   - The address matches; see [Facts.MatchHost].
//   - The look-ups for the keys in Lookups satisfy the clause.
//   - No condition in Conditions objects.
//
// The zero Facts admit nothing.
type Facts struct {
	// First and Last are the first and the last second in which the clause admits, in
	// Unix time. [math.MinInt64] and [math.MaxInt64] mean no bound. If Last < First, the
	// clause admits nothing.
	First, Last int64

	// Scopes and Audiences are what an access token may be requested for. nil allows
	// everything. A list without entries allows nothing.
	Scopes, Audiences []string

	// Lookups are the wire names of keys that depend on a look-up of a name or a country.
	// Countries reports whether one of them depends on a country.
	Lookups   []string
	Countries bool

	// Conditions judge requests one by one: those of the embedding program, and keys whose
	// answer changes again and again. A [Forecaster] among them knows when it changes.
	Conditions []KeyCondition

	// Never says why the clause admits no request at all, for example because none of its
	// hosts can match. It is nil if only Unknown, Conditions, the time bounds or a limit
	// of 0 uses stand in the way.
	Never *ClauseError
	// Unknown are the extra keys that no condition explains. A clause with such a key
	// admits nothing in this deployment. Another deployment may know the key and admit
	// more.
	Unknown []string

	clause *clause
	named  bool // names are looked up
}

// KeyCondition is a condition, and the key under which the clause states it.
type KeyCondition struct {
	Key       string
	Condition Condition
}

// Match is the answer of [Facts.MatchHost].
type Match uint8

const (
	NoMatch  Match = iota // at least some requests do not satisfy the clause
	MayMatch              // the answer depends on look-ups
	Matches               // every request satisfies the clause
)

// Facts returns the facts of each clause, in the order of the list. The result is empty
// if the policy is unrestricted, zero or nil. It shares no memory with the policy, except
// for the conditions.
func (p *Policy) Facts() []Facts {
	all := make([]Facts, p.Len())
	for i := range all {
		all[i] = p.clauses[i].facts(i, &p.options)
	}
	return all
}

// Limit returns how many uses of a kind the clause allows. n is never negative. limited
// is false if the clause allows any number of uses.
func (f *Facts) Limit(kind Kind) (n int64, limited bool) {
	if f.clause == nil {
		return 0, true
	}
	for _, b := range []*budget{&f.clause.at, &f.clause.other} {
		if b.kind == kind && kind != 0 {
			return max(b.limit, 0), true
		}
	}
	return 0, false
}

// MatchHost says whether uses from entry satisfy the hosts of the clause. entry has a
// form of [Clause.Hosts]; "" stands for every address. A clause without hosts matches
// every entry.
//
// The answer is [MayMatch] if it depends on the DNS. It is [NoMatch] if the entry is
// malformed, or if the clause covers only a part of it.
func (f *Facts) MatchHost(entry string) Match {
	if f.clause == nil {
		return NoMatch
	}
	return f.clause.hosts.match(entry, f.named)
}

func (c *clause) facts(index int, o *Options) Facts {
	f := Facts{
		First: int64(c.from), Last: int64(c.until), Scopes: c.scopes.entries(), Audiences: c.audiences.entries(),
		Lookups: slices.Clone(c.lookups), Countries: c.countries, clause: c, named: o.Resolver != nil,
	}
	for _, p := range c.parts(nil) {
		switch p := p.(type) {
		case *never:
			if p.objection.Err == ErrUnsupported && !isKnown(p.objection.Key) {
				f.Unknown = append(f.Unknown, p.objection.Key)
			} else {
				f.never(&ClauseError{Key: p.objection.Key, Err: p.objection.Err})
			}
		case hopelessPart:
			f.never(p.hopeless(o))
		}
		if p, ok := p.(interface{ judge() KeyCondition }); ok {
			f.Conditions = append(f.Conditions, p.judge())
		}
	}
	if f.Never != nil {
		f.Never.Clause = index
	}
	return f
}

// never keeps the first reason why the clause admits nothing.
func (f *Facts) never(reason *ClauseError) {
	if f.Never == nil {
		f.Never = reason
	}
}

// Term describes one key of a clause in words for people.
type Term struct {
	Key     string
	What    string   // such as "scopes" or "countries other than"
	Entries []string // at least one, unless no use satisfies the clause
}

// Terms describes every key of c except times, numbers of uses and extra keys, in the
// order in which the keys are written.
func (c *Clause) Terms() []Term {
	var terms []Term
	for _, k := range keys {
		if k.states(c) {
			if t := k.term(c); t.What != "" {
				terms = append(terms, t)
			}
		}
	}
	return terms
}
