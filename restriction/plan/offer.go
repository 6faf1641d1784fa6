package plan

import "slices"

// offer is a clause that admits nothing else than the plan, and cannot be made
// longer or wider without doing so.
type offer struct {
	box       box
	at, other *part // nil admits no uses of the kind
	covers    set
}

// set is a set of elements.
type set []uint64

func newSet(n int) set        { return make(set, (n+63)/64) }
func (b set) add(i int)       { b[i/64] |= 1 << (i % 64) }
func (b set) has(i int) bool  { return b[i/64]&(1<<(i%64)) != 0 }
func (b set) union(other set) { b.apply(other, func(x, y uint64) uint64 { return x | y }) }
func (b set) minus(other set) { b.apply(other, func(x, y uint64) uint64 { return x &^ y }) }
func (b set) empty() bool     { return !slices.ContainsFunc(b, func(x uint64) bool { return x != 0 }) }

func (b set) apply(other set, f func(x, y uint64) uint64) {
	for i := range b {
		b[i] = f(b[i], other[i])
	}
}

func (b set) within(other set) bool {
	for i := range b {
		if b[i]&^other[i] != 0 {
			return false
		}
	}
	return true
}

// offers lists all clauses that are worth considering.
func (w *work) offers(at, other []*part) []*offer {
	var all []*offer
	for _, a := range append([]*part{nil}, at...) {
		for _, o := range append([]*part{nil}, other...) {
			if a != nil || o != nil {
				all = w.pairOffers(all, a, o)
			}
		}
	}
	return undominated(all)
}

// pairOffers adds the largest boxes in which both parts are allowed.
func (w *work) pairOffers(all []*offer, at, other *part) []*offer {
	for first := range w.grid.segments() {
		columns := slices.Repeat([]bool{true}, len(w.grid.hosts))
		for last := first; last < w.grid.segments(); last++ {
			for column := range columns {
				cell := w.grid.cell(last, column)
				columns[column] = columns[column] && at.allows(cell) && other.allows(cell)
			}
			if !slices.Contains(columns, true) {
				break
			}
			b := box{first, last, slices.Clone(columns)}
			if o := w.offer(b, at, other); o != nil {
				all = append(all, o)
			}
		}
	}
	return all
}

// allows is true of no part, which admits nothing.
func (p *part) allows(cell int) bool { return p == nil || p.allowed[cell] }

// offer returns nil if the box lacks what the parts require, or has nothing
// that must be covered.
func (w *work) offer(b box, at, other *part) *offer {
	o := &offer{box: b, at: at, other: other, covers: newSet(w.elements)}
	for _, p := range []*part{at, other} {
		if p == nil {
			continue
		}
		if !w.cover(&b, p, o.covers) {
			return nil
		}
	}
	if o.covers.empty() {
		return nil
	}
	return o
}

// cover collects the elements of a part that a box has.
func (w *work) cover(b *box, p *part, covered set) bool {
	if p.required == nil {
		b.each(w.grid, func(_, _, cell int) {
			if p.elements[cell] >= 0 {
				covered.add(p.elements[cell])
			}
		})
		return true
	}
	for cell, required := range p.required {
		if required && !b.has(cell/len(w.grid.hosts), cell%len(w.grid.hosts)) {
			return false
		}
	}
	covered.add(p.group)
	return true
}

// undominated leaves out offers that cover no more than another one; of equal
// ones the first stays.
func undominated(all []*offer) []*offer {
	var kept []*offer
	for _, o := range all {
		if slices.ContainsFunc(kept, func(k *offer) bool { return o.covers.within(k.covers) }) {
			continue
		}
		kept = slices.DeleteFunc(kept, func(k *offer) bool { return k.covers.within(o.covers) })
		kept = append(kept, o)
	}
	return kept
}

// mostNodes bounds the search for the shortest list.
const mostNodes = 200_000

// shortest returns as few offers as cover all elements, or false if the search
// did not come to an end.
func shortest(offers []*offer, elements int) ([]*offer, bool) {
	s := &search{offers: offers, nodes: mostNodes}
	for i := range offers {
		s.largest = max(s.largest, count(offers[i].covers))
	}
	all := newSet(elements)
	for i := range elements {
		all.add(i)
	}
	for most := 0; most <= elements; most++ {
		if chosen, ok := s.choose(all, most); ok {
			return chosen, true
		}
		if s.nodes <= 0 {
			return nil, false
		}
	}
	return nil, false
}

// search is a search for a cover, deeper and deeper.
type search struct {
	offers  []*offer
	largest int // elements that one offer covers at most
	nodes   int // that may still be visited
}

// choose covers what is left with at most so many offers: it takes the element
// that the fewest of them cover and tries each of these.
func (s *search) choose(left set, most int) ([]*offer, bool) {
	if left.empty() {
		return nil, true
	}
	if s.nodes--; s.nodes <= 0 || count(left) > most*s.largest {
		return nil, false
	}
	for _, o := range s.hardest(left) {
		rest := slices.Clone(left)
		rest.minus(o.covers)
		if chosen, ok := s.choose(rest, most-1); ok {
			return append(chosen, o), true
		}
	}
	return nil, false
}

// hardest returns the offers for the element that the fewest cover.
func (s *search) hardest(left set) []*offer {
	var fewest []*offer
	found := false
	for i := range len(left) * 64 {
		if !left.has(i) {
			continue
		}
		var with []*offer
		for _, o := range s.offers {
			if o.covers.has(i) {
				with = append(with, o)
			}
		}
		if !found || len(with) < len(fewest) {
			fewest, found = with, true
		}
	}
	return fewest
}
