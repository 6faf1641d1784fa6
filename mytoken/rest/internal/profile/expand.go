package profile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/restriction"
)

// Bounds of one expansion.
const (
	maxNested = 16  // names inside of names
	maxNames  = 128 // names that are looked up
)

// Error says why a request cannot be expanded (invalid_request). The reason
// names nothing but the request's own words.
type Error struct{ Reason string }

func (e *Error) Error() string { return "profile: " + e.Reason }

func failed(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }

// expander follows the names of one request.
type expander struct {
	set    *Set
	active []key // the names inside of which it is
	left   int   // how many more names it may look up
}

func (s *Set) expander() *expander { return &expander{set: s, left: maxNames} }

// Request expands a mytoken request: a JSON object whose member names are those
// of the protocol, in their exact case. Members that no name is expanded in stay
// as they are, and include is gone. Errors: *Error.
func (s *Set) Request(object []byte) ([]byte, error) {
	n, err := parse(object)
	if err != nil || n != nil && !n.isObject() {
		return nil, failed("need a JSON object, strict and not nested too deeply")
	}
	if n == nil {
		return []byte("{}"), nil
	}
	e := s.expander()
	if n, err = e.profile(n); err != nil {
		return nil, err
	}
	if n, err = e.positions(n); err != nil {
		return nil, err
	}
	return n.appendJSON(nil, false), nil
}

// within looks a name up and expands what it stands for.
func (e *expander) within(t Type, name string, expand func(payload *node) (*node, error)) (*node, error) {
	k := reference(t, name)
	payload, ok := e.set.entries[k]
	switch {
	case !ok:
		return nil, failed("unknown include name: '%s'", clip(name))
	case slices.Contains(e.active, k):
		return nil, failed("include '%s' includes itself", clip(name))
	case len(e.active) >= maxNested:
		return nil, failed("includes are nested more than %d deep", maxNested)
	case e.left <= 0:
		return nil, failed("more than %d includes", maxNames)
	}
	e.left--
	e.active = append(e.active, k)
	defer func() { e.active = e.active[:len(e.active)-1] }()
	return expand(payload)
}

// included merges the names in include into the rest of an object; the rest is
// nil if there is nothing else in it.
func (e *expander) included(n *node, t Type, add func(base, template *node) (*node, error), expand func(*node) (*node, error)) (*node, error) {
	names, err := includeNames(n.get("include"))
	if err != nil {
		return nil, err
	}
	out := n.with("include", nil)
	if len(names) > 0 && len(out.members) == 0 {
		out = nil
	}
	return e.merge(out, names, t, add, expand)
}

// merge adds the named templates to an object, which may be nil, in their order.
func (e *expander) merge(out *node, names []string, t Type, add func(base, template *node) (*node, error), expand func(*node) (*node, error)) (*node, error) {
	for _, name := range names {
		template, err := e.within(t, name, expand)
		if err != nil {
			return nil, err
		}
		if out, err = add(out, template); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// profile merges included profiles. Templates inside are not expanded yet.
func (e *expander) profile(n *node) (*node, error) {
	if !n.isObject() {
		return nil, failed("a profile is an object")
	}
	out, err := e.included(n, Profiles, merge, e.profile)
	if err == nil && out != nil && !out.isObject() {
		return nil, failed("a profile is an object")
	}
	return out, err
}

// positions expands the templates of a request.
func (e *expander) positions(n *node) (*node, error) {
	for _, position := range []struct {
		name   string
		expand func(*node) (*node, error)
	}{
		{"restrictions", e.restrictions}, {"capabilities", e.capabilities}, {"rotation", e.rotation},
	} {
		value := n.get(position.name)
		if value == nil {
			continue
		}
		expanded, err := position.expand(value)
		if err != nil {
			return nil, err
		}
		n = n.with(position.name, expanded)
	}
	return n, nil
}

// restrictions returns an array of clauses.
func (e *expander) restrictions(n *node) (*node, error) {
	switch {
	case n.isObject():
		n = &node{kind: '[', items: []*node{n}}
	case n.isText():
		n = &node{kind: '[', items: []*node{n}}
	case !n.isArray():
		return nil, failed("restrictions are an array of clauses, a clause, or names")
	}
	if len(n.items) > restriction.MaxClauses {
		return nil, failed("more than %d clauses", restriction.MaxClauses)
	}
	var clauses []*node
	for _, item := range n.items {
		expanded, err := e.template(item)
		if err != nil {
			return nil, err
		}
		clauses = append(clauses, elements(expanded)...)
	}
	return union(clauses), nil
}

// template expands a clause, names of clauses, or the array that a name may
// stand for. The result is a clause or an array of clauses.
func (e *expander) template(n *node) (*node, error) {
	switch {
	case n.isObject():
		return e.included(n, Restrictions, addClause, e.template)
	case n.isText():
		return e.named(n.text, Restrictions, addClause, e.template)
	case n.isArray() && len(e.active) > 0:
		return e.restrictions(n)
	}
	return nil, failed("restrictions hold something that is neither a clause nor names")
}

// addClause merges two clauses. A name that stands for several clauses would, by
// the rule for arrays, admit each of them next to the clause that includes it:
// more than that clause alone, where less was meant (D81).
func addClause(base, template *node) (*node, error) {
	if base != nil && (base.isArray() || template.isArray()) {
		return nil, failed("a template of several clauses cannot be included in a clause; name it in the array of restrictions")
	}
	return merge(base, template)
}

// named expands names in one string, merged in order.
func (e *expander) named(text string, t Type, add func(base, template *node) (*node, error), expand func(*node) (*node, error)) (*node, error) {
	names := strings.Fields(text)
	if len(names) == 0 {
		return nil, failed("an empty string names no template")
	}
	return e.merge(nil, names, t, add, expand)
}

// rotation returns an object.
func (e *expander) rotation(n *node) (out *node, err error) {
	switch {
	case n.isObject():
		out, err = e.included(n, Rotation, merge, e.rotation)
	case n.isText():
		out, err = e.named(n.text, Rotation, merge, e.rotation)
	}
	if err == nil && !out.isObject() {
		return nil, failed("rotation is an object or names")
	}
	return out, err
}

// capabilities returns an array of names without templates. A comma separates
// names as a space does, also inside of an element: public clients send what
// their users typed.
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
			expanded, err := e.within(Capabilities, name, e.capabilities)
			if err != nil {
				return nil, err
			}
			out = append(out, expanded.items...)
		}
	}
	return union(out), nil
}

// includeNames reads the value of include: names in one string, or an array of
// names.
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

// clip shortens a name for a message.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
