package plan

import (
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// look is the state of one Preflight. It cuts time at every second at which a phase
// begins or a clause changes. So nothing changes between two cuts.
type look struct {
	plan  *Plan
	token *forecast.Token
	times []seconds          // of the phases
	f     *forecast.Forecast // of the token, as if it were renewed whenever necessary

	// From the second idle on, the token is alive only if a use renewed it in time. From
	// the second dead on, no use of the plan can have kept it alive.
	idle, dead int64

	hosts   []string             // entries of the plan and of the clauses, and anywhere
	runsOn  []*restriction.Facts // the hosts of each phase, as a clause; nil means anywhere
	cuts    []int64
	states  [][]forecast.State    // by clause and cut
	matches [][]restriction.Match // by clause and host
	contest [len(kinds)]contest
}

// anywhere is the host of a phase that may run on every address.
const anywhere = ""

// look prepares a Preflight.
func (p *Plan) look(token *forecast.Token, submitted time.Time, times []seconds) (*look, error) {
	l := &look{plan: p, token: token, times: times}
	end := times[0].last
	for _, t := range times {
		end = max(end, t.last)
	}
	alive := *token
	if life := token.Life(); !life.Fixed() {
		alive.Rotation, alive.Expires = nil, life.Last
	}
	var err error
	if l.f, err = forecast.New(alive, submitted, time.Unix(end+1, 0)); err != nil {
		return nil, err
	}
	if err := l.place(); err != nil {
		return nil, err
	}
	l.live()
	return l, nil
}

// place collects all hosts of the plan and of the clauses.
func (l *look) place() error {
	for i := range l.plan.Phases {
		entries := l.plan.Phases[i].Hosts
		if len(entries) == 0 {
			l.hosts, l.runsOn = append(l.hosts, anywhere), append(l.runsOn, nil)
			continue
		}
		policy, err := restriction.Compile(restriction.List{{Hosts: entries}}, restriction.Options{}.Elsewhere())
		if err != nil {
			return err
		}
		l.hosts, l.runsOn = append(l.hosts, entries...), append(l.runsOn, &policy.Facts()[0])
	}
	for i := range l.f.Clauses {
		l.hosts = append(l.hosts, l.f.Clauses[i].Limits.Hosts...)
	}
	slices.Sort(l.hosts)
	l.hosts = slices.Compact(l.hosts)
	return nil
}

// match compares a host with the hosts of a clause. nil facts admit every address.
func match(f *restriction.Facts, host string) restriction.Match {
	if f == nil {
		return restriction.Matches
	}
	return f.MatchHost(host)
}

// compete cuts the time, and collects the uses of the phases with the clauses that may
// admit them.
func (l *look) compete() {
	l.cut()
	for k, kind := range kinds {
		c := contest{}
		for i := range l.f.Clauses {
			left, limited := l.f.Clauses[i].Left.Of(kind)
			if !limited {
				left = AnyNumber
			}
			c.left = append(c.left, left)
		}
		for phase := range l.plan.Phases {
			if need := l.plan.Phases[phase].need(kind); need != 0 {
				c.add(demand{phase: phase, need: need, spots: l.spots(phase, kind, &c)})
			}
		}
		l.contest[k] = c
	}
}

// cut cuts the time wherever something may change. It then compares clauses with all cuts
// and hosts.
func (l *look) cut() {
	l.cuts = nil
	for _, t := range l.times {
		l.cuts = append(l.cuts, t.first)
	}
	for _, end := range []int64{l.idle, l.dead} {
		if end != never {
			l.cuts = append(l.cuts, end)
		}
	}
	for i := range l.f.Clauses {
		for _, s := range l.f.Clauses[i].Spans {
			l.cuts = append(l.cuts, s.From.Unix())
			if s.From.Nanosecond() != 0 {
				l.cuts = append(l.cuts, s.From.Unix()+1)
			}
		}
	}
	slices.Sort(l.cuts)
	l.cuts = slices.Compact(l.cuts)
	l.states, l.matches = make([][]forecast.State, len(l.f.Clauses)), make([][]restriction.Match, len(l.f.Clauses))
	for i := range l.f.Clauses {
		for _, second := range l.cuts {
			l.states[i] = append(l.states[i], l.state(&l.f.Clauses[i], second))
		}
		for _, host := range l.hosts {
			l.matches[i] = append(l.matches[i], match(l.f.Clauses[i].Facts, host))
		}
	}
}

// spots returns where and when a phase makes uses of a kind, ordered by time and host.
func (l *look) spots(phase int, kind restriction.Kind, c *contest) []spot {
	var all []spot
	times := l.times[phase]
	for k, second := range l.cuts {
		if second < times.first || second > times.last {
			continue
		}
		last := times.last
		if k+1 < len(l.cuts) {
			last = min(last, l.cuts[k+1]-1)
		}
		for h, host := range l.hosts {
			if match(l.runsOn[phase], host) != restriction.Matches {
				continue
			}
			s := spot{second: second, last: last, host: host}
			if l.lacks(phase, kind) == "" {
				s.options = c.options(func(clause int) fit { return l.fit(phase, kind, clause, k, h) })
			}
			all = append(all, s)
		}
	}
	return all
}

// state returns the state of a clause in a whole second. If a condition of the embedding
// program may change within the second, the state is Unknown.
func (l *look) state(c *forecast.Clause, second int64) forecast.State {
	begin, end := c.At(time.Unix(second, 0)), c.At(time.Unix(second+1, -1))
	switch changes := slices.ContainsFunc(c.Spans, func(s forecast.Span) bool { return s.From.Unix() == second && s.From.Nanosecond() != 0 }); {
	case second >= l.dead, !changes && begin == forecast.Closed:
		return forecast.Closed
	case second >= l.idle, changes || begin != end:
		return forecast.Unknown
	}
	return begin
}

// fit says whether the uses of a phase fit a clause at a cut and a host. It ignores the
// number of uses left.
func (l *look) fit(phase int, kind restriction.Kind, clause, cut, host int) fit {
	state, match := l.states[clause][cut], l.matches[clause][host]
	if state == forecast.Closed || match == restriction.NoMatch {
		return misfit
	}
	f, best := l.f.Clauses[clause].Facts, fits
	if state == forecast.Unknown || match == restriction.MayMatch || f != nil && f.Countries {
		best = perhaps
	}
	if f == nil || kind != restriction.AT {
		return best
	}
	p := &l.plan.Phases[phase]
	switch {
	case !among(p.Scopes, f.Scopes) || !among(p.Audiences, f.Audiences):
		return misfit
	case len(p.Audiences) == 0 && f.Audiences != nil:
		return some
	}
	return best
}

// among reports whether a clause allows all words: scopes or audiences. nil allows every
// word.
func among(words, allowed []string) bool {
	return allowed == nil || !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(allowed, w) })
}

// lacks returns a capability that the token lacks and uses of a phase need, or "".
func (l *look) lacks(phase int, kind restriction.Kind) capability.Capability {
	for _, c := range l.plan.Phases[phase].capabilities(kind) {
		if l.token.Lacks(c) {
			return c
		}
	}
	return ""
}
