package plan

import (
	"slices"

	"github.com/mytoken-go/sdk/restriction"
)

// part is what a clause may do for one kind of use.
//
// For phases without a limit, it admits one label wherever some phase admits at
// least that. For phases with a limit, see group.
type part struct {
	label label // of access tokens; the zero label for other uses
	uses  int64 // AnyNumber, or how many

	allowed  []bool // by cell: where a clause with this part admits nothing else
	required []bool // by cell: what a clause with this part has to have; nil is nothing
	phases   []int  // that it is for

	// Elements are what has to be covered: by cell for a part without a limit, -1
	// where there is none, and one for the whole of a part with a limit.
	elements []int
	group    int
}

// parts are the ways in which clauses can serve one kind of use.
type parts struct {
	work *work
	kind restriction.Kind
	list []*part
}

// work is a plan on its grid.
type work struct {
	plan     *Plan
	grid     *grid
	boxes    []box // by phase
	elements int   // how many there are
}

func newWork(p *Plan, times []seconds) *work {
	hosts := make([][]string, len(p.Phases))
	for i := range p.Phases {
		hosts[i] = p.Phases[i].Hosts
	}
	w := &work{plan: p, grid: newGrid(times, hosts)}
	for i := range p.Phases {
		w.boxes = append(w.boxes, w.grid.box(times[i], p.Phases[i].Hosts))
	}
	return w
}

// labelOf is what a phase asks access tokens for. Other uses ask for nothing.
func (w *work) labelOf(phase int, kind restriction.Kind) label {
	if kind != restriction.AT {
		return label{}
	}
	return newLabel(w.plan.Phases[phase].Scopes, w.plan.Phases[phase].Audiences)
}

// parts finds the parts for a kind of use and the elements to be covered.
func (w *work) parts(kind restriction.Kind) []*part {
	p := parts{work: w, kind: kind}
	for i := range w.plan.Phases {
		if w.plan.Phases[i].need(kind) == AnyNumber {
			p.addUnlimited(i)
		}
	}
	for _, unlimited := range p.list {
		p.place(unlimited)
	}
	p.list = slices.DeleteFunc(p.list, func(q *part) bool { return !slices.ContainsFunc(q.elements, func(e int) bool { return e >= 0 }) })
	for i := range w.plan.Phases {
		if w.plan.Phases[i].need(kind) > 0 {
			p.addLimited(i)
		}
	}
	return p.list
}

// addUnlimited adds a phase without a limit to the part with its label.
func (p *parts) addUnlimited(phase int) {
	l := p.work.labelOf(phase, p.kind)
	for _, q := range p.list {
		if q.label.equal(l) {
			q.phases = append(q.phases, phase)
			return
		}
	}
	p.list = append(p.list, &part{label: l, uses: AnyNumber, phases: []int{phase}})
}

// place fills the cells of a part without a limit. Its label has to be covered
// where no phase admits more.
func (p *parts) place(q *part) {
	q.allowed = p.unlimitedAt(q.label)
	q.elements = slices.Repeat([]int{-1}, p.work.grid.cells())
	q.group = -1
	for _, i := range q.phases {
		p.work.boxes[i].each(p.work.grid, func(segment, column, cell int) {
			if q.elements[cell] < 0 && !p.more(q.label, segment, column) {
				q.elements[cell] = p.work.elements
				p.work.elements++
			}
		})
	}
}

// unlimitedAt are the cells in which some phase without a limit admits at least
// a label.
func (p *parts) unlimitedAt(l label) []bool {
	cells := make([]bool, p.work.grid.cells())
	for i := range p.work.plan.Phases {
		if p.work.plan.Phases[i].need(p.kind) == AnyNumber && l.within(p.work.labelOf(i, p.kind)) {
			p.work.boxes[i].each(p.work.grid, func(_, _, cell int) { cells[cell] = true })
		}
	}
	return cells
}

// more reports whether a phase without a limit admits more than the label in a
// cell.
func (p *parts) more(l label, segment, column int) bool {
	for i := range p.work.plan.Phases {
		if p.work.plan.Phases[i].need(p.kind) != AnyNumber || !p.work.boxes[i].has(segment, column) {
			continue
		}
		if other := p.work.labelOf(i, p.kind); l.within(other) && !other.within(l) {
			return true
		}
	}
	return false
}

// addLimited adds a phase with a limit. Where phases without a limit admit its
// uses anyway, it needs no clause; what remains has to be admitted as often as
// the phase says, by a clause that has all of it and nothing else. Phases of
// which the same remains share a clause.
func (p *parts) addLimited(phase int) {
	l := p.work.labelOf(phase, p.kind)
	free := p.unlimitedAt(l)
	rest := make([]bool, len(free))
	p.work.boxes[phase].each(p.work.grid, func(_, _, cell int) { rest[cell] = !free[cell] })
	if !slices.Contains(rest, true) {
		return
	}
	need := p.work.plan.Phases[phase].need(p.kind)
	for _, q := range p.list {
		if q.required != nil && q.label.equal(l) && slices.Equal(q.required, rest) {
			q.uses = add(q.uses, need)
			q.phases = append(q.phases, phase)
			return
		}
	}
	for cell, needed := range rest {
		free[cell] = free[cell] || needed
	}
	p.list = append(p.list, &part{label: l, uses: need, allowed: free, required: rest, phases: []int{phase}, group: p.work.elements})
	p.work.elements++
}
