package restriction

import (
	"errors"
	"hash/maphash"
	"time"
)

// key is all that this package knows about one key of a clause. Each key has a file of
// its own. The rest of the package loops over [keys].
type key interface {
	// name is the key on the wire. alias is an older name, or "". The package reads an
	// alias and never writes it.
	name() string
	alias() string

	// These methods are about the value of the key in a Clause. states reports whether
	// there is one. Only then may write, validate, check, term and compile be called.
	states(c *Clause) bool
	read(d *decoder, c *Clause) error
	write(e *encoder, c *Clause)
	clone(c *Clause)       // replaces the value in c by a copy
	take(c, from *Clause)  // gives c the value that from states, without copying it
	show(c *Clause) string // the value, for a text
	equal(a, b *Clause) bool
	hash(h *maphash.Hash, c *Clause) // writes the same for equal values
	term(c *Clause) Term             // without entries if the key is about time or counts

	validate(c *Clause) error // reports a value that makes no sense
	supported(o *Options) bool
	check(c *Clause, o *Options) error // reports a value that o cannot evaluate

	remote(c *Clause) bool // the value is about what the issuer alone knows
	passes() bool          // an objection may pass with time

	// compile prepares the value for requests. It either fills a field of to and returns
	// nil, or returns a part of its own. Only clauses that state the key ask such a part,
	// and only if everything cheap admits the request. The part may be a [gatedPart] to
	// be asked less often.
	compile(c *Clause, to *clause) part
	part(c *clause) part // the field of c that compile fills, or nil
}

// keys are the keys that this package defines, in the order in which they are written.
var keys = []key{
	keyNBF, keyEXP, keyScope, keyAudience, keyHosts, keyCountries, keyNotCountries, keyUsagesAT, keyUsagesOther,
	keySchedule,
}

// part is one key of a compiled clause. It judges requests by that key alone, and never
// changes.
type part interface {
	// admits reports whether the part admits the request.
	admits(q query) bool
	// object returns why the part does not admit the request. It leaves out Earliest.
	object(q query) Objection
	// first returns the first instant, from t on, at which the part admits the same
	// request. It decrements q.steps for each call to a condition.
	first(q query, t time.Time) Earliest
	// within reports whether the part admits nothing that parent refuses. parent is a
	// part of the same key.
	within(parent part) bool
	// excess says what the part allows beyond parent, for a text. The part is not within
	// parent.
	excess(parent part) string
}

// listKeyed is a key whose value is a list.
type listKeyed interface {
	key
	list(c *Clause) *[]string
	// common returns a list that allows what both parts allow. It has no entries if that
	// is nothing, or if no list can say it.
	common(child, parent part) []string
}

// overlapKeyed is a key whose values may overlap without one being within the other, and
// whose value is not a list.
type overlapKeyed interface {
	key
	// overlap gives c the value that allows what both parts allow. It returns false if
	// that is nothing, or if no value can say it.
	overlap(c *Clause, child, parent part) bool
}

// normalKeyed is a key whose values have a normal form.
type normalKeyed interface {
	key
	// normalize replaces the value by its normal form. The value may count from the
	// creation of the token; a zero time is not known.
	normalize(c *Clause, created time.Time)
}

// hopelessPart is a part that can tell that it refuses every request.
type hopelessPart interface {
	part
	hopeless(o *Options) *ClauseError // the reason, or nil if it may admit some request
}

// keyNames maps each name and alias to its index in keys.
var keyNames = nameKeys()

func nameKeys() map[string]int {
	names := make(map[string]int)
	for i, k := range keys {
		names[k.name()] = i
		if k.alias() != "" {
			names[k.alias()] = i
		}
	}
	return names
}

// isKnown reports whether this package defines the key.
func isKnown(name string) bool {
	_, known := keyNames[name]
	return known
}

// lasting implements part.first for a part that does not depend on time: its answer
// lasts. If err wraps [ErrUndetermined], a refusal may be wrong, so the result is
// unknown.
func lasting(admits bool, err error, t time.Time) Earliest {
	switch {
	case admits:
		return At(t)
	case errors.Is(err, ErrUndetermined):
		return unknownFrom(t)
	}
	return Never()
}
