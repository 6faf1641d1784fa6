package restriction

import (
	"hash/maphash"
	"slices"
)

// Merge returns a copy of l without repeated clauses. It keeps the first of equal ones.
// An issuer merges the list that it puts into a token, so that the limits of a repeated
// clause count only once.
func Merge(l List) List { return l.at(l.distinct()).Clone() }

// Merge returns n without repeated clauses. It keeps the first of equal ones, and on
// which clause that draws. Clauses may become equal when their lifetime is limited.
func (n Narrowed) Merge() Narrowed {
	first := n.List.distinct()
	draws := make([]int, len(first))
	for i, k := range first {
		draws[i] = n.Draws[k]
	}
	n.List, n.Draws = n.List.at(first), draws
	return n
}

// distinct returns the index of each clause that equals no earlier one.
func (l List) distinct() []int {
	seed := maphash.MakeSeed()
	seen := make(map[uint64][]int, len(l))
	var first []int
	for i := range l {
		sum := l[i].hash(seed)
		if !slices.ContainsFunc(seen[sum], func(k int) bool { return l[k].Equal(&l[i]) }) {
			seen[sum] = append(seen[sum], i)
			first = append(first, i)
		}
	}
	return first
}

// at returns the clauses with these indices. They share memory with l.
func (l List) at(indices []int) List {
	var out List
	for _, i := range indices {
		out = append(out, l[i])
	}
	return out
}

// hash returns the same number for clauses that are equal.
func (c *Clause) hash(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, k := range keys {
		k.hash(&h, c)
	}
	sum := h.Sum64()
	for i := range c.Extra { // in any order
		sum += maphash.Comparable(seed, [2]string{c.Extra[i].Key, string(c.Extra[i].Value)})
	}
	return sum
}
