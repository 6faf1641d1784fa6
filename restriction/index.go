package restriction

import (
	"bytes"
	"iter"
	"math/bits"
	"slices"
)

// index finds the clauses of a parent that a clause is within, without comparing it with
// each of them. Otherwise the work would grow with the product of what a token holds and
// what a request asks for. It gives the same answers as [fitting.misfits], except that it
// leaves limits on uses to its caller: they change while clauses draw on them.
type index struct {
	parents []fitting
	keys    []keyIndex // parallel to keys; nil for limits on uses
	extras  []extraGroup
}

// indexedKey is a key whose parts can be indexed.
type indexedKey interface {
	key
	// index prepares the parts of the parents, of which some may be nil.
	index(parents []part) keyIndex
}

// keyIndex holds one key of all parents.
type keyIndex interface {
	// covering returns the parents of which the child is within the part. Parents without
	// the part are among them. child may be nil.
	covering(child part) set
}

// extraGroup is the parents that state the same value of an extra key.
type extraGroup struct {
	key          string
	value, first []byte // first is what a look-up of the key finds, if it occurs twice
	parents      set
	one          int // any of the parents
}

func newIndex(parents []fitting) *index {
	x := &index{parents: parents, keys: make([]keyIndex, len(keys))}
	for n, k := range keys {
		if k, ok := k.(indexedKey); ok {
			parts := make([]part, len(parents))
			for i := range parents {
				parts[i] = parents[i].partOf(k)
			}
			x.keys[n] = k.index(parts)
		}
	}
	groups := make(map[[3]string]int)
	for i := range parents {
		for e := range parents[i].source.Extra {
			extra := &parents[i].source.Extra[e]
			first, _ := parents[i].source.extra(extra.Key)
			id := [3]string{extra.Key, string(extra.Value), string(first)}
			n, ok := groups[id]
			if !ok {
				n = len(x.extras)
				groups[id] = n
				x.extras = append(x.extras, extraGroup{extra.Key, extra.Value, first, newSet(len(parents)), i})
			}
			x.extras[n].parents.add(i)
		}
	}
	return x
}

// covering returns the parents that w is within, limits on uses aside.
func (x *index) covering(w *fitting) set {
	found := fullSet(len(x.parents))
	for n, k := range x.keys {
		if k != nil && !found.empty() && !w.leavesOut(keys[n]) {
			found.keep(k.covering(w.partOf(keys[n])))
		}
	}
	for i := range x.extras {
		if g := &x.extras[i]; found.meets(g.parents) && !x.extraWithin(w, g) {
			found.remove(g.parents)
		}
	}
	return found
}

// closest returns the first of some parents with the fewest keys that keep w from being
// within it.
func (x *index) closest(w *fitting, among set) int {
	misfits := make([]int, len(x.parents))
	for n, k := range x.keys {
		if k == nil || w.leavesOut(keys[n]) {
			continue
		}
		beyond := fullSet(len(x.parents))
		beyond.remove(k.covering(w.partOf(keys[n])))
		for i := range beyond.all() {
			misfits[i]++
		}
	}
	for i := range x.extras {
		if g := &x.extras[i]; !x.extraWithin(w, g) {
			for i := range g.parents.all() {
				misfits[i]++
			}
		}
	}
	best := NoClause
	for i := range among.all() {
		own, parent := w.limits(), x.parents[i].limits()
		if own.at > parent.at {
			misfits[i]++
		}
		if own.other > parent.other {
			misfits[i]++
		}
		if best == NoClause || misfits[i] < misfits[best] {
			best = i
		}
	}
	return best
}

func (x *index) extraWithin(w *fitting, g *extraGroup) bool {
	if value, ok := w.source.extra(g.key); ok && bytes.Equal(value, g.value) {
		return true
	}
	return w.extraWithin(&x.parents[g.one], &Extra{g.key, g.value})
}

// orderedIndex is the index of a key whose part is a number. A child is within the
// parents that rank no higher.
type orderedIndex struct {
	rank  func(part) int64
	ranks []int64 // sorted
	upTo  []set   // upTo[n] is the parents with the first n ranks
}

func newOrderedIndex(parents []part, rank func(part) int64) *orderedIndex {
	o := &orderedIndex{rank: rank}
	byRank := make(map[int64]set)
	for i, p := range parents {
		r := rank(p)
		if byRank[r] == nil {
			byRank[r] = newSet(len(parents))
			o.ranks = append(o.ranks, r)
		}
		byRank[r].add(i)
	}
	slices.Sort(o.ranks)
	o.upTo = []set{newSet(len(parents))}
	for n, r := range o.ranks {
		next := slices.Clone(o.upTo[n])
		next.join(byRank[r])
		o.upTo = append(o.upTo, next)
	}
	return o
}

func (o *orderedIndex) covering(child part) set {
	at, found := slices.BinarySearch(o.ranks, o.rank(child))
	if found {
		at++
	}
	return o.upTo[at]
}

// listIndex is the index of a key whose part is a list. A child is within a parent that
// covers each of its entries.
type listIndex[E comparable] struct {
	free    set // parents without a list
	entries map[E]set
	// needs yields, for each entry of a child, the entries of a parent that cover it, and
	// returns whether the child has a list. A slice is valid until the next one.
	needs func(part) (iter.Seq[[]E], bool)
}

// newListIndex makes an index. entries returns the entries of a parent, and whether it
// has a list.
func newListIndex[E comparable](parents []part, entries func(part) ([]E, bool), needs func(part) (iter.Seq[[]E], bool)) *listIndex[E] {
	l := &listIndex[E]{newSet(len(parents)), make(map[E]set), needs}
	for i, p := range parents {
		all, has := entries(p)
		if !has {
			l.free.add(i)
		}
		for _, entry := range all {
			with := l.entries[entry]
			if with == nil {
				with = newSet(len(parents))
				l.entries[entry] = with
			}
			with.add(i)
		}
	}
	return l
}

func (l *listIndex[E]) covering(child part) set {
	needs, has := l.needs(child)
	if !has {
		return l.free
	}
	found, some := fullSet(64*len(l.free)), make(set, len(l.free))
	for covers := range needs {
		clear(some)
		for _, entry := range covers {
			some.join(l.entries[entry])
		}
		found.keep(some)
	}
	found.join(l.free)
	return found
}

// set is a set of small numbers. Sets that are combined are of one size; a nil set is
// empty.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func fullSet(n int) set {
	s := newSet(n)
	for i := range s {
		s[i] = ^uint64(0)
	}
	if n%64 != 0 {
		s[len(s)-1] = 1<<(n%64) - 1
	}
	return s
}

func (s set) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s set) clear(i int) { s[i/64] &^= 1 << (i % 64) }

func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s set) join(other set) {
	for i := range other {
		s[i] |= other[i]
	}
}

func (s set) keep(other set) {
	for i := range s {
		s[i] &= other[i]
	}
}

func (s set) remove(other set) {
	for i := range other {
		s[i] &^= other[i]
	}
}

func (s set) meets(other set) bool {
	for i := range other {
		if s[i]&other[i] != 0 {
			return true
		}
	}
	return false
}

func (s set) empty() bool { return !s.meets(s) }

// all yields the numbers in order.
func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(64*i + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}
