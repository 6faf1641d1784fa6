package restriction

import (
	"slices"
	"time"
)

// Intersect makes the restrictions of a child that gets all that is wanted, or nothing.
// They admit what both wanted and parent admit. They are within parent, and share no
// memory with the arguments.
//
// A wanted clause may leave out keys. It then gets those of the parent's clause: of
// {scope: a} and the parent's {exp: 9, scope: a b} the child gets {exp: 9, scope: a}. If
// the wanted clause has something in common with several clauses of the parent, the child
// gets a clause for each of them, which draws on it. Intersect leaves out a clause that
// adds nothing to another one. It ignores clauses of the parent that expired before now,
// unless nothing else fits.
//
// All that a wanted clause states must be within one clause of the parent. Otherwise the
// error is a [*ChildError], which names the keys that go beyond the closest clause.
//
// A wanted clause without a limit on uses gets the limit of the parent's clause. Uses that
// were spent already do not reduce it, because the child draws on the same budget. A limit
// above 0 must not count twice, so a clause that states one becomes one clause of the
// child. The error is a [*ChildError] if one clause cannot say all that the wanted clause
// and the parent have in common.
//
// Some values have nothing in common here, although a request may satisfy both: two lists
// without a common entry, a host name and an address, and two values of a key that this
// package does not define, if neither is within the other.
//
// Intersect gives the same result as [Narrow] if nothing is wanted, if the parent is
// unrestricted, or if each wanted clause is within the parent as it stands. It returns a
// [*LimitError] if the child would get more than [MaxClauses] clauses, or if the lists have
// so many clauses in common that the work would grow with their product.
func Intersect(parent, wanted List, now time.Time, o NarrowOptions) (Narrowed, error) {
	if len(parent) == 0 || len(wanted) == 0 {
		return Narrow(parent, wanted, o), nil
	}
	x := intersection{
		wanted: newFittings(wanted, o.Conditions), conditions: o.Conditions,
		books: newBooks(parent, &o), live: newSet(len(parent)),
	}
	for i := range parent {
		if parent[i].expired(now) == nil {
			x.live.add(i)
		}
	}
	once := wanted.distinct()
	for i := range wanted {
		if !o.IndependentBudgets {
			if len(once) == 0 || once[0] != i {
				continue
			}
			once = once[1:]
		}
		switch x.add(i); {
		case len(x.out.List) > MaxClauses:
			return Narrowed{}, &LimitError{"clauses", MaxClauses}
		case x.overlapping > maxOverlaps:
			return Narrowed{}, &LimitError{"clauses in common", maxOverlaps}
		}
	}
	if len(x.failed.Clauses) > 0 {
		return Narrowed{}, &x.failed
	}
	if !o.IndependentBudgets {
		x.out = x.out.Merge()
	}
	x.out.List = x.out.List.Clone()
	return x.out, nil
}

// maxOverlaps bounds the clauses that Intersect compares with each other.
const maxOverlaps = 8 * MaxClauses

// intersection is the work of Intersect.
type intersection struct {
	wanted     []fitting
	conditions map[string]Factory
	books      *books
	live       set // clauses of the parent that have not expired

	out         Narrowed // its clauses share memory with the arguments
	failed      ChildError
	overlapping int // how many overlaps were found
}

// overlap is what a wanted clause has in common with one clause of the parent.
type overlap struct {
	fitting
	parent int
}

// add adds what wanted clause n has in common with the parent.
func (x *intersection) add(n int) {
	w, parents := x.wanted[n], x.books.parents
	if i := x.books.choose(&w, parents.covering(&w)); i != NoClause {
		x.take(n, overlap{w, i}) // nothing that others have in common with w adds to it
		return
	}
	w.open = true
	fits := parents.covering(&w)
	for i := range fits.all() {
		if !parents.parents[i].limits().cover(w.limits()) {
			fits.clear(i)
		}
	}
	among := x.live
	if !among.meets(fits) {
		among = fullSet(len(parents.parents))
	}
	if fits.empty() {
		x.failed.addMisfits(n, &w, &parents.parents[parents.closest(&w, among)])
		return
	}
	found, objection := x.overlaps(&w, among, fits)
	key, limited := w.limited()
	switch {
	case objection != nil:
		x.failed.Clauses = append(x.failed.Clauses, &ClauseError{n, objection.Key, objection.Err})
	case limited:
		x.addLimited(n, &w, key, found, fits)
	default:
		x.addAll(n, withoutIdle(found))
	}
}

// addAll adds all overlaps. Equal ones become one clause, which draws where enough is left,
// unless each has a budget of its own.
func (x *intersection) addAll(n int, found []overlap) {
	list := make(List, len(found))
	for i := range found {
		list[i] = *found[i].source
	}
	first := list.distinct()
	if x.books.shared || len(first) == len(found) {
		for _, o := range found {
			x.take(n, o)
		}
		return
	}
	for _, i := range first {
		candidates := newSet(len(x.books.left))
		for k := range found {
			if list[k].Equal(&list[i]) {
				candidates.add(found[k].parent)
			}
		}
		x.take(n, overlap{found[i].fitting, x.books.choose(&found[i].fitting, candidates)})
	}
}

// overlaps returns what w has in common with some clauses of the parent. It removes those
// from fits that have nothing in common with w. If none remains, it says why.
func (x *intersection) overlaps(w *fitting, among, fits set) ([]overlap, *ClauseError) {
	var list List
	var found []overlap
	var objection *ClauseError
	for i := range among.all() {
		c, err := w.meet(&x.books.parents.parents[i])
		if err == nil {
			list, found = append(list, c), append(found, overlap{parent: i})
			continue
		}
		if fits.has(i) && objection == nil {
			objection = err
		}
		fits.clear(i)
	}
	for i, f := range newFittings(list, x.conditions) {
		found[i].fitting = f
	}
	x.overlapping += len(found)
	if among.meets(fits) {
		objection = nil
	}
	return found, objection
}

// addLimited adds the one overlap that covers all others. It draws on a clause that fits.
func (x *intersection) addLimited(n int, w *fitting, key string, found []overlap, fits set) {
	widest := &found[0]
	for i := range found {
		if !found[i].inside(&widest.fitting) {
			widest = &found[i]
		}
	}
	candidates := newSet(len(x.books.left))
	beside := NoClause // a clause whose overlap is not that of widest
	for i := range found {
		switch o := &found[i]; {
		case !o.inside(&widest.fitting):
			x.failed.addAmbiguous(n, key, o.parent, widest.parent)
			return
		case fits.has(o.parent) && widest.inside(&o.fitting):
			candidates.add(o.parent)
		case fits.has(o.parent):
			beside = o.parent
		}
	}
	chosen := x.books.choose(w, candidates)
	if chosen == NoClause {
		x.failed.addAmbiguous(n, key, beside, widest.parent)
		return
	}
	x.take(n, found[slices.IndexFunc(found, func(o overlap) bool { return o.parent == chosen })])
}

// withoutIdle leaves out overlaps that add nothing to another one.
func withoutIdle(found []overlap) []overlap {
	all := make([]fitting, len(found))
	for i := range found {
		all[i] = found[i].fitting
	}
	x := newIndex(all)
	coverers := make([]set, len(all))
	for i := range all {
		coverers[i] = x.covering(&all[i])
		for k := range coverers[i].all() {
			if !all[k].enoughFor(&all[i]) {
				coverers[i].clear(k)
			}
		}
	}
	var kept []overlap
	for i := range all {
		idle := false
		for k := range coverers[i].all() {
			idle = idle || k < i || !coverers[k].has(i) // of two that cover each other, the first stays
		}
		if !idle {
			kept = append(kept, found[i])
		}
	}
	return kept
}

// enoughFor reports whether w needs no budget beside that of other.
func (w *fitting) enoughFor(other *fitting) bool {
	have, want := w.limits(), other.limits()
	return (have.at == noLimit || want.at == 0) && (have.other == noLimit || want.other == 0)
}

// take adds a clause to the child. If siblings share what the parent's clause has left,
// the clause gets no more than that of a limit that the wanted clause left out.
func (x *intersection) take(n int, o overlap) {
	c := *o.source
	if x.books.shared {
		if key, none := c.capUsages(x.books.left[o.parent]); none {
			x.failed.add(n, key, "the clauses before it take all that the parent allows; state a limit in each of them")
			return
		}
	}
	x.books.charge(o.parent, o.limits())
	x.out.List, x.out.Draws = append(x.out.List, c), append(x.out.Draws, o.parent)
}
