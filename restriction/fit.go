package restriction

import "bytes"

// fitting is a clause in the form in which it is compared with another one.
type fitting struct {
	clause
	source *Clause
}

// newFittings prepares every key, also those that the deployment does not support.
// Whether one clause is within another does not depend on that.
func newFittings(l List, factories map[string]Factory) []fitting {
	all := Options{Conditions: factories}.Elsewhere()
	fittings := make([]fitting, len(l))
	for i := range l {
		fittings[i].source = &l[i]
		fittings[i].compile(&l[i], &all)
	}
	return fittings
}

// misfits returns the keys in which w is not within p (protocol section 2.6). It stops
// after most of them; 0 is no limit.
func (w *fitting) misfits(p *fitting, most int) []string {
	var misfits []string
	for _, k := range keys {
		parent, child := k.part(&p.clause), k.part(&w.clause)
		if parent == nil {
			parent, child = p.find(k.name()), w.find(k.name())
		}
		if parent == nil || child != nil && child.within(parent) {
			continue
		}
		if misfits = append(misfits, k.name()); len(misfits) == most {
			return misfits
		}
	}
	for i := range p.source.Extra {
		if extra := &p.source.Extra[i]; !w.extraWithin(p, extra) {
			if misfits = append(misfits, extra.Key); len(misfits) == most {
				return misfits
			}
		}
	}
	return misfits
}

// fits reports whether w is within p.
func (w *fitting) fits(p *fitting) bool { return w.misfits(p, 1) == nil }

// extraWithin reports whether w keeps an extra key of p: with the same bytes, or with a
// condition that is within p's.
func (w *fitting) extraWithin(p *fitting, extra *Extra) bool {
	value, ok := w.source.extra(extra.Key)
	if ok && bytes.Equal(value, extra.Value) {
		return true
	}
	parent, child := p.find(extra.Key), w.find(extra.Key)
	return parent != nil && child != nil && child.within(parent)
}
