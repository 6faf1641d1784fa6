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
	// Breaks: a use is refused in some run of the job, even if everything that is not
	// known turns out well.
	Breaks Answer = iota
	// Perhaps: the answer depends on things that are not known, or on which of several
	// phases takes limited uses that they share. The doubts of the verdict say which.
	Perhaps
	// Carries: the token admits every use of every run.
	Carries
)

// String returns "breaks", "perhaps" or "carries".
func (a Answer) String() string {
	return map[Answer]string{Breaks: "breaks", Perhaps: "perhaps", Carries: "carries"}[a]
}

// Verdict is the result of [Plan.Preflight].
type Verdict struct {
	Answer Answer
	// Break is the first use that is refused in some run. If the Answer is Perhaps, it is
	// the first use that may be refused. It is nil if the token carries the plan.
	Break *Break
	// Ask is what to ask for instead: the clauses of [Plan.Clauses]. It is nil if the
	// token carries the plan, or if Clauses returns [ErrContended].
	Ask restriction.List
	// AskCapabilities are [Plan.Capabilities] if the token lacks one of them, and nil
	// otherwise.
	AskCapabilities capability.Set
	// Doubts are the things that nobody can know now.
	Doubts []Doubt
}

// Break is a use that is refused, or may be.
type Break struct {
	At    time.Time // the first second in which this happens
	Phase int       // index in the plan
	Name  string    // of the phase
	Kind  restriction.Kind
	Host  string // an entry of the phase's hosts, or "" for anywhere

	// Clause is the index of the first clause with the fewest keys in the way. It is
	// [restriction.NoClause] if the token has no clauses, or if it lacks a capability.
	Clause int
	// Keys are the wire names of the keys in the way, the most telling one first. They
	// include nbf and exp of the token itself, and [KeyRotation] if a generation has
	// ended.
	Keys []string
	// Capability is what the token lacks, or "". If it is set, the only key is
	// [KeyCapabilities], and the break is not about a clause.
	Capability capability.Capability
}

// KeyCapabilities is the name of the claim with the capabilities of a token.
const KeyCapabilities = "capabilities"

// Preflight says whether the token carries the plan of a job that is submitted at the
// given time. It considers every run of the plan. In a run, queues are as short or as
// long as possible. Phases make uses at any second, and in any order if they share a
// clause. A use counts against the first clause that fits and has a use left (protocol
// section 2.5).
//
// The answer is [Carries] if even the worst case fits, and [Breaks] if even the best case
// does not. Between these two bounds it is [Perhaps]. Apart from the doubts of the
// verdict, Carries is never wrong. Breaks is wrong in one case only: Preflight compares
// hosts entry by entry, so it does not see that several blocks of a clause together
// contain a block of a phase.
//
// Preflight counts what the token has used so far. It does not foresee what others spend
// in the meantime, such as another job with a child of the same token. It asks conditions
// of the embedding program about token.Request.
//
// A token that rotates ends unless a use renews it in time. In the worst case, a phase
// makes no use before its last second. So the token carries the plan only if its present
// generation outlasts the plan. It breaks the plan if it ends although each use of the
// plan comes when it helps most. The job has to keep each new generation of the token and
// use that one from then on. A child of the token rotates like it, and its first
// generation begins when it is made. For a job that gets a child, leave out Expires and
// set [forecast.Rotation].Issued to that time. If the issuer leaves children free
// (protocol section 4.1), leave out Rotation too: the restrictions still bound the child.
//
// A token without the capability AT carries no plan that obtains access tokens. A token
// without the [Phase.Capabilities] of a phase does not carry its other uses. If the
// capabilities of the token or of a phase are not known, Preflight assumes that they
// suffice and adds a doubt.
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
	// The first use that is refused, or may be, unless the answer is Carries.
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
