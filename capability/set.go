package capability

import (
	"slices"
	"strings"
)

// Set is the capabilities of a token, in the order in which they were given.
// The zero value allows nothing.
type Set []Capability

// Default is what a token gets when a login asks for no capabilities (protocol
// section 3.3). Each call returns a set of its own.
func Default() Set { return Set{AT, Tokeninfo} }

// Allows reports whether s contains a capability that includes c.
func (s Set) Allows(c Capability) bool {
	for _, have := range s {
		if have.Includes(c) {
			return true
		}
	}
	return false
}

// Within reports whether parent allows everything that s contains. The empty
// set is within every set.
func (s Set) Within(parent Set) bool {
	for _, c := range s {
		if !parent.Allows(c) {
			return false
		}
	}
	return true
}

// Unknown returns the names that this package does not know, once each, in
// order. An issuer that refuses what it cannot explain to a user refuses a set
// for which the result is not empty.
func (s Set) Unknown() Set {
	var unknown Set
	for _, c := range s {
		if !c.Known() && !slices.Contains(unknown, c) {
			unknown = append(unknown, c)
		}
	}
	return unknown
}

// Dedup returns a copy of s in which each name stands once, at its first place.
// A name that another one includes stays: it is what the user was shown. The copy
// of nil is nil, and that of an empty set is not.
func (s Set) Dedup() Set {
	if s == nil {
		return nil
	}
	once := Set{}
	for _, c := range s {
		if !slices.Contains(once, c) {
			once = append(once, c)
		}
	}
	return once
}

// Equal reports whether s and other have the same names in the same order.
func (s Set) Equal(other Set) bool { return slices.Equal(s, other) }

// String returns the names separated by spaces.
func (s Set) String() string {
	names := make([]string, len(s))
	for i, c := range s {
		names[i] = string(c)
	}
	return strings.Join(names, " ")
}

// Narrow chooses the capabilities of a child (protocol section 3.3): every
// wanted one that parent allows, once each, in the wanted order. The others are
// returned as dropped; none is replaced by a part of it, so that a wanted
// "tokeninfo" is dropped when parent has only "tokeninfo:introspect". If
// wanted is nil, the child receives all that parent has.
//
// An empty child means that the child may do nothing and should not be issued. It
// is never nil, which would stand for all that the parent has where it is asked
// for. Neither result shares memory with the arguments.
func Narrow(parent, wanted Set) (child, dropped Set) {
	child = Set{}
	if wanted == nil {
		return append(child, parent.Dedup()...), nil
	}
	for _, c := range wanted.Dedup() {
		if parent.Allows(c) {
			child = append(child, c)
		} else {
			dropped = append(dropped, c)
		}
	}
	return child, dropped
}
