package profile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/restriction"
)

// Bounds of one expansion.
const (
	maxNested = 16  // names within names
	maxNames  = 128 // look-ups

	// maxEntries bounds each array and object of a request. Each look-up may copy and
	// compare those that it is merged into. No request beyond the bound is valid.
	maxEntries = 2 * restriction.MaxEntries
)

// Error says why a request cannot be expanded (invalid_request). The reason quotes
// nothing but the request and the operator's pieces.
type Error struct{ Reason string }

func (e *Error) Error() string { return "profile: " + e.Reason }

func failed(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }

// expander follows the names of one request.
type expander struct {
	set    *Set
	active []key // the names being expanded, the outermost first
	left   int   // look-ups that remain
}

// Request expands a mytoken request: a JSON object whose member names are those of the
// protocol, in their exact case. It removes include, and keeps members that hold no
// names. Errors are [*Error].
func (s *Set) Request(object []byte) ([]byte, error) {
	n, err := parse(object)
	if err != nil || n != nil && !n.isObject() {
		return nil, failed("need a JSON object, strict and not nested too deeply")
	}
	if n == nil {
		return []byte("{}"), nil
	}
	for _, m := range n.members {
		if m.value.longest() > maxEntries {
			return nil, failed("%s: a list has more than %d entries", clip.Name(m.name), maxEntries)
		}
	}
	e := &expander{set: s, left: maxNames}
	if n, err = e.profile(n); err != nil {
		return nil, err
	}
	if n, err = e.positions(n); err != nil {
		return nil, err
	}
	return n.appendJSON(nil, false), nil
}

// expand expands one piece.
func (s *Set) expand(k key) (*node, error) {
	e := &expander{set: s, active: []key{k}, left: maxNames - 1}
	n, err := e.piece(k.typ, s.entries[k])
	if err != nil || k.typ != Profiles {
		return n, err
	}
	if n == nil {
		return nil, failed("an empty profile")
	}
	return e.positions(n)
}

// piece expands what a name of a type stands for.
func (e *expander) piece(t Type, payload *node) (*node, error) {
	switch t {
	case Restrictions:
		return e.template(payload)
	case Capabilities:
		return e.capabilities(payload)
	case Rotation:
		return e.rotation(payload)
	}
	return e.profile(payload)
}

// lookup expands one name.
func (e *expander) lookup(t Type, name string) (*node, error) {
	k := reference(t, name)
	payload, ok := e.set.entries[k]
	switch {
	case !ok:
		return nil, failed("unknown include name: '%s'", clip.Name(name))
	case slices.Contains(e.active, k):
		return nil, failed("include '%s' includes itself", clip.Name(name))
	case len(e.active) >= maxNested:
		return nil, failed("includes are nested more than %d deep", maxNested)
	case e.left <= 0:
		return nil, failed("more than %d includes", maxNames)
	}
	e.left--
	e.active = append(e.active, k)
	defer func() { e.active = e.active[:len(e.active)-1] }()
	return e.piece(t, payload)
}

// add merges named pieces into base in order. A nil base is nothing.
func (e *expander) add(base *node, t Type, names []string) (*node, error) {
	join := merge
	if t == Restrictions {
		join = addClause
	}
	for _, name := range names {
		named, err := e.lookup(t, name)
		if err != nil {
			return nil, err
		}
		if base, err = join(base, named); err != nil {
			return nil, err
		}
	}
	return base, nil
}

// included merges the pieces that an object includes into the rest of it.
func (e *expander) included(n *node, t Type) (*node, error) {
	names, err := includeNames(n.get("include"))
	if err != nil {
		return nil, err
	}
	rest := n.with("include", nil)
	if len(names) > 0 && len(rest.members) == 0 {
		rest = nil
	}
	return e.add(rest, t, names)
}

// named merges the pieces whose names are in a string, separated by spaces.
func (e *expander) named(text string, t Type) (*node, error) {
	names := strings.Fields(text)
	if len(names) == 0 {
		return nil, failed("an empty string names no template")
	}
	return e.add(nil, t, names)
}

// profile merges included profiles. It leaves the templates within them to positions.
func (e *expander) profile(n *node) (*node, error) {
	if !n.isObject() {
		return nil, failed("a profile is an object")
	}
	out, err := e.included(n, Profiles)
	if err == nil && out != nil && !out.isObject() {
		return nil, failed("a profile is an object")
	}
	return out, err
}

// positions expands the templates of a request.
func (e *expander) positions(n *node) (*node, error) {
	for _, t := range []Type{Restrictions, Capabilities, Rotation} {
		value := n.get(string(t))
		if value == nil {
			continue
		}
		expand := e.restrictions
		if t != Restrictions {
			expand = func(n *node) (*node, error) { return e.piece(t, n) }
		}
		expanded, err := expand(value)
		if err != nil {
			return nil, err
		}
		n = n.with(string(t), expanded)
	}
	return n, nil
}

// restrictions returns an array of clauses.
func (e *expander) restrictions(n *node) (*node, error) {
	if !n.isObject() && !n.isText() && !n.isArray() {
		return nil, failed("restrictions are an array of clauses, a clause, or names")
	}
	items := elements(n)
	if len(items) > restriction.MaxClauses {
		return nil, failed("more than %d clauses", restriction.MaxClauses)
	}
	var clauses []*node
	for _, item := range items {
		expanded, err := e.template(item)
		if err != nil {
			return nil, err
		}
		clauses = append(clauses, elements(expanded)...)
	}
	return union(clauses), nil
}

// template expands a clause, names of clauses, or the array that a name stands for. It
// returns a clause or an array of clauses.
func (e *expander) template(n *node) (*node, error) {
	switch {
	case n.isObject():
		return e.included(n, Restrictions)
	case n.isText():
		return e.named(n.text, Restrictions)
	case n.isArray() && len(e.active) > 0:
		return e.restrictions(n)
	}
	return nil, failed("restrictions hold something that is neither a clause nor names")
}

// rotation returns an object.
func (e *expander) rotation(n *node) (out *node, err error) {
	switch {
	case n.isObject():
		out, err = e.included(n, Rotation)
	case n.isText():
		out, err = e.named(n.text, Rotation)
	}
	if err == nil && !out.isObject() {
		return nil, failed("rotation is an object or names")
	}
	return out, err
}

// capabilities returns an array of names without templates. A comma separates names as a
// space does, because public clients send what their users typed.
func (e *expander) capabilities(n *node) (*node, error) {
	var out []*node
	for _, item := range elements(n) {
		if !item.isText() {
			return nil, failed("capabilities are an array of strings, or names")
		}
		names := strings.FieldsFunc(item.text, func(r rune) bool { return r == ' ' || r == ',' })
		if len(names) == 0 {
			return nil, failed("an empty string names no capability")
		}
		for _, name := range names {
			if !strings.HasPrefix(name, "@") {
				out = append(out, textNode(name))
				continue
			}
			expanded, err := e.lookup(Capabilities, name)
			if err != nil {
				return nil, err
			}
			out = append(out, expanded.items...)
		}
	}
	// Repetitions count: clients that send very many names have made a mistake.
	if len(out) > capability.MaxCount {
		return nil, failed("capabilities: %d names, at most %d are allowed", len(out), capability.MaxCount)
	}
	return union(out), nil
}

// includeNames reads the value of include: names in one string, or an array of names.
func includeNames(n *node) ([]string, error) {
	var names []string
	for _, item := range elements(n) {
		switch {
		case item == nil:
		case item.isText():
			names = append(names, strings.Fields(item.text)...)
		default:
			return nil, failed("include is a string of names or an array of names")
		}
	}
	return names, nil
}
