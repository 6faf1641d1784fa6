package restriction

import (
	"fmt"
	"slices"
	"time"
)

// Policy is a list of restrictions in the form in which it is evaluated. It
// never changes, shares no memory with the list, and is safe for concurrent
// use. The zero and the nil Policy admit nothing.
type Policy struct {
	compiled bool // by Compile; a list without clauses is no restriction
	clauses  []clause
	lookups  lookups
}

// lookups is what Prepare needs.
type lookups struct {
	names, countries bool // some clause depends on them
	resolver         Resolver
	locator          Locator
	home             country // of private addresses
	timeout          time.Duration
}

// clause is a Clause in the form in which it is compared.
type clause struct {
	from, until         int64
	limitAT, limitOther int64

	scopes, audiences words

	placed bool // hosts are restricted
	blocks []block
	names  []host

	allowed, denied     countryList
	allows, denies      bool // whether countries are restricted so
	deniesMore          bool // an entry that is no country was left out of denied
	conditions          []keyed
	unsatisfiable       []Objection // whatever the request is
	allowText, denyText []string
}

// keyed is a condition of the embedding program under its key.
type keyed struct {
	key       string
	condition Condition
}

// Compile prepares l for evaluation. It fails if l has more than [MaxClauses]
// clauses ([ErrTooLarge]) or a clause that states nothing ([ErrEmptyClause]),
// and with [ErrInvalid] if the options make no sense.
//
// Everything else in l that cannot be evaluated, such as an unknown or disabled
// key or a malformed host, does not fail: the clause that has it admits
// nothing, or the entry matches nothing, and an explanation says so.
func Compile(l List, o Options) (*Policy, error) {
	if len(l) > MaxClauses {
		return nil, &LimitError{"clauses", MaxClauses}
	}
	p := &Policy{compiled: true, clauses: make([]clause, len(l))}
	if err := p.lookups.configure(&o); err != nil {
		return nil, err
	}
	for i := range l {
		if l[i].IsEmpty() {
			return nil, &ClauseError{Clause: i, Err: ErrEmptyClause}
		}
		c := &p.clauses[i]
		c.compile(&l[i], &o)
		p.lookups.names = p.lookups.names || len(c.names) > 0
		p.lookups.countries = p.lookups.countries || c.allows || c.denies
	}
	return p, nil
}

// Unrestricted reports whether the policy has no clauses and admits every
// complete request.
func (p *Policy) Unrestricted() bool { return p != nil && p.compiled && len(p.clauses) == 0 }

// Len returns the number of clauses.
func (p *Policy) Len() int {
	if p == nil {
		return 0
	}
	return len(p.clauses)
}

func (l *lookups) configure(o *Options) error {
	for key, factory := range o.Conditions {
		if isKnown(key) || factory == nil {
			return fmt.Errorf("restriction: %w: condition %q is under a key of the protocol or has no factory", ErrInvalid, clip(key))
		}
	}
	known := knownKeys()
	for _, key := range o.Disabled {
		if !slices.Contains(known[:], key) { // a slip of the pen would leave the key that was meant enabled
			return fmt.Errorf("restriction: %w: disabled key %q is not one of the protocol", ErrInvalid, clip(key))
		}
	}
	if o.PrivateCountry != "" {
		home, ok := parseCountry(o.PrivateCountry)
		if !ok {
			return fmt.Errorf("restriction: %w: private country %q is not a code of two letters", ErrInvalid, clip(o.PrivateCountry))
		}
		l.home = home
	}
	l.resolver, l.locator, l.timeout = o.Resolver, o.Locator, o.LookupTimeout
	if l.timeout <= 0 {
		l.timeout = DefaultLookupTimeout
	}
	return nil
}

// compile fills c. A key that is not supported is not looked at: the objection
// that it is not supported stands for it.
func (c *clause) compile(source *Clause, o *Options) {
	*c = clause{from: noStart, until: noEnd, limitAT: noLimit, limitOther: noLimit}
	for _, key := range knownKeys() {
		switch {
		case !source.states(key):
		case !o.supports(key):
			c.never(key, "a key that is supported here", ErrUnsupported)
		default:
			c.compileKey(key, source)
		}
	}
	for i := range source.Extra {
		extra := &source.Extra[i]
		condition, err := o.condition(extra)
		if err != nil {
			c.never(extra.Key, "a key that is supported here", err)
			continue
		}
		c.conditions = append(c.conditions, keyed{extra.Key, condition})
	}
}

func (c *clause) compileKey(key string, source *Clause) {
	switch key {
	case KeyNotBefore:
		c.from = source.NotBefore
	case KeyExpires:
		c.until = source.Expires
	case KeyScope:
		c.scopes = c.words(key, source.Scopes)
	case KeyAudience:
		c.audiences = c.words(key, source.Audiences)
	case KeyHosts:
		c.compileHosts(source.Hosts)
	case KeyGeoIPAllow:
		c.allows, c.allowed, c.allowText = true, countries(source.GeoIPAllow), slices.Clone(source.GeoIPAllow)
	case KeyGeoIPDisallow:
		c.denies, c.denied, c.denyText = true, countries(source.GeoIPDisallow), slices.Clone(source.GeoIPDisallow)
		if c.deniesMore = len(c.denied) < max(len(source.GeoIPDisallow), 1); c.deniesMore {
			c.never(key, "country codes of two letters", badValue(ErrInvalid, "not all are country codes of two letters"))
		}
	case KeyUsagesAT:
		c.limitAT = *source.UsagesAT
	case KeyUsagesOther:
		c.limitOther = *source.UsagesOther
	}
}

// never records that the clause admits nothing, and why.
func (c *clause) never(key, need string, err error) {
	c.unsatisfiable = append(c.unsatisfiable, Objection{Key: key, Need: need, Err: err, Earliest: Never()})
}

func (c *clause) compileHosts(entries []string) {
	c.placed = true
	c.blocks = make([]block, 0, len(entries))
	for _, entry := range entries {
		h, err := parseHost(entry)
		switch {
		case err != nil: // matches nothing
		case h.isName():
			c.names = append(c.names, h)
		default:
			c.blocks = append(c.blocks, newBlock(h.block))
		}
	}
}

// words copies the entries of a list. One without entries admits nothing.
func (c *clause) words(key string, entries []string) words {
	if len(entries) == 0 {
		c.never(key, "an entry", badValue(ErrInvalid, "a list without entries"))
	}
	w := words{limited: true, list: slices.Clone(entries)}
	if len(entries) > longList {
		w.index = make(map[string]struct{}, len(entries))
		for _, entry := range entries {
			w.index[entry] = struct{}{}
		}
	}
	return w
}

// longList is the length from which on a list gets an index.
const longList = 16

// words is a list of scopes or audiences.
type words struct {
	limited bool
	list    []string
	index   map[string]struct{} // of a long list
}

// has reports whether the list has the word.
func (w *words) has(word string) bool {
	if w.index != nil {
		_, ok := w.index[word]
		return ok
	}
	for i := range w.list {
		if w.list[i] == word {
			return true
		}
	}
	return false
}

// missing returns the first word that the list does not have.
func (w *words) missing(wanted []string) (word string, missing bool) {
	if !w.limited {
		return "", false
	}
	for _, word := range wanted {
		if !w.has(word) {
			return word, true
		}
	}
	return "", false
}
