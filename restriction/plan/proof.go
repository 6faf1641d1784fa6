package plan

import (
	"math"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// Proof shows that a list of clauses covers a plan and admits nothing else.
type Proof struct {
	Covers []Link // for each phase: the first clause that admits its uses
	Within []Link // for each clause: the first phase that needs what it admits
}

// Link is one step of a proof: a time in which a clause and a phase agree.
type Link struct {
	Phase, Clause int // indices
	Kind          restriction.Kind
	Host          string    // entry of the plan or the clause, or "" for anywhere
	First, Last   time.Time // seconds, both included
}

// Prove shows that a list, of which nothing was spent, covers the plan of a job
// that is submitted at an instant, and admits nothing else; see [Plan.Clauses].
// The list may be any.
//
// If it cannot be shown, the error is an [UncoveredError], an [ExcessError],
// [ErrTooComplex] or one of the list or the plan. Country codes and keys of an
// embedding program count as narrower, and never as covering.
func (p Plan) Prove(submitted time.Time, list restriction.List) (*Proof, error) {
	phases, err := p.schedule(submitted)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &ExcessError{Clause: restriction.NoClause}
	}
	if err := list.Validate(); err != nil {
		return nil, err
	}
	a := newArena(&p, phases, sources(list))
	var proof Proof
	for _, kind := range kinds {
		links, err := a.proveCovers(kind)
		if err != nil {
			return nil, err
		}
		proof.Covers = append(proof.Covers, links...)
	}
	if proof.Within, err = a.proveWithin(); err != nil {
		return nil, err
	}
	return &proof, nil
}

// proveCovers settles the contest, and says who carries whom.
func (a *arena) proveCovers(kind restriction.Kind) ([]Link, error) {
	c := a.contest(kind)
	switch o := c.settle(); {
	case o.breach != nil:
		b := o.breach
		return nil, &UncoveredError{Phase: b.phase, Name: a.plan.Phases[b.phase].Name, Kind: kind, At: a.grid.cuts[b.segment], Host: a.grid.hosts[b.column]}
	case o.unsettled:
		return nil, ErrTooComplex
	}
	var links []Link
	for i := range c.demands {
		d := &c.demands[i]
		p := &a.plan.Phases[d.phase]
		for column, host := range a.grid.hosts {
			if !p.states(host) {
				continue
			}
			for segment := d.first; segment <= d.last; segment++ {
				clause := a.carrier(p, kind, segment, column)
				links = addLink(links, a.grid, segment, Link{Phase: d.phase, Clause: clause, Kind: kind, Host: host})
			}
		}
	}
	return links, nil
}

// states reports whether the host is one of the phase's entries.
func (p *Phase) states(host string) bool {
	if len(p.Hosts) == 0 {
		return host == anywhere
	}
	return slices.Contains(p.Hosts, host)
}

// carrier is the first clause that is sure to admit a use.
func (a *arena) carrier(p *Phase, kind restriction.Kind, segment, column int) int {
	return slices.IndexFunc(a.sources, func(s source) bool {
		return s.left(kind) != 0 && s.openAt(a.grid.cuts[segment]) == fits && s.fit(p, kind, a.grid.hosts[column]) == fits
	})
}

// addLink adds a segment, to the last link if that continues.
func addLink(links []Link, g *grid, segment int, l Link) []Link {
	t := g.time(segment, segment)
	l.First, l.Last = time.Unix(t.first, 0).UTC(), time.Unix(t.last, 0).UTC()
	if n := len(links); n > 0 {
		last := links[n-1]
		next := last.Last.Add(time.Second)
		last.First, last.Last = l.First, l.Last
		if last == l && next.Equal(l.First) {
			links[n-1].Last = l.Last
			return links
		}
	}
	return append(links, l)
}

// proveWithin finds, for all that a clause admits, a phase that needs it.
func (a *arena) proveWithin() ([]Link, error) {
	var links []Link
	for _, kind := range [...]restriction.Kind{restriction.AT, restriction.Other, restriction.Uncounted} {
		var bills []bill
		for i := range a.sources {
			more, b, err := a.clauseWithin(i, kind)
			if err != nil {
				return nil, err
			}
			links = append(links, more...)
			bills = append(bills, b)
		}
		if kind == restriction.Uncounted {
			continue
		}
		if clause := a.unpaid(kind, bills); clause >= 0 {
			return nil, &ExcessError{Clause: clause, Kind: kind}
		}
	}
	return links, nil
}

// clauseWithin looks at one clause, cell by cell.
func (a *arena) clauseWithin(clause int, kind restriction.Kind) (links []Link, b bill, err error) {
	s := &a.sources[clause]
	b = a.newBill(s, kind)
	if b.uses == 0 || len(s.open) == 0 {
		return nil, bill{}, nil
	}
	hosts := s.limits.Hosts
	if len(hosts) == 0 {
		hosts = []string{anywhere}
	}
	first, last := a.grid.span(s.open[0].seconds)
	for _, host := range hosts {
		for segment := first; segment <= last; segment++ {
			phase := a.needs(s, kind, segment, host, &b)
			if phase < 0 {
				t := a.grid.time(segment, segment)
				if t.first == math.MinInt64 {
					t.first = t.last
				}
				return nil, bill{}, &ExcessError{Clause: clause, Kind: kind, At: t.first, Host: host}
			}
			links = addLink(links, a.grid, segment, Link{Phase: phase, Clause: clause, Kind: kind, Host: host})
		}
	}
	return links, b, nil
}

// needs returns the first phase that needs what a clause admits in a cell, one
// without a limit if there is one, or -1. A limited clause is charged to phases
// with limits wherever no other phase needs it.
func (a *arena) needs(s *source, kind restriction.Kind, segment int, host string, b *bill) int {
	found := -1
	var limited []int
	for i := range a.plan.Phases {
		if !a.phaseNeeds(i, s, kind, segment, host) {
			continue
		}
		if kind == restriction.Uncounted || a.plan.Phases[i].need(kind) == AnyNumber {
			return i
		}
		if b.uses != AnyNumber {
			limited = append(limited, i)
			if found < 0 {
				found = i
			}
		}
	}
	b.charge(limited)
	return found
}

func (a *arena) phaseNeeds(i int, s *source, kind restriction.Kind, segment int, host string) bool {
	p := &a.plan.Phases[i]
	second := a.grid.cuts[segment]
	if second < a.times[i].first || second > a.times[i].last || !covers(p.Hosts, host) {
		return false
	}
	switch kind {
	case restriction.Uncounted:
		return true
	case restriction.AT:
		allowed := label{s.limits.Scopes, s.limits.Audiences}
		return p.AccessTokens != 0 && allowed.within(newLabel(p.Scopes, p.Audiences))
	}
	return p.OtherUses != 0
}
