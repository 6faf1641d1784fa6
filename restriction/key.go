package restriction

import (
	"errors"
	"time"
)

// key is all that this package knows about one key of a clause. Each key has a file of
// its own, and the rest of the package loops over [keys].
type key interface {
	// name is the key on the wire. alias is an older name, read and never written, or "".
	name() string
	alias() string

	// What a Clause says about the key. write, validate, check, term and compile are
	// called only if states is true.
	states(c *Clause) bool
	read(d *decoder, c *Clause) error
	write(e *encoder, c *Clause)
	clone(c *Clause) // replaces the value in c by a copy
	equal(a, b *Clause) bool
	term(c *Clause) Term // without entries if the key is about time or counts

	validate(c *Clause) error // reports a value that makes no sense
	supported(o *Options) bool
	check(c *Clause, o *Options) error // reports a value that o cannot evaluate

	// compile prepares the value for requests. It fills a field of to and returns nil,
	// or it returns a part of its own.
	compile(c *Clause, to *clause) part
	part(c *clause) part // the field of c that compile fills, or nil
}

// keys are the keys that this package defines, in the order in which they are written.
var keys = []key{
	keyNBF, keyEXP, keyScope, keyAudience, keyHosts, keyCountries, keyNotCountries, keyUsagesAT, keyUsagesOther,
}

// part judges requests by one key of a compiled clause. It never changes.
type part interface {
	// admits reports whether the part has no objection.
	admits(q query) bool
	// object returns the objection of a part that does not admit. It leaves out
	// Earliest.
	object(q query) Objection
	// first returns the first instant, from t on, at which the part has no objection to
	// the same request. It takes one of q.steps for each question to a condition.
	first(q query, t time.Time) Earliest
	// within reports whether the part admits nothing that parent refuses. parent is a
	// part of the same key.
	within(parent part) bool
}

// hopelessPart is a part that may admit nothing, whatever the request.
type hopelessPart interface {
	part
	hopeless(o *Options) *ClauseError // nil if it may admit something
}

// keyNames has the index in keys of each name and alias.
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

// isKnown reports whether this package reads the key.
func isKnown(name string) bool {
	_, known := keyNames[name]
	return known
}

// lasting is the result of first for a part to which time makes no difference. err says
// why it may be wrong not to admit.
func lasting(admits bool, err error, t time.Time) Earliest {
	switch {
	case admits:
		return At(t)
	case errors.Is(err, ErrUndetermined):
		return unknownFrom(t)
	}
	return Never()
}
