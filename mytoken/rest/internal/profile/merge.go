package profile

// errMerge says that two values cannot be merged. Dropping one of them could
// widen the request (D80).
var errMerge = &Error{Reason: "an include cannot be merged with what it is included in"}

// merge adds an included value to a base, which has precedence (protocol section
// 2.10):
//
//	base is not there        the included value
//	array + anything         union: appended, what is there already is dropped
//	object + object          member by member
//	object + array           an array of the object and the array's elements
//	object + scalar          refused
//	scalar + anything        the base
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
