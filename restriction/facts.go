package restriction

import "slices"

// Facts is what one clause of a policy says about all requests. [Policy.Evaluate]
// compares requests with the same values, so conclusions from Facts agree with it.
//
// A clause admits a request if all of this holds: Never is nil and Unknown is empty;
// the second lies from First to Last; the words asked for are among Scopes and
// Audiences; a use of the limit is left; the address matches (see [Facts.MatchHost]);
// the look-ups for the keys in Lookups find what the clause wants; and no condition in
// Conditions objects.
type Facts struct {
	// First and Last are the seconds from nbf to exp, both included, in Unix time.
	// [math.MinInt64] and [math.MaxInt64] are no bound. Last < First admits nothing.
	First, Last int64

	// Scopes and Audiences are the words that an access token may be for. nil allows
	// every word, a list without entries allows none.
	Scopes, Audiences []string

	// Lookups are the keys that depend on a look-up of a name or a country. Countries
	// reports whether one of them depends on the country.
	Lookups   []string
	Countries bool

	// Conditions judge requests one by one. Those that are a [Forecaster] know when
	// their answer changes.
	Conditions []KeyCondition

	// Never says why the clause admits nothing, whatever the request. It is nil if nothing
	// but Unknown or the bounds of time stand in the way.
	Never *ClauseError
	// Unknown are the extra keys that no condition explains. A clause that has one
	// admits nothing here. A deployment that knows the key may admit more.
	Unknown []string

	clause *clause
	names  bool // are looked up
}

// KeyCondition is a condition with the key under which the clause states it.
type KeyCondition struct {
	Key       string
	Condition Condition
}

// Match says whether what was asked satisfies a key.
type Match uint8

const (
	NoMatch  Match = iota // some or all requests do not satisfy it
	MayMatch              // it depends on look-ups
	Matches               // every request satisfies it
)

// Facts returns the facts of each clause, in the order of the list. There are none if
// the policy is unrestricted, and if it is nil or zero. They share no memory with the
// policy, apart from the conditions.
func (p *Policy) Facts() []Facts {
	all := make([]Facts, p.Len())
	for i := range all {
		all[i] = p.clauses[i].facts(i, &p.lookups)
	}
	return all
}

// Limit returns how many uses of a kind the clause allows, 0 or more. limited is false if
// it allows any number.
func (f *Facts) Limit(kind Kind) (n int64, limited bool) {
	n = f.clause.limit(kind)
	return max(n, 0), n != noLimit
}

// MatchHost says whether uses from entry satisfy the hosts of the clause. An entry is one as
// in [Clause.Hosts]; "" stands for every address. The answer is [MayMatch] if it depends
// on the DNS, and [NoMatch] if the entry is malformed or only part of it matches.
func (f *Facts) MatchHost(entry string) Match {
	c := f.clause
	if !c.placed {
		return Matches
	}
	h, err := parseHost(entry)
	switch {
	case err != nil:
		return NoMatch
	case h.isName():
		if f.names && slices.ContainsFunc(c.names, func(name host) bool { return name.coversName(h) }) {
			return Matches
		}
		return mayMatch(len(c.blocks) > 0)
	}
	b := newBlock(h.block)
	if b.withinAny(c.blocks) {
		return Matches
	}
	return mayMatch(f.names && len(c.names) > 0)
}

func mayMatch(may bool) Match {
	if may {
		return MayMatch
	}
	return NoMatch
}

func (c *clause) facts(index int, l *lookups) Facts {
	f := Facts{
		First: c.from, Last: c.until, Scopes: c.scopes.entries(), Audiences: c.audiences.entries(),
		Countries: c.allows || c.denies, clause: c, names: l.resolver != nil,
	}
	if len(c.names) > 0 {
		f.Lookups = append(f.Lookups, KeyHosts)
	}
	if c.allows {
		f.Lookups = append(f.Lookups, KeyGeoIPAllow)
	}
	if c.denies {
		f.Lookups = append(f.Lookups, KeyGeoIPDisallow)
	}
	for _, k := range c.conditions {
		f.Conditions = append(f.Conditions, KeyCondition{k.key, k.condition})
	}
	never := func(key string, err error) {
		if f.Never == nil {
			f.Never = &ClauseError{Clause: index, Key: key, Err: err}
		}
	}
	for _, o := range c.unsatisfiable {
		if o.Err == ErrUnsupported && !isKnown(o.Key) {
			f.Unknown = append(f.Unknown, o.Key)
		} else {
			never(o.Key, o.Err)
		}
	}
	if c.placed && len(c.blocks) == 0 && (len(c.names) == 0 || !f.names) {
		never(KeyHosts, badValue(ErrInvalid, "no entry that an address can match"))
	}
	switch {
	case c.allows && len(c.allowed) == 0:
		never(KeyGeoIPAllow, badValue(ErrInvalid, "no country"))
	case c.allows && c.allowed.within(c.denied):
		never(KeyGeoIPAllow, badValue(ErrInvalid, "every country is also excluded"))
	}
	return f
}

// entries returns a copy of the list, or nil if there is no limit.
func (w *words) entries() []string {
	if !w.limited {
		return nil
	}
	return append([]string{}, w.list...)
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
	for _, t := range []Term{
		{KeyScope, "scopes", c.Scopes},
		{KeyAudience, "audiences", c.Audiences},
		{KeyHosts, "hosts", c.Hosts},
		{KeyGeoIPAllow, "countries", c.GeoIPAllow},
		{KeyGeoIPDisallow, "countries other than", c.GeoIPDisallow},
	} {
		if t.Entries != nil {
			t.Entries = append([]string{}, t.Entries...)
			terms = append(terms, t)
		}
	}
	return terms
}
