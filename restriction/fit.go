package restriction

import (
	"bytes"
	"slices"
)

// fitting is a clause in the form in which it is compared with another one.
type fitting struct {
	clause
	source *Clause
	own    map[string]Condition // of the extra keys that have a factory
}

// newFitting prepares every key, also those that the deployment does not
// support: whether one clause is within another does not depend on that.
func newFitting(c *Clause, factories map[string]Factory) fitting {
	f := fitting{source: c, clause: clause{from: noStart, until: noEnd, limitAT: noLimit, limitOther: noLimit}}
	for _, key := range knownKeys() {
		if c.states(key) {
			f.compileKey(key, c)
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
	return f
}

func newFittings(l List, factories map[string]Factory) []fitting {
	fittings := make([]fitting, len(l))
	for i := range l {
		fittings[i] = newFitting(&l[i], factories)
	}
	return fittings
}

// limits is what a clause leaves of the budgets of its parent's clause.
type limits struct{ at, other int64 }

func (f *fitting) limits() limits { return limits{f.limitAT, f.limitOther} }

// misfits returns the keys in which w is not within p (protocol section 2.6),
// given p's budgets. It stops after most of
// them; 0 is all.
func (w *fitting) misfits(p *fitting, budget limits, most int) []string {
	var keys []string
	for aspect := range aspects {
		if key, fits := w.aspect(aspect, p, budget); !fits {
			if keys = append(keys, key); len(keys) == most {
				return keys
			}
		}
	}
	for i := range p.source.Extra {
		if extra := &p.source.Extra[i]; !w.extraWithin(p, extra) {
			if keys = append(keys, extra.Key); len(keys) == most {
				return keys
			}
		}
	}
	return keys
}

// fits reports whether w is within p, given p's budgets.
func (w *fitting) fits(p *fitting, budget limits) bool { return w.misfits(p, budget, 1) == nil }

// aspects is the number of keys that this package compares.
const aspects = 9

// aspect compares one key of this package.
func (w *fitting) aspect(aspect int, p *fitting, budget limits) (key string, fits bool) {
	switch aspect {
	case 0:
		return KeyNotBefore, w.from >= p.from
	case 1:
		return KeyExpires, w.until <= p.until
	case 2:
		return KeyScope, w.scopes.within(&p.scopes)
	case 3:
		return KeyAudience, w.audiences.within(&p.audiences)
	case 4:
		return KeyHosts, w.hostsWithin(p)
	case 5:
		return KeyGeoIPAllow, !p.allows || w.allows && (w.allowed.within(p.allowed) || slices.Equal(w.allowText, p.allowText))
	case 6:
		return KeyGeoIPDisallow, w.denialWithin(p)
	case 7:
		return KeyUsagesAT, w.limitAT <= budget.at
	default:
		return KeyUsagesOther, w.limitOther <= budget.other
	}
}

// within reports whether every request that w admits, p admits.
func (w *words) within(p *words) bool {
	return !p.limited || w.limited && !slices.ContainsFunc(w.list, func(word string) bool { return !p.has(word) })
}

// hostsWithin reports whether every entry of w is covered by one of p. What is
// no address and no name is covered by nothing, except by the same list.
func (w *fitting) hostsWithin(p *fitting) bool {
	switch {
	case !p.placed:
		return true
	case !w.placed:
		return false
	case slices.Equal(w.source.Hosts, p.source.Hosts):
		return true
	case len(w.blocks)+len(w.names) < len(w.source.Hosts):
		return false
	}
	for i := range w.blocks {
		if !w.blocks[i].withinAny(p.blocks) {
			return false
		}
	}
	for _, name := range w.names {
		if !slices.ContainsFunc(p.names, func(h host) bool { return h.coversName(name) }) {
			return false
		}
	}
	return true
}

// denialWithin reports whether w excludes all that p excludes. A clause with an
// entry that is no country admits nothing.
func (w *fitting) denialWithin(p *fitting) bool {
	switch {
	case !p.denies || w.deniesMore:
		return true
	case p.deniesMore:
		return false
	}
	return w.denies && p.denied.within(w.denied)
}

// extraWithin reports whether w keeps an extra key of p: with the same bytes,
// or with a condition that is within p's.
func (w *fitting) extraWithin(p *fitting, extra *Extra) bool {
	value, ok := w.source.extra(extra.Key)
	if !ok {
		return false
	}
	return bytes.Equal(value, extra.Value) || implies(w.own[extra.Key], p.own[extra.Key])
}
