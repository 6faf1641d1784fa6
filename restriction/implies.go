package restriction

import (
	"reflect"
	"slices"
)

// implies reports whether parent certainly admits everything that child admits. It
// resolves composites itself, and asks child's own Within about the rest.
func implies(child, parent Condition) bool {
	child, parent = bare(child), bare(parent)
	if child == nil || parent == nil {
		return false
	}
	if c, ok := child.(either); ok {
		return every(c.parts, func(part Condition) bool { return implies(part, parent) })
	}
	if p, ok := parent.(all); ok {
		return every(p.parts, func(part Condition) bool { return implies(child, part) })
	}
	if p, ok := parent.(either); ok && slices.ContainsFunc(p.parts, func(part Condition) bool { return implies(child, part) }) {
		return true
	}
	switch c := child.(type) {
	case all:
		return slices.ContainsFunc(c.parts, func(part Condition) bool { return implies(part, parent) })
	case not:
		// Even if d admits no more than c, "not c" may admit more than "not d": d may be
		// unable to tell where c objects. So only the same condition will do.
		p, ok := parent.(not)
		return ok && c.part != nil && reflect.DeepEqual(bare(c.part), bare(p.part))
	}
	return child.Within(parent)
}

// bare returns a composite without its forecast.
func bare(c Condition) Condition {
	if f, ok := c.(forecast); ok {
		return f.Condition
	}
	return c
}

// every reports whether proves holds for all parts. It returns false without parts,
// because an empty composite proves nothing.
func every(parts []Condition, proves func(Condition) bool) bool {
	return len(parts) > 0 && !slices.ContainsFunc(parts, func(part Condition) bool { return !proves(part) })
}
