package profile

// errMerge reports two values that cannot be merged. Dropping one of them could widen the
// request (D80).
var errMerge = &Error{Reason: "an include cannot be merged with what it is included in"}

// merge adds an included value to a base, which has precedence (protocol section 2.10):
//
//	no base              the included value
//	array + anything     the union: the base, then the new elements
//	object + object      member by member
//	object + array       an array of the object and the array's elements
//	object + scalar      an error
//	scalar + anything    the base
//
// It changes neither argument.
func merge(base, add *node) (*node, error) {
	switch {
	case add == nil:
		return base, nil
	case base == nil:
		return add, nil
	case base.isArray():
		return union(base.items, elements(add)), nil
	case base.isObject() && add.isArray():
		return union([]*node{base}, add.items), nil
	case base.isObject() && add.isObject():
		out := base
		for _, m := range add.members {
			merged, err := merge(base.get(m.name), m.value)
			if err != nil {
				return nil, err
			}
			out = out.with(m.name, merged)
		}
		return out, nil
	case base.isObject():
		return nil, errMerge
	}
	return base, nil
}

// addClause merges two clauses. It refuses a template of several clauses: the rule for
// arrays would admit each of them next to the clause that includes them, which is wider
// (D81).
func addClause(base, template *node) (*node, error) {
	if base != nil && (base.isArray() || template.isArray()) {
		return nil, failed("a template of several clauses cannot be included in a clause; name it in the array of restrictions")
	}
	return merge(base, template)
}

// elements returns the items of an array, or the value itself as the only one.
func elements(n *node) []*node {
	if n.isArray() {
		return n.items
	}
	return []*node{n}
}

// union returns an array of the different values, in order.
func union(lists ...[]*node) *node {
	out := &node{kind: '['}
	seen := make(map[string]bool)
	for _, list := range lists {
		for _, item := range list {
			key := string(item.appendJSON(nil, true))
			if !seen[key] {
				seen[key] = true
				out.items = append(out.items, item)
			}
		}
	}
	return out
}
