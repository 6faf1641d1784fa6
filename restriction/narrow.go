package restriction

import "slices"

// NarrowOptions says how [Narrow] compares a child's restrictions with its parent's. The
// zero value is the safe choice.
type NarrowOptions struct {
	// Conditions are the embedding program's own keys; see [Options.Conditions]. If a key
	// has no factory, its values in parent and child must be equal byte by byte.
	Conditions map[string]Factory

	// Used says how often each clause of the parent was used, by index. It is nil if that
	// is not known. It makes a difference only if a wanted clause fits several clauses of
	// the parent: it decides which of them the child's clause draws on.
	Used []Usage

	// IndependentBudgets follows protocol section 2.6 to the letter, for deployments that
	// do not count the uses of a child against its parent. Narrow then subtracts the
	// limits of each wanted clause from those of the parent's clause, so that later
	// wanted clauses get only what is left. It does not merge equal clauses. The result
	// depends on the order of the clauses.
	IndependentBudgets bool
}

// NoClause stands for "no clause" in place of an index. In [Narrowed.Draws] it means that
// the parent has no clauses.
const NoClause = -1

// Narrowed is the restrictions of a child, as [Narrow] makes them.
type Narrowed struct {
	List List
	// Draws has an entry for each clause of List: the index of the parent's clause that
	// it is within, or [NoClause]. The child's clause draws on that clause: its uses
	// count against the limits of both, except with IndependentBudgets.
	Draws []int
	// Dropped are the wanted clauses that Narrow left out, in order.
	Dropped []Dropped
	// Inherited reports whether List is that of the parent, because nothing was wanted or
	// no wanted clause fits.
	Inherited bool

	misfits []misfit // parallel to Dropped
}

// OK reports whether the child got everything that was wanted. Otherwise an issuer
// refuses a request with error_on_restrictions. For other requests it uses the result and
// shows it in the response (protocol section 2.6).
func (n *Narrowed) OK() bool { return len(n.Dropped) == 0 }

// Dropped is a wanted clause that is within no clause of the parent.
type Dropped struct {
	Clause  int      // index in the wanted list
	Closest int      // index of the parent's clause that it comes closest to
	Keys    []string // wire names of the keys in which it goes beyond that clause
}

// Within reports whether each clause of child is within a clause of parent. The child
// then admits nothing that the parent refuses. factories are as in
// [NarrowOptions].Conditions.
//
// The rules are those of protocol section 2.6, with one exception: a name never covers an
// address, nor an address a name, because the DNS may change. Within returns false for
// anything that it cannot prove.
func Within(child, parent List, factories map[string]Factory) bool {
	if len(parent) == 0 {
		return true
	}
	if len(child) == 0 {
		return false
	}
	parents, children := newIndex(newFittings(parent, factories)), newFittings(child, factories)
	return !slices.ContainsFunc(children, func(w fitting) bool { return !parents.coversSome(&w) })
}

// WithinBudgets is [Within] for lists of which neither counts its uses against the other.
// The limits of the clauses of child must then also be within those of parent together: two
// clauses must not both have the uses of one. Equal clauses of child count once; see
// [Merge]. WithinBudgets returns false if it finds no way to share the uses out.
func WithinBudgets(child, parent List, factories map[string]Factory) bool {
	if !Within(child, parent, factories) {
		return false
	}
	child = child.at(child.distinct())
	o := NarrowOptions{Conditions: factories, IndependentBudgets: true}
	if child.Equal(parent) {
		return true
	}
	if n := Narrow(parent, child, o); n.OK() {
		return true
	}
	// In another order: those first that fit the fewest clauses of the parent.
	x, fits := newIndex(newFittings(parent, factories)), make(map[*Clause]int)
	pickiest := make([]*Clause, len(child))
	for i, w := range newFittings(child, factories) {
		pickiest[i] = &child[i]
		for range x.covering(&w).all() {
			fits[pickiest[i]]++
		}
	}
	slices.SortStableFunc(pickiest, func(a, b *Clause) int { return fits[a] - fits[b] })
	sorted := make(List, len(child))
	for i, c := range pickiest {
		sorted[i] = *c
	}
	n := Narrow(parent, sorted, o)
	return n.OK()
}

// coversSome reports whether w is within a parent.
func (x *index) coversSome(w *fitting) bool {
	for i := range x.covering(w).all() {
		if x.parents[i].limits().cover(w.limits()) {
			return true
		}
	}
	return false
}

// Narrow makes the restrictions of a child. The result is always within parent and shares
// no memory with the arguments.
//
// If parent is unrestricted, the child gets what is wanted. If nothing is wanted, or no
// wanted clause fits, it gets all clauses of the parent. Otherwise it gets the wanted
// clauses that are within some clause of the parent. The order of the clauses in parent
// and wanted does not matter for that. Narrow merges equal clauses.
//
// A wanted clause may fit several of the parent's clauses. It then draws on the first one
// that has enough uses left for it and for all clauses that already draw on that one. If
// none has enough, it draws on the first one that fits.
func Narrow(parent, wanted List, o NarrowOptions) Narrowed {
	if !o.IndependentBudgets {
		origin := wanted.distinct()
		narrowed := narrow(parent, wanted.at(origin), &o)
		for i := range narrowed.Dropped {
			narrowed.Dropped[i].Clause = origin[narrowed.Dropped[i].Clause]
			narrowed.misfits[i].clause = narrowed.Dropped[i].Clause
		}
		return narrowed
	}
	return narrow(parent, wanted, &o)
}

func narrow(parent, wanted List, o *NarrowOptions) Narrowed {
	if len(wanted) == 0 {
		return inherit(parent)
	}
	if len(parent) == 0 {
		return Narrowed{List: wanted.Clone(), Draws: slices.Repeat([]int{NoClause}, len(wanted))}
	}
	var n Narrowed
	books := newBooks(parent, o)
	fittings := newFittings(wanted, o.Conditions)
	for i := range fittings {
		draws, dropped := books.draw(&fittings[i])
		if dropped != nil {
			dropped.Clause = i
			n.Dropped = append(n.Dropped, *dropped)
			n.misfits = append(n.misfits, misfit{i, fittings[i], books.parents.parents[dropped.Closest]})
			continue
		}
		n.List = append(n.List, wanted[i].Clone())
		n.Draws = append(n.Draws, draws)
	}
	if len(n.List) == 0 {
		dropped, misfits := n.Dropped, n.misfits
		n = inherit(parent)
		n.Dropped, n.misfits = dropped, misfits
	}
	return n
}

// inherit gives a child the clauses of the parent. Each draws on its original.
func inherit(parent List) Narrowed {
	n := Narrowed{List: parent.Clone(), Inherited: true}
	for i := range parent {
		n.Draws = append(n.Draws, i)
	}
	return n
}

// books keep account of the limits of the parent's clauses while wanted clauses draw on
// them.
type books struct {
	parents *index
	left    []limits
	shared  bool // a wanted clause must fit what is left of a limit, not the whole limit
}

func newBooks(parent List, o *NarrowOptions) *books {
	b := &books{parents: newIndex(newFittings(parent, o.Conditions)), shared: o.IndependentBudgets}
	for i := range b.parents.parents {
		left := b.parents.parents[i].limits()
		if !b.shared && i < len(o.Used) {
			left = left.minus(limits{o.Used[i].AT, o.Used[i].Other})
		}
		b.left = append(b.left, left)
	}
	return b
}

// draw finds the parent's clause for w and subtracts w's limits from what that clause has
// left. If no clause fits, it says why.
func (b *books) draw(w *fitting) (int, *Dropped) {
	chosen := b.choose(w, b.parents.covering(w))
	if chosen == NoClause {
		return NoClause, b.dropped(w)
	}
	b.charge(chosen, w.limits())
	return chosen, nil
}

// choose returns the first of some parent's clauses that allows w's limits and has enough
// left for them. If none has enough left, it returns the first one that allows them.
func (b *books) choose(w *fitting, among set) int {
	chosen := NoClause
	for i := range among.all() {
		if !b.parents.parents[i].limits().cover(w.limits()) {
			continue
		}
		if enough := b.left[i].cover(w.limits()); enough || chosen == NoClause {
			chosen = i
			if enough {
				break
			}
		}
	}
	return chosen
}

// charge subtracts limits from what a parent's clause has left.
func (b *books) charge(i int, amount limits) {
	b.left[i] = b.left[i].minus(amount)
	if b.shared {
		parent := &b.parents.parents[i]
		parent.at.limit, parent.other.limit = b.left[i].at, b.left[i].other
	}
}

// dropped finds the parent's clause with the fewest keys that keep w from being within
// it.
func (b *books) dropped(w *fitting) *Dropped {
	closest := b.parents.closest(w, fullSet(len(b.left)))
	return &Dropped{Closest: closest, Keys: w.misfits(&b.parents.parents[closest])}
}

// limits is how many uses a clause allows, by kind.
type limits struct{ at, other int64 }

// cover reports whether l has enough uses for w. A limit never covers an unlimited
// number.
func (l limits) cover(w limits) bool { return w.at <= l.at && w.other <= l.other }

// minus subtracts w from l where both are limited.
func (l limits) minus(w limits) limits {
	return limits{subtract(l.at, w.at), subtract(l.other, w.other)}
}

func subtract(left, amount int64) int64 {
	if left == noLimit || amount == noLimit {
		return left
	}
	return max(left-max(amount, 0), min(left, 0)) // a negative limit allows nothing, and stays
}
