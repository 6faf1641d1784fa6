package restriction

import "bytes"

// fitting is a clause in the form in which it is compared with another one.
type fitting struct {
	clause
	source *Clause
	own    map[string]Condition // of the extra keys that have a factory
}

// fit prepares every key, also those that the deployment does not support: whether one
// clause is within another does not depend on that.
func (f *fitting) fit(c *Clause, factories map[string]Factory, parts []part) {
	f.source = c
	f.init(parts)
	for i, k := range keys {
		if k.states(c) {
			f.compileKey(i, c)
		}
	}
	o := Options{Conditions: factories}
	for i := range c.Extra {
		if condition, err := o.condition(&c.Extra[i]); err == nil {
			if f.own == nil {
				f.own = make(map[string]Condition)
			}
			f.own[c.Extra[i].Key] = condition
		}
	}
}

func newFittings(l List, factories map[string]Factory) []fitting {
	fittings, parts := make([]fitting, len(l)), make([]part, len(l)*len(keys))
	for i := range l {
		fittings[i].fit(&l[i], factories, parts[i*len(keys):(i+1)*len(keys)])
	}
	return fittings
}

// misfits returns the keys in which w is not within p (protocol section 2.6). It stops
// after most of them; 0 is all.
func (w *fitting) misfits(p *fitting, most int) []string {
	var misfits []string
	for i, part := range p.parts {
		if part == nil || w.parts[i] != nil && w.parts[i].within(part) {
			continue
		}
		if misfits = append(misfits, keys[i].name()); len(misfits) == most {
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
	return ok && (bytes.Equal(value, extra.Value) || implies(w.own[extra.Key], p.own[extra.Key]))
}
