package restriction

import "bytes"

// fitting is a clause, prepared for comparison with other clauses.
type fitting struct {
	clause
	source *Clause
	// open says that [Intersect] completes the clause: a key that it leaves out does not
	// keep it from being within another clause.
	open bool
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

// misfits returns the keys that keep w from being within p (protocol section 2.6).
func (w *fitting) misfits(p *fitting) []string {
	var misfits []string
	for _, k := range keys {
		parent, child := p.partOf(k), w.partOf(k)
		if parent == nil || child != nil && child.within(parent) || w.leavesOut(k) {
			continue
		}
		misfits = append(misfits, k.name())
	}
	for i := range p.source.Extra {
		if extra := &p.source.Extra[i]; !w.extraWithin(p, extra) {
			misfits = append(misfits, extra.Key)
		}
	}
	return misfits
}

// partOf returns the part of a key, or nil.
func (w *fitting) partOf(k key) part {
	if p := k.part(&w.clause); p != nil {
		return p
	}
	return w.find(k.name())
}

// leavesOut reports whether w is open and does not state the key.
func (w *fitting) leavesOut(k key) bool { return w.open && !k.states(w.source) }

// extraWithin reports whether w keeps an extra key of p. The bytes of its value must be
// equal, or its condition must be within that of p.
func (w *fitting) extraWithin(p *fitting, extra *Extra) bool {
	value, ok := w.source.extra(extra.Key)
	if ok && bytes.Equal(value, extra.Value) || !ok && w.open {
		return true
	}
	parent, child := p.find(extra.Key), w.find(extra.Key)
	return parent != nil && child != nil && child.within(parent)
}
