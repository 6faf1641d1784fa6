package plan

import (
	"errors"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// Answer is whether a token carries a plan. The zero Answer is Breaks.
type Answer uint8

const (
	// Breaks: there is a run of the job in which a use is refused, even if all
	// that is not known turns out well.
	Breaks Answer = iota
	// Perhaps: it depends on what is not known.
	Perhaps
	// Carries: every use of every run is admitted.
	Carries
)

// String returns "breaks", "perhaps" or "carries".
func (a Answer) String() string {
	switch a {
	case Carries:
		return "carries"
	case Perhaps:
		return "perhaps"
	}
	return "breaks"
}

// Verdict is what a look ahead found.
type Verdict struct {
	Answer Answer
	// Break is the first use that is refused, in the worst case, or, if the
	// Answer is Perhaps, may be. It is nil if the token carries the plan, and if
	// it is not known where.
	Break *Break
	// Ask is what to ask for instead: the clauses of [Plan.Clauses]. It is nil if
	// the token carries the plan, or if no list was found.
	Ask restriction.List
	// AskCapabilities are [Plan.Capabilities] if the token lacks one of them,
	// and otherwise nil.
	AskCapabilities capability.Set
	// Doubts are what nobody can know now.
	Doubts []Doubt
}

// Break is a use that is refused.
type Break struct {
	At    time.Time // the first second of it
	Phase int
	Name  string // of the phase
	Kind  restriction.Kind
	Host  string // one of the phase's, or "" for anywhere

	// Clause is the index of the clause that comes closest, the first of those
	// with the fewest keys in the way, or [restriction.NoClause] if the token has
	// none.
	Clause int
	// Keys are those in its way, wire names, the first of them the most telling.
	// A token that itself begins later or has ended then is in the way with nbf,
	// exp or, if a generation of it has ended, [KeyRotation].
	Keys []string
	// Capability is what the token lacks. Then the only key is
	// [KeyCapabilities], and no clause is meant. Otherwise it is empty.
	Capability capability.Capability
}

// KeyCapabilities is the claim of a token with its capabilities.
const KeyCapabilities = "capabilities"

// Preflight says whether a token carries the plan of a job that is submitted at
// an instant, whatever happens within the plan: queues are as short or as long
// as they may be, phases use the token at any second of theirs, and phases that
// can spend from one clause make their uses in the worst order. A use spends
// from the first clause that fits and has a use left (protocol section 2.5).
//
// Counters are looked at if the token has them; what others spend in the
// meantime, such as another job with a child of the same token, is not foreseen.
// Conditions of the embedding program are asked about token.Request.
//
// A token that rotates ends when none of its generations was used in time. At
// the worst a phase makes no use before its last second: a token whose present
// generation ends before that carries no plan for certain. It breaks if not even
// the plan's own uses, each made when it helps the most, keep the token alive.
// In between the answer is Perhaps, with a doubt: it depends on how the job
// spreads its uses. The job keeps each successor of the token, and uses that from
// then on. A job that gets a child of the token instead does not depend on any of
// this, because rotation is not inherited: leave Rotation and Expires out, and
// the restrictions, which are inherited, still bound it.
//
// Without the capability AT a token carries no plan that obtains access tokens,
// and without those of [Phase.Capabilities] none with their uses. That nobody
// told the token's capabilities, or the phase's, is a doubt; the look ahead then
// takes them to be enough.
//
// The errors are those of the plan and of [forecast.New].
func (p Plan) Preflight(token forecast.Token, submitted time.Time) (*Verdict, error) {
	phases, err := p.schedule(submitted)
	if err != nil {
		return nil, err
	}
	end := phases[0].last
	for _, t := range phases {
		end = max(end, t.last)
	}
	f, err := forecast.New(token, submitted, time.Unix(end+1, 0))
	if err != nil {
		return nil, err
	}
	life := token.Life()
	if !life.Fixed() {
		renewed := token
		renewed.Rotation, renewed.Expires = nil, life.Last
		if f, err = forecast.New(renewed, submitted, time.Unix(end+1, 0)); err != nil {
			return nil, err
		}
	}
	l := look{plan: &p, token: &token, forecast: f, arena: newArena(&p, phases, foreseen(&token, f))}
	l.arena.token = &token
	l.bound(life)
	v := l.verdict()
	if v.Answer == Carries {
		return v, nil
	}
	if all := p.Capabilities(); slices.ContainsFunc(all, token.Lacks) {
		v.AskCapabilities = all
	}
	v.Ask, err = p.Clauses(submitted)
	if err != nil && !errors.Is(err, ErrContended) && !errors.Is(err, ErrTooComplex) {
		return nil, err
	}
	return v, nil
}

// foreseen are the clauses of a forecast as sources. Where nobody looks up names, no
// address satisfies them.
func foreseen(token *forecast.Token, f *forecast.Forecast) []source {
	nameless := token.Options.Resolver == nil && !token.Elsewhere
	all := make([]source, len(f.Clauses))
	for i := range f.Clauses {
		c := &f.Clauses[i]
		all[i] = source{
			limits: c.Limits, at: uses(c.Left.AT), other: uses(c.Left.Other),
			unsure: slices.Contains(c.Lookups, restriction.KeyGeoIPAllow) || slices.Contains(c.Lookups, restriction.KeyGeoIPDisallow),
		}
		if nameless {
			all[i].limits.Hosts = slices.DeleteFunc(slices.Clone(c.Limits.Hosts), isName)
		}
		for _, s := range c.Spans {
			all[i].open = append(all[i].open, opening(s)...)
		}
	}
	return all
}

// opening is a span in whole seconds. Only a condition of the embedding program
// can change within a second, and for that second it is only perhaps open.
func opening(s forecast.Span) []open {
	if s.State == forecast.Closed {
		return nil
	}
	whole := seconds{s.From.Add(time.Second - 1).Unix(), s.Until.Unix() - 1}
	var all []open
	if part := s.From.Unix(); part < whole.first {
		all = append(all, open{seconds{part, part}, false})
	}
	if whole.first <= whole.last {
		all = append(all, open{whole, s.State == forecast.Open})
	}
	if part := whole.last + 1; s.Until.Nanosecond() != 0 && part >= whole.first {
		all = append(all, open{seconds{part, part}, false})
	}
	return all
}

// look is one look ahead.
type look struct {
	plan     *Plan
	token    *forecast.Token
	forecast *forecast.Forecast // of the token at its best
	arena    *arena
	// The arena at the worst and at the best: see bound.
	worst, best *arena
}

func (l *look) verdict() *Verdict {
	v := &Verdict{Answer: Carries, Doubts: l.doubts()}
	for _, kind := range kinds {
		worst := l.worst.contest(kind).settle()
		if worst.breach == nil && !worst.unsettled {
			continue
		}
		answer, found := Perhaps, l.broken(kind, l.worst, worst.breach)
		if best := l.best.contest(kind).forced(); best.breach != nil {
			answer, found = Breaks, l.broken(kind, l.best, best.breach)
		}
		switch {
		case answer < v.Answer:
			v.Answer, v.Break = answer, found
		case answer == v.Answer && found != nil && (v.Break == nil || found.At.Before(v.Break.At)):
			v.Break = found
		}
	}
	return v
}

// broken describes a breach.
func (l *look) broken(kind restriction.Kind, a *arena, b *breach) *Break {
	if b == nil {
		return nil
	}
	found := &Break{
		At: time.Unix(a.grid.cuts[b.segment], 0).UTC(), Phase: b.phase, Name: l.plan.Phases[b.phase].Name,
		Kind: kind, Host: a.grid.hosts[b.column], Clause: restriction.NoClause,
	}
	if lacking := a.lacks(b.phase, kind); lacking != "" {
		found.Capability, found.Keys = lacking, []string{KeyCapabilities}
		return found
	}
	for i := range l.forecast.Clauses {
		keys := l.keys(i, a, found)
		if i == 0 || len(keys) < len(found.Keys) {
			found.Clause, found.Keys = l.forecast.Clauses[i].Index, keys
		}
	}
	return found
}
