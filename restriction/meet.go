package restriction

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// inside reports whether p admits each use that w admits, as long as p has uses left.
func (w *fitting) inside(p *fitting) bool {
	have, want := p.limits(), w.limits()
	if have.at == 0 && want.at > 0 || have.other == 0 && want.other > 0 {
		return false
	}
	for _, name := range w.misfits(p) {
		if !isUsages(name) {
			return false
		}
	}
	return true
}

// meet returns the clause that w and p have in common. It shares memory with both. If
// there is none, the error names a key and says what p has.
func (w *fitting) meet(p *fitting) (Clause, *ClauseError) {
	c := *w.source
	for _, k := range keys {
		if !k.states(p.source) {
			continue
		}
		list, isList := k.(listKeyed)
		overlapping, overlaps := k.(overlapKeyed)
		switch child, parent := w.partOf(k), p.partOf(k); {
		case !k.states(w.source):
			k.take(&c, p.source)
		case child.within(parent):
		case parent.within(child):
			k.take(&c, p.source)
		case isList:
			*list.list(&c) = list.common(child, parent)
		case overlaps && !overlapping.overlap(&c, child, parent):
			return c, noOverlap(k.name(), "no value says what is in common with the parent's %s", k.show(p.source))
		}
		if isList && len(*list.list(&c)) == 0 {
			return c, noOverlap(k.name(), "nothing is in common with the parent's %s", k.show(p.source))
		}
	}
	c.Extra = slices.Clone(c.Extra)
	for i := range p.source.Extra {
		extra := &p.source.Extra[i]
		at := slices.IndexFunc(c.Extra, func(e Extra) bool { return e.Key == extra.Key })
		first, _ := p.source.extra(extra.Key)
		switch {
		case !bytes.Equal(first, extra.Value): // no JSON does that, and nothing is within p
			return c, noOverlap(extra.Key, "the parent states it twice")
		case at < 0:
			c.Extra = append(c.Extra, *extra)
		case w.extraWithin(p, extra):
		case p.extraWithin(w, &c.Extra[at]):
			c.Extra[at] = *extra
		default:
			return c, noOverlap(extra.Key, beyondUnknown)
		}
	}
	return c, w.contradiction(p, &c)
}

// contradiction says which key of w leaves nothing of c, the clause that w and p have in
// common.
func (w *fitting) contradiction(p *fitting, c *Clause) *ClauseError {
	switch {
	case c.endsFirst() && c.Expires == p.source.Expires:
		return noOverlap(KeyNotBefore, "the parent allows a time until %s, not from %s", instant(c.Expires), instant(c.NotBefore))
	case c.endsFirst():
		return noOverlap(KeyExpires, "the parent allows a time from %s, not until %s", instant(c.NotBefore), instant(c.Expires))
	}
	return cmp.Or(w.noCountry(p, c), w.noTime(p, c))
}

func noOverlap(key, format string, args ...any) *ClauseError {
	return &ClauseError{Key: key, Err: fmt.Errorf(format, args...)}
}
