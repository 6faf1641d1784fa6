package plan

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// Clauses returns the shortest list of clauses that covers the plan and admits
// nothing else, for a job that is submitted at an instant. [Plan.Prove] proves
// both.
//
// To cover the plan: every phase gets each of its uses, at any second between
// its earliest begin and its latest end, from each of its hosts, in whatever
// order phases that overlap make theirs. To admit nothing else: what the list
// admits, some phase needs, the number of uses included.
//
// Why no list is shorter. An access token is asked for all its scopes at once,
// so a clause that admits a label, which is a set of scopes and audiences, at
// some second from some host admits nothing else only if one phase needs that
// label there, or more. So clauses for phases without a limit on uses are
// boxes, of time and hosts, within what the plan needs of one label, and they
// have to cover each label where no phase needs more. For limits, look at any
// set of requests: how many of them the plan allows is the sum of the limits of
// the phases that have to do with the set, and this sum for all sets leaves no
// choice which limits there are. So phases with a limit share a clause exactly
// if the same remains of both apart from what is unlimited. Both kinds of use
// can be in one clause. All boxes that cannot be made larger are candidates,
// and an exhaustive search takes the fewest.
//
// Hosts are compared entry by entry: that several blocks together are another
// one is not seen, and the clauses have no other entries than the plan.
//
// The errors are [ErrInvalid], [ErrSubmission], [ErrContended] and, where the
// search is too large, [ErrTooComplex].
func (p Plan) Clauses(submitted time.Time) (restriction.List, error) {
	times, err := p.schedule(submitted)
	if err != nil {
		return nil, err
	}
	w := newWork(&p, times)
	at, other := w.parts(restriction.AT), w.parts(restriction.Other)
	chosen, ok := shortest(w.offers(at, other), w.elements)
	if !ok {
		return nil, ErrTooComplex
	}
	clauses := w.trim(chosen)
	for _, order := range orders {
		slices.SortStableFunc(clauses, order)
		list := w.list(clauses)
		if p.carried(times, list) {
			return list, list.Validate()
		}
	}
	return nil, ErrContended
}

// trim takes from each offer what the ones before it cover, and makes its box
// as small as what it is for: the phases that fit in it, and the elements that
// are left.
func (w *work) trim(chosen []*offer) []*offer {
	slices.SortStableFunc(chosen, func(a, b *offer) int {
		return cmp.Or(cmp.Compare(a.box.first, b.box.first), cmp.Compare(b.box.last, a.box.last))
	})
	covered := newSet(w.elements)
	var trimmed []*offer
	for _, o := range chosen {
		t := &offer{box: box{first: -1}, covers: o.covers}
		t.at = w.keep(o, o.at, covered, t)
		t.other = w.keep(o, o.other, covered, t)
		covered.union(o.covers)
		trimmed = append(trimmed, t)
	}
	return trimmed
}

// keep returns the part if it covers something new, and extends the box of t to
// what it is for.
func (w *work) keep(o *offer, p *part, covered set, t *offer) *part {
	if p == nil {
		return nil
	}
	fresh := newSet(w.elements)
	w.cover(&o.box, p, fresh)
	fresh.minus(covered)
	if fresh.empty() {
		return nil
	}
	for _, i := range p.phases {
		if w.boxes[i].within(&o.box) {
			t.extend(&w.boxes[i])
		}
	}
	o.box.each(w.grid, func(segment, column, cell int) {
		if p.required != nil && p.required[cell] || p.required == nil && p.elements[cell] >= 0 && fresh.has(p.elements[cell]) {
			one := box{segment, segment, make([]bool, len(w.grid.hosts))}
			one.columns[column] = true
			t.extend(&one)
		}
	})
	return p
}

func (o *offer) extend(b *box) {
	if o.box.first < 0 {
		o.box = box{b.first, b.last, slices.Clone(b.columns)}
		return
	}
	o.box = o.box.join(b)
}

// orders are those in which clauses are tried: by their end, begin and size, as
// people write them, and, since a use spends from the first that fits, with
// those that have no limit first.
var orders = []func(a, b *offer) int{
	(*offer).order,
	func(a, b *offer) int { return cmp.Or(a.at.order(b.at), a.other.order(b.other), a.order(b)) },
	func(a, b *offer) int { return cmp.Or(a.other.order(b.other), a.at.order(b.at), a.order(b)) },
}

func (o *offer) order(b *offer) int {
	return cmp.Or(cmp.Compare(o.box.last, b.box.last), cmp.Compare(o.box.first, b.box.first), cmp.Compare(o.size(), b.size()))
}

// order sorts a limit after none.
func (p *part) order(q *part) int { return cmp.Compare(p.rank(), q.rank()) }

func (p *part) rank() int {
	if p == nil || p.uses == AnyNumber {
		return 0
	}
	return 1
}

// size is how many scopes and audiences an offer is for.
func (o *offer) size() int {
	if o.at == nil {
		return 0
	}
	return len(o.at.label.scopes) + len(o.at.label.audiences)
}

// list writes the clauses.
func (w *work) list(offers []*offer) restriction.List {
	list := make(restriction.List, len(offers))
	for i, o := range offers {
		t := w.grid.time(o.box.first, o.box.last)
		list[i] = restriction.Clause{
			NotBefore: t.first, Expires: t.last, Hosts: w.grid.entries(o.box.columns),
			UsagesAT: o.at.limit(), UsagesOther: o.other.limit(),
		}
		if o.at != nil {
			list[i].Scopes, list[i].Audiences = o.at.label.scopes, o.at.label.audiences
		}
	}
	return list.Clone()
}

// limit is how many uses a clause with the part admits; nil is no limit.
func (p *part) limit() *int64 {
	switch {
	case p == nil:
		return restriction.Usages(0)
	case p.uses == AnyNumber:
		return nil
	}
	return restriction.Usages(p.uses)
}

// count is how many elements a set has.
func count(b []uint64) int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}
