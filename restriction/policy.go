package restriction

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/rescue"
)

// Policy is a compiled list of restrictions. It never changes, shares no memory with the
// list, and is safe for concurrent use. The zero and the nil Policy admit nothing.
type Policy struct {
	compiled bool   // by Compile; distinguishes an empty list from the zero Policy
	gates    []gate // parallel to clauses
	clauses  []clause
	options  Options

	scopes, audiences markedWords // of all clauses
	hosts             markedBlocks

	names, countries bool    // some clause depends on them
	home             country // of private addresses
}

// clause is a Clause, compiled for requests.
type clause struct {
	// The method admits asks these without dynamic calls. Each field is also the part of
	// its key.
	from              start
	until             end
	hosts             places
	at, other         budget
	scopes, audiences words

	lookups   []string // keys that depend on look-ups
	countries bool     // some of them on countries

	rest []rest // the other parts, objections to everything, and conditions
}

// rest is a part that has no field of its own.
type rest struct {
	name string // of the key; "" for an objection to everything
	part part
}

// parts appends all parts, objections and conditions, in the order of explanations. A
// field that the clause does not state never objects.
func (c *clause) parts(all []part) []part {
	all = append(all, &c.from, &c.until, &c.at, &c.other, &c.scopes, &c.audiences, &c.hosts)
	for i := range c.rest {
		all = append(all, c.rest[i].part)
	}
	return all
}

// find returns the part of a key that has no field of its own, or nil.
func (c *clause) find(name string) part {
	for i := range c.rest {
		if c.rest[i].name == name {
			return c.rest[i].part
		}
	}
	return nil
}

// Compile prepares l for evaluation. It returns [ErrTooLarge] for more than [MaxClauses]
// clauses, [ErrEmptyClause] for a clause that states nothing, and [ErrInvalid] for
// options that make no sense.
//
// Compile accepts everything else in l. A clause with an unknown, disabled or malformed
// key admits nothing, and a malformed host matches nothing. [Policy.Explain] says so.
func Compile(l List, o Options) (*Policy, error) {
	if len(l) > MaxClauses {
		return nil, &LimitError{"clauses", MaxClauses}
	}
	p := &Policy{compiled: true, gates: make([]gate, len(l)), clauses: make([]clause, len(l)), options: o}
	if err := p.configure(); err != nil {
		return nil, err
	}
	for i := range l {
		if l[i].IsEmpty() {
			return nil, &ClauseError{Clause: i, Err: ErrEmptyClause}
		}
		p.clauses[i].compile(&l[i], &p.options)
		p.clauses[i].guard(p, &p.gates[i])
		p.names = p.names || p.clauses[i].hosts.names != nil
		p.countries = p.countries || p.clauses[i].countries
	}
	return p, nil
}

// Unrestricted reports whether the policy has no clauses. It then admits every request
// that has a time and a kind.
func (p *Policy) Unrestricted() bool { return p != nil && p.compiled && len(p.clauses) == 0 }

// Len returns the number of clauses. It is 0 for a nil Policy.
func (p *Policy) Len() int {
	if p == nil {
		return 0
	}
	return len(p.clauses)
}

// configure checks the options and fills in defaults.
func (p *Policy) configure() error {
	o := &p.options
	for name, factory := range o.Conditions {
		if isKnown(name) || factory == nil {
			return fmt.Errorf("restriction: %w: condition %q has no factory or is a key of the protocol", ErrInvalid, clip.Name(name))
		}
	}
	for _, name := range o.Disabled {
		if index, known := keyNames[name]; !known || keys[index].name() != name { // a misspelt key would stay enabled
			return fmt.Errorf("restriction: %w: disabled key %q is not a key of the protocol", ErrInvalid, clip.Name(name))
		}
	}
	if o.PrivateCountry != "" {
		home, err := parseCountry(o.PrivateCountry)
		if err != nil {
			return fmt.Errorf("restriction: private country: %w", err)
		}
		p.home = home
	}
	if o.LookupTimeout <= 0 {
		o.LookupTimeout = DefaultLookupTimeout
	}
	return nil
}

// compile fills a zero clause. A key that is not supported becomes an objection to every
// request.
func (c *clause) compile(source *Clause, o *Options) {
	c.from, c.until, c.at.limit, c.other.limit = noStart, noEnd, noLimit, noLimit
	for _, k := range keys {
		switch {
		case !k.states(source):
		case o.supports(k):
			if part := k.compile(source, c); part != nil {
				c.rest = append(c.rest, rest{k.name(), part})
			}
		default:
			c.never(k.name(), "a key that is supported here", ErrUnsupported)
		}
	}
	var conditions []rest
	for i := range source.Extra {
		extra := &source.Extra[i]
		if condition, err := o.condition(extra); err == nil {
			conditions = append(conditions, rest{extra.Key, &keyed{extra.Key, condition}})
		} else {
			c.never(extra.Key, "a key that is supported here", err)
		}
	}
	c.rest = append(c.rest, conditions...)
}

// looksUp records that a key depends on look-ups.
func (c *clause) looksUp(key string) { c.lookups = append(c.lookups, key) }

// limits returns the numbers of uses that a clause allows.
func (c *clause) limits() limits { return limits{c.at.limit, c.other.limit} }

// never records that the clause admits nothing, and why.
func (c *clause) never(key, need string, err error) {
	c.rest = append(c.rest, rest{part: &never{Objection{Key: key, Need: need, Err: err}}})
}

// never is an objection to every request.
type never struct{ objection Objection }

func (n *never) admits(query) bool               { return false }
func (n *never) object(query) Objection          { return n.objection }
func (n *never) first(query, time.Time) Earliest { return Never() }
func (n *never) within(part) bool                { return false }
func (n *never) excess(part) string              { return beyondUnknown }

func (n *never) narrow(_ *Policy, g *gate) asks {
	*g = gate{}
	return askNever
}

// keyed is the part for a condition of the embedding program.
type keyed struct {
	key       string
	condition Condition
}

// check asks the condition. If it panics, it cannot tell.
func (k *keyed) check(r *Request) error {
	var objection error
	if err := rescue.Do(func() { objection = k.condition.Check(r) }); err != nil {
		return because(ErrUndetermined, err)
	}
	return objection
}

func (k *keyed) admits(q query) bool { return k.check(q.Request) == nil }

func (k *keyed) object(q query) Objection {
	o := Objection{Key: k.key, Beyond: !isKnown(k.key)}
	if o.Err = k.check(q.Request); o.Err != nil {
		o.Need = o.Err.Error()
	}
	return o
}

func (k *keyed) first(q query, t time.Time) Earliest {
	first := unknownFrom(t)
	_ = rescue.Do(func() { first = firstAdmitted(k.condition, q.Request, t, q.steps) })
	return first
}

func (k *keyed) within(parent part) (within bool) {
	_ = rescue.Do(func() { within = implies(k.condition, parent.(*keyed).condition) })
	return within
}

// beyondUnknown leaves out the values, which mean something to the embedding program
// alone and may be secret.
const beyondUnknown = "the value is not known to be within the parent's"

func (k *keyed) excess(part) string { return beyondUnknown }

func (k *keyed) judge() KeyCondition { return KeyCondition{k.key, k.condition} }
