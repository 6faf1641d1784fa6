package plan

import (
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// arena is a plan and the sources that it spends from.
type arena struct {
	plan    *Plan
	times   []seconds // by phase
	sources []source
	grid    *grid
	token   *forecast.Token // whose capabilities count; nil if none do
	last    int64           // second of the token, whatever its clauses say
}

func newArena(p *Plan, phases []seconds, s []source) *arena {
	cuts := slices.Clone(phases)
	for i := range s {
		for _, o := range s[i].open {
			cuts = append(cuts, o.seconds)
		}
	}
	hosts := make([][]string, len(p.Phases))
	for i := range p.Phases {
		hosts[i] = p.Phases[i].Hosts
	}
	for i := range s {
		known := slices.DeleteFunc(slices.Clone(s[i].limits.Hosts), func(entry string) bool { return !isHost(entry) })
		if len(known) > 0 {
			hosts = append(hosts, known)
		}
	}
	return &arena{plan: p, times: phases, sources: s, grid: newGrid(cuts, hosts), last: forever}
}

// contest is that for one kind of use.
func (a *arena) contest(kind restriction.Kind) *contest {
	c := &contest{segments: a.grid.segments()}
	for i := range a.sources {
		c.supplies = append(c.supplies, a.sources[i].left(kind))
	}
	for i := range a.plan.Phases {
		need := a.plan.Phases[i].need(kind)
		if need == 0 {
			continue
		}
		d := demand{phase: i, need: need}
		d.first, d.last = a.grid.span(a.times[i])
		for segment := d.first; segment <= d.last; segment++ {
			d.options = append(d.options, a.choices(i, kind, segment))
		}
		c.demands = append(c.demands, d)
	}
	return c
}

// choices are the options of a phase by column: from a part of its hosts, a
// phase may spend from clauses that do not admit all of them. Columns with the
// same options are one.
func (a *arena) choices(phase int, kind restriction.Kind, segment int) []choice {
	p := &a.plan.Phases[phase]
	barred := a.lacks(phase, kind) != ""
	var all []choice
	for column, host := range a.grid.hosts {
		if !covers(p.Hosts, host) {
			continue
		}
		ch := choice{column: column}
		for i := range a.sources {
			s := &a.sources[i]
			if barred {
				break
			}
			if f := min(s.openAt(a.grid.cuts[segment]), s.fit(p, kind, host)); f != misfit {
				ch.options = append(ch.options, option{i, f})
			}
		}
		if !slices.ContainsFunc(all, func(other choice) bool { return slices.Equal(other.options, ch.options) }) {
			all = append(all, ch)
		}
	}
	return all
}

// lacks returns a capability that a phase needs for a kind of use and the token
// is known not to have, or "".
func (a *arena) lacks(phase int, kind restriction.Kind) capability.Capability {
	if a.token == nil {
		return ""
	}
	for _, c := range a.plan.Phases[phase].capabilities(kind) {
		if a.token.Lacks(c) {
			return c
		}
	}
	return ""
}

// capabilities are what a kind of use of the phase needs.
func (p *Phase) capabilities(kind restriction.Kind) capability.Set {
	if kind == restriction.AT {
		return capability.Set{capability.AT}
	}
	return p.Capabilities
}

// kinds are the kinds of uses that are counted.
var kinds = [...]restriction.Kind{restriction.AT, restriction.Other}

// carried reports whether a list that nothing was spent of is sure to carry the
// plan.
func (p *Plan) carried(phases []seconds, list restriction.List) bool {
	a := newArena(p, phases, sources(list))
	for _, kind := range kinds {
		if o := a.contest(kind).settle(); o.breach != nil || o.unsettled {
			return false
		}
	}
	return true
}
