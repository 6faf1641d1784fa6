package restriction

import "slices"

// Facts is what one clause of a policy says about all requests. [Policy.Evaluate]
// compares requests with the same values, so conclusions from Facts agree with it.
//
// A clause admits a request if all of this is true:
//
//   - Never is nil and Unknown is empty.
//   - The second lies from First to Last.
//   - The words that an access token is asked for are among Scopes and Audiences.
//   - A use is left of the limit; see [Facts.Limit].
//   - The address matches; see [Facts.MatchHost].
//   - The look-ups for the keys in Lookups find what the clause wants.
//   - No condition in Conditions objects.
//
// The zero Facts admit nothing.
type Facts struct {
	// First and Last are the seconds from nbf to exp, both included, in Unix time.
	// [math.MinInt64] and [math.MaxInt64] are no bound. If Last < First, the clause
	// admits nothing.
	First, Last int64

	// Scopes and Audiences are the words that an access token may be asked for. nil
	// allows every word, a list without entries allows none.
	Scopes, Audiences []string

	// Lookups are the keys that depend on a look-up of a name or a country. Countries
	// reports whether one of them depends on a country.
	Lookups   []string
	Countries bool

	// Conditions judge requests one by one. A [Forecaster] among them knows when its
	// answer changes.
	Conditions []KeyCondition

	// Never says why the clause admits nothing, whatever the request. It is nil if
	// nothing but Unknown or the bounds of time stand in the way.
	Never *ClauseError
	// Unknown are the extra keys that no condition explains. A clause that has one admits
	// nothing here. A deployment that knows the key may admit more.
	Unknown []string

	clause *clause
	named  bool // names are looked up
}

// KeyCondition is a condition with the key under which the clause states it.
type KeyCondition struct {
	Key       string
	Condition Condition
}

// Match says whether requests satisfy a key.
type Match uint8

const (
	NoMatch  Match = iota // some or all requests do not satisfy it
	MayMatch              // it depends on look-ups
	Matches               // every request satisfies it
)

// Facts returns the facts of each clause, in the order of the list. There are none if the
// policy is unrestricted, zero or nil. They share no memory with the policy, except for
// the conditions.
func (p *Policy) Facts() []Facts {
	all := make([]Facts, p.Len())
	for i := range all {
		all[i] = p.clauses[i].facts(i, &p.options)
	}
	return all
}

// Limit returns how many uses of a kind the clause allows, 0 or more. limited is false if
// it allows any number.
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

// MatchHost says whether uses from entry satisfy the hosts of the clause. entry is one as
// in [Clause.Hosts], and "" stands for every address. The answer is [MayMatch] if it
// depends on the DNS, and [NoMatch] if the entry is malformed or only part of it matches.
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
		case interface{ judge() KeyCondition }:
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

// Term is what a clause says under one key, in words for people.
type Term struct {
	Key     string
	What    string   // such as "scopes" or "countries other than"
	Entries []string // at least one, unless nothing satisfies the clause
}

// Terms returns what c says about each key except times, numbers of uses and extra keys,
// in the order in which the keys are written.
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
