package capability

import (
	"slices"
	"strings"
)

// Set holds the capabilities of a token in order. The nil Set allows nothing.
type Set []Capability

// Default returns the capabilities of a token if the login asked for none (protocol
// section 3.3). Each call returns a new set.
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

// Within reports whether parent allows everything that s contains. The empty set is
// within every set.
func (s Set) Within(parent Set) bool {
	for _, c := range s {
		if !parent.Allows(c) {
			return false
		}
	}
	return true
}

// Unknown returns the unknown names in order, each once. An issuer that wants to explain
// every capability to its users refuses a set with unknown names.
func (s Set) Unknown() Set {
	var unknown Set
	for _, c := range s.Dedup() {
		if !c.Known() {
			unknown = append(unknown, c)
		}
	}
	return unknown
}

// Dedup returns a copy of s without repetitions. It keeps a name even if another name of
// s includes it, because the user has seen both. The copy of nil is nil. The copy of an
// empty set is empty, but not nil.
func (s Set) Dedup() Set {
	if s == nil {
		return nil
	}
	once, seen := Set{}, make(map[Capability]bool, len(s))
	for _, c := range s {
		if !seen[c] {
			seen[c] = true
			once = append(once, c)
		}
	}
	return once
}

// Equal reports whether s and other have the same names in the same order.
func (s Set) Equal(other Set) bool { return slices.Equal(s, other) }

// String returns the names with spaces between them.
func (s Set) String() string {
	names := make([]string, len(s))
	for i, c := range s {
		names[i] = string(c)
	}
	return strings.Join(names, " ")
}

// Narrow chooses the capabilities of a child (protocol section 3.3). The child gets each
// wanted capability that parent allows, once and in the wanted order. If wanted is nil,
// the child gets everything that parent has.
//
// Narrow drops all other wanted capabilities. It never replaces one by a part of it: if
// parent has only "tokeninfo:introspect", it drops a wanted "tokeninfo".
//
// If child is empty, a token with it could do nothing, so do not issue one. child is
// never nil, because in a request nil asks for everything. The results share no memory
// with the arguments.
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
