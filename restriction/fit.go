package restriction

import "bytes"

// fitting is a clause, prepared for comparison with other clauses.
type fitting struct {
	clause
	source *Clause
}

// newFittings prepares every key, including those that the deployment does not support.
// Support makes no difference to whether one clause is within another.
func newFittings(l List, factories map[string]Factory) []fitting {
	all := Options{Conditions: factories}.Elsewhere()
	fittings := make([]fitting, len(l))
	for i := range l {
		fittings[i].source = &l[i]
		fittings[i].compile(&l[i], &all)
	}
	return fittings
}

// misfits returns the keys that keep w from being within p (protocol section 2.6). It
// stops after most keys; 0 means no limit.
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

// extraWithin reports whether w keeps an extra key of p. The bytes of its value must be
// equal, or its condition must be within that of p.
func (w *fitting) extraWithin(p *fitting, extra *Extra) bool {
	value, ok := w.source.extra(extra.Key)
	if ok && bytes.Equal(value, extra.Value) {
		return true
	}
	parent, child := p.find(extra.Key), w.find(extra.Key)
	return parent != nil && child != nil && child.within(parent)
}
