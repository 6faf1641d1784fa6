package restriction

import "slices"

// NarrowOptions says how a child's restrictions are compared with its parent's. The zero
// value is the safe choice.
type NarrowOptions struct {
	// Conditions are the embedding program's own keys; see [Options.Conditions]. A key
	// without a factory must have the same value, byte by byte, in parent and child.
	Conditions map[string]Factory

	// Used is what was spent of the parent's clauses, by index. It is nil if that is not
	// known. It only decides on which of several fitting clauses a child's clause draws.
	Used []Usage

	// IndependentBudgets follows protocol section 2.6 to the letter, for deployments that
	// do not charge the uses of a child to its parent. The clauses of one request then
	// share the budgets of the parent's clauses, each in turn, and equal clauses are not
	// merged. The result depends on the order of the clauses.
	IndependentBudgets bool
}

// NoClause is the index that a clause draws on if its parent is unrestricted.
const NoClause = -1

// Narrowed is the restrictions of a child.
type Narrowed struct {
	List List
	// Draws has an index for each clause of List: the parent's clause that it is within
	// and on whose budget it draws, or [NoClause].
	Draws []int
	// Dropped are the wanted clauses that were left out, in order.
	Dropped []Dropped
	// Inherited is true if List is the parent's. Either nothing else was wanted, or
	// nothing that was wanted fits.
	Inherited bool
}

// OK reports whether the child got what was wanted. If not, a request with
// error_on_restrictions fails, and other requests use and show the result (protocol
// section 2.6).
func (n *Narrowed) OK() bool { return len(n.Dropped) == 0 }

// Dropped is a wanted clause that is within no clause of the parent.
type Dropped struct {
	Clause  int      // index in the wanted list
	Closest int      // the parent's clause with the fewest keys in the way
	Keys    []string // those keys
}

// Within reports whether each clause of child is within one of parent's, so that child
// admits nothing that parent refuses. factories are as in [NarrowOptions].Conditions.
//
// The rules are those of protocol section 2.6, with one exception: names and addresses do
// not cover each other, because the DNS may change. Whatever cannot be proven is not
// within.
func Within(child, parent List, factories map[string]Factory) bool {
	if len(parent) == 0 {
		return true
	}
	if len(child) == 0 {
		return false
	}
	parents, children := newFittings(parent, factories), newFittings(child, factories)
	for i := range children {
		if !children[i].fitsAny(parents) {
			return false
		}
	}
	return true
}

func (w *fitting) fitsAny(parents []fitting) bool {
	for i := range parents {
		if w.fits(&parents[i]) {
			return true
		}
	}
	return false
}

// Narrow makes the restrictions of a child. The result is always within parent and shares
// no memory with the arguments.
//
// If parent is unrestricted, the child gets what is wanted. If nothing is wanted, or
// nothing wanted fits, it gets all that parent has. Otherwise it gets the wanted clauses
// that are within some clause of parent, in whatever order either has them. Equal clauses
// are merged.
//
// A clause may fit several of the parent's. It draws on the first one that has enough
// uses left for it and for all clauses that already draw on it. If none has enough, it
// draws on the first.
func Narrow(parent, wanted List, o NarrowOptions) Narrowed {
	if !o.IndependentBudgets {
		merged, origin := merge(wanted)
		narrowed := narrow(parent, merged, &o)
		for i := range narrowed.Dropped {
			narrowed.Dropped[i].Clause = origin[narrowed.Dropped[i].Clause]
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
			continue
		}
		n.List = append(n.List, wanted[i].Clone())
		n.Draws = append(n.Draws, draws)
	}
	if len(n.List) == 0 {
		dropped := n.Dropped
		n = inherit(parent)
		n.Dropped = dropped
	}
	return n
}

// inherit gives a child the parent's clauses, each drawing on its own.
func inherit(parent List) Narrowed {
	n := Narrowed{List: parent.Clone(), Inherited: true}
	for i := range parent {
		n.Draws = append(n.Draws, i)
	}
	return n
}

// books keep the budgets of the parent's clauses while children draw on them.
type books struct {
	parents []fitting
	left    []limits
	shared  bool // what is left of a clause, not all that it allows, bounds a child
}

func newBooks(parent List, o *NarrowOptions) *books {
	b := &books{parents: newFittings(parent, o.Conditions), shared: o.IndependentBudgets}
	for i := range b.parents {
		left := b.parents[i].limits()
		if !b.shared && i < len(o.Used) {
			left = left.minus(limits{o.Used[i].AT, o.Used[i].Other})
		}
		b.left = append(b.left, left)
	}
	return b
}

// draw finds the parent's clause for w and takes w's budget from it, or says why there is
// none.
func (b *books) draw(w *fitting) (int, *Dropped) {
	chosen := NoClause
	for i := range b.parents {
		if !w.fits(&b.parents[i]) {
			continue
		}
		if enough := b.left[i].cover(w.limits()); enough || chosen == NoClause {
			chosen = i
			if enough {
				break
			}
		}
	}
	if chosen == NoClause {
		return NoClause, b.dropped(w)
	}
	b.left[chosen] = b.left[chosen].minus(w.limits())
	if b.shared {
		b.parents[chosen].at.limit, b.parents[chosen].other.limit = b.left[chosen].at, b.left[chosen].other
	}
	return chosen, nil
}

// dropped finds the clause that is closest to w.
func (b *books) dropped(w *fitting) *Dropped {
	var closest Dropped
	for i := range b.parents {
		if keys := w.misfits(&b.parents[i], 0); i == 0 || len(keys) < len(closest.Keys) {
			closest = Dropped{Closest: i, Keys: keys}
		}
	}
	return &closest
}

// limits is how many uses a clause has, by kind.
type limits struct{ at, other int64 }

// cover reports whether l has enough for w. A limit does not cover the lack of one.
func (l limits) cover(w limits) bool { return w.at <= l.at && w.other <= l.other }

// minus takes from what is limited on both sides.
func (l limits) minus(w limits) limits {
	return limits{subtract(l.at, w.at), subtract(l.other, w.other)}
}

func subtract(left, amount int64) int64 {
	if left == noLimit || amount == noLimit {
		return left
	}
	return max(left-max(amount, 0), 0)
}

// Merge returns a copy of l in which equal clauses are one, at the first place. An issuer
// merges the list that it puts into a token. The budget of a clause then counts once,
// however often it was given.
func Merge(l List) List {
	merged, _ := merge(l)
	return merged
}

// merge also returns the index in l of each remaining clause.
func merge(l List) (merged List, origin []int) {
	for i := range l {
		if !slices.ContainsFunc(merged, func(c Clause) bool { return c.Equal(&l[i]) }) {
			merged = append(merged, l[i].Clone())
			origin = append(origin, i)
		}
	}
	return merged, origin
}
