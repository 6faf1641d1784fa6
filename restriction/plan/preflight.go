package plan

import (
	"errors"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// Answer says whether a token carries a plan. The zero Answer is Breaks.
type Answer uint8

const (
	// Breaks: some run of the job has a use refused, even if everything that is not known
	// turns out well.
	Breaks Answer = iota
	// Perhaps: it depends on things that are not known, or on which of several phases
	// takes the limited uses that they share. The doubts of the verdict say which.
	Perhaps
	// Carries: every use of every run is admitted.
	Carries
)

// String returns "breaks", "perhaps" or "carries".
func (a Answer) String() string {
	return map[Answer]string{Breaks: "breaks", Perhaps: "perhaps", Carries: "carries"}[a]
}

// Verdict is the result of a look ahead.
type Verdict struct {
	Answer Answer
	// Break is the first use that is surely refused in some run or, if the Answer is
	// Perhaps, the first that may be. It is nil if the token carries the plan.
	Break *Break
	// Ask is what to ask for instead: the clauses of [Plan.Clauses]. It is nil if the
	// token carries the plan, or if Clauses finds none.
	Ask restriction.List
	// AskCapabilities are [Plan.Capabilities] if the token lacks one of them, and nil
	// otherwise.
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

	// Clause is the index of the clause that comes closest: the first of those with the
	// fewest keys in the way. It is [restriction.NoClause] if the token has no clauses.
	Clause int
	// Keys are the wire names of the keys in the way, the most telling one first. They
	// include nbf and exp of the token itself, and [KeyRotation] if a generation of it
	// has ended.
	Keys []string
	// Capability is what the token lacks, or "". If it is set, the only key is
	// [KeyCapabilities], and the break is not about a clause.
	Capability capability.Capability
}

// KeyCapabilities is the claim of a token with its capabilities.
const KeyCapabilities = "capabilities"

// Preflight says whether the token carries the plan of a job that is submitted at an
// instant. It considers every run of the plan: queues as short or as long as possible,
// uses at any second of their phase, and phases that share a clause making theirs in any
// order. A use spends from the first clause that fits and has a use left (protocol
// section 2.5).
//
// The answer comes from two bounds. It is Carries if even the worst case fits, and Breaks
// if even the best case does not. Between them it is Perhaps. Neither Carries nor Breaks
// is ever wrong, with one exception: Preflight compares hosts entry by entry, and does not
// see that several blocks together contain another one.
//
// Preflight counts what the token has used so far. It does not foresee what others spend
// in the meantime, such as another job with a child of the same token. It asks conditions
// of the embedding program about token.Request.
//
// A token that rotates ends unless one of its generations is used in time. In the worst
// case a phase makes no use before its last second, so the token carries the plan only if
// the present generation outlasts it. The token breaks the plan if it ends even though
// each use of the plan comes when it helps most. Between these bounds the answer is
// Perhaps. The job has to keep each successor of the token and use it from then on. A
// child of the token does not inherit rotation. To look ahead for a job that gets a child,
// leave out Rotation and Expires: the restrictions, which the child inherits, still bound
// it.
//
// Without the capability AT a token carries no plan that obtains access tokens, and
// without [Phase.Capabilities] none with other uses that need them. If the capabilities of
// the token or the needs of a phase are not known, that is a doubt, and Preflight assumes
// that they suffice.
//
// Preflight returns [ErrInvalid], [ErrSubmission] or an error of [forecast.New].
func (p Plan) Preflight(token forecast.Token, submitted time.Time) (*Verdict, error) {
	times, err := p.schedule(submitted)
	if err != nil {
		return nil, err
	}
	l, err := p.look(&token, submitted, times)
	if err != nil {
		return nil, err
	}
	found := l.judge()
	v := &Verdict{Answer: found.answer, Doubts: l.doubts(&found)}
	if v.Answer == Carries {
		return v, nil
	}
	v.Break = l.explain(&found)
	if all := p.Capabilities(); slices.ContainsFunc(all, token.Lacks) {
		v.AskCapabilities = all
	}
	if v.Ask, err = p.Clauses(submitted); err != nil && !errors.Is(err, ErrContended) {
		return nil, err
	}
	return v, nil
}

// judgement is what the bounds say about both kinds of uses.
type judgement struct {
	answer    Answer
	contended bool // the order of uses matters
	// If the plan is not carried, the first use that is or may be refused.
	breach *breach
	kind   restriction.Kind
	phase  int
}

// judge compares the plan with the bounds.
func (l *look) judge() judgement {
	j := judgement{answer: Carries}
	for k, kind := range kinds {
		worst, sure, contended := l.contest[k].bounds()
		answer, found := Carries, worst
		if sure != nil {
			answer, found = Breaks, sure
		} else if worst != nil {
			answer = Perhaps
		}
		j.contended = j.contended || contended
		if answer < j.answer || answer == j.answer && found.before(j.breach) {
			j.answer, j.breach, j.kind, j.phase = answer, found, kind, l.contest[k].demands[found.demand].phase
		}
	}
	return j
}
