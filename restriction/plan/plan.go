package plan

import (
	"math"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// MaxPhases is how many phases a plan may have.
const MaxPhases = 16

// AnyNumber of uses: the phase has no limit.
const AnyNumber int64 = -1

// Plan is what a job will do: its phases, in order.
type Plan struct {
	Phases []Phase
}

// Phase is one part of a job. What is not stated is not needed, except where a
// field says otherwise.
type Phase struct {
	Name string // for people; may be empty

	// Earliest and Latest are when the phase is due to begin, after the
	// submission of the job or, with AfterPrevious, after the end of the phase
	// before it.
	Earliest, Latest time.Duration
	AfterPrevious    bool

	// Queue is how long the phase may wait, after it is due, until it begins.
	Queue time.Duration
	// Duration is how long the phase may take once it has begun, and Shortest
	// how long it takes at least. Uses happen at any time in between.
	Duration, Shortest time.Duration

	// Scopes and Audiences are what the phase asks access tokens for, all of
	// them each time. Access tokens need a scope; without audiences the phase may
	// ask for any, so that only a clause without audiences carries it.
	Scopes, Audiences []string
	// Hosts are the addresses, CIDR blocks, host names and "*." patterns that
	// the phase runs on; without any it may run anywhere.
	Hosts []string

	// AccessTokens and OtherUses are how many uses of each kind the phase makes
	// at most; 0 is none, AnyNumber no limit.
	AccessTokens, OtherUses int64

	// Capabilities are what the other uses need of the token, all of them, such
	// as create_mytoken (protocol section 3). Access tokens need AT anyway. Only
	// [Plan.Preflight] looks at them: clauses say nothing about capabilities.
	Capabilities capability.Set
}

// need is how many uses of a kind the phase makes at most.
func (p *Phase) need(kind restriction.Kind) int64 {
	if kind == restriction.AT {
		return p.AccessTokens
	}
	return p.OtherUses
}

// Capabilities are what the plan needs of a token: AT if it obtains access
// tokens, and those that the phases state, once each.
func (p Plan) Capabilities() capability.Set {
	var all capability.Set
	for i := range p.Phases {
		if p.Phases[i].AccessTokens != 0 {
			all = append(all, capability.AT)
		}
		all = append(all, p.Phases[i].Capabilities...)
	}
	return all.Dedup()
}

// Validate reports the first thing in the plan that makes no sense, as a
// [PhaseError], or that it has no phases or more than [MaxPhases]. All are
// [ErrInvalid].
func (p Plan) Validate() error {
	if n := len(p.Phases); n == 0 || n > MaxPhases {
		return &PhaseError{Phase: n, Field: "Phases", Reason: "a plan has 1 to 16 phases"}
	}
	for i := range p.Phases {
		if field, reason := p.Phases[i].check(i); field != "" {
			return &PhaseError{Phase: i, Name: p.Phases[i].Name, Field: field, Reason: reason}
		}
	}
	for i, s := range p.offsets() {
		if s.latestEnd > longest || s.latestEnd < 0 {
			return &PhaseError{Phase: i, Name: p.Phases[i].Name, Field: "Duration", Reason: "the job may take more than 100 years"}
		}
	}
	return nil
}

// longest is how long a job may take.
const longest = 100 * 365 * 24 * time.Hour

// check returns the first field that makes no sense, and why.
func (p *Phase) check(i int) (field, reason string) {
	switch {
	case p.AfterPrevious && i == 0:
		return "AfterPrevious", "there is no phase before the first"
	case p.Earliest < 0:
		return "Earliest", "negative"
	case p.Latest < p.Earliest:
		return "Latest", "before the earliest"
	case p.Queue < 0:
		return "Queue", "negative"
	case p.Shortest < 0:
		return "Shortest", "negative"
	case p.Duration < p.Shortest:
		return "Duration", "shorter than the shortest"
	case max(p.Latest, p.Queue, p.Duration) > longest:
		return "Duration", "more than 100 years"
	case p.AccessTokens < AnyNumber:
		return "AccessTokens", "negative"
	case p.OtherUses < AnyNumber:
		return "OtherUses", "negative"
	case p.AccessTokens == 0 && p.OtherUses == 0:
		return "AccessTokens", "the phase needs neither access tokens nor other uses"
	case p.AccessTokens != 0 && len(p.Scopes) == 0:
		return "Scopes", "access tokens need a scope"
	case p.AccessTokens == 0 && len(p.Scopes)+len(p.Audiences) > 0:
		return "AccessTokens", "scopes and audiences are for access tokens, of which the phase needs none"
	case len(p.Capabilities) > 0 && p.OtherUses == 0:
		return "Capabilities", "they are for other uses, of which the phase needs none"
	case len(p.Capabilities.Unknown()) > 0:
		return "Capabilities", "unknown"
	}
	return p.checkLists()
}

// checkLists lets the package restriction judge the entries.
func (p *Phase) checkLists() (field, reason string) {
	for _, list := range []struct {
		field   string
		entries []string
		clause  restriction.Clause
	}{
		{"Scopes", p.Scopes, restriction.Clause{Scopes: p.Scopes}},
		{"Audiences", p.Audiences, restriction.Clause{Audiences: p.Audiences}},
		{"Hosts", p.Hosts, restriction.Clause{Hosts: p.Hosts}},
	} {
		if len(list.entries) == 0 {
			continue
		}
		if err := (restriction.List{list.clause}).Validate(); err != nil {
			return list.field, cause(err)
		}
	}
	return "", ""
}

// offsets is when a phase may begin and end, after the submission.
type offsets struct{ earliestStart, earliestEnd, latestEnd time.Duration }

// offsets adds up the worst cases: every queue may be empty or as long as it
// gets, every phase as short or as long as it may be.
func (p Plan) offsets() []offsets {
	all := make([]offsets, len(p.Phases))
	for i := range p.Phases {
		phase := &p.Phases[i]
		var before offsets
		if phase.AfterPrevious {
			before = all[i-1]
		}
		all[i].earliestStart = before.earliestEnd + phase.Earliest
		all[i].earliestEnd = all[i].earliestStart + phase.Shortest
		all[i].latestEnd = before.latestEnd + phase.Latest + phase.Queue + phase.Duration
	}
	return all
}

// seconds is a time from its first second to its last, both included, in Unix
// time.
type seconds struct{ first, last int64 }

// always is all time.
var always = seconds{math.MinInt64, math.MaxInt64}

// schedule says in which seconds each phase may use the token. Parts of a second
// are dropped, as restrictions do.
func (p Plan) schedule(submitted time.Time) ([]seconds, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if year := submitted.Year(); submitted.Unix() <= 0 || year > 9000 {
		return nil, ErrSubmission
	}
	all := make([]seconds, len(p.Phases))
	for i, o := range p.offsets() {
		all[i] = seconds{submitted.Add(o.earliestStart).Unix(), submitted.Add(o.latestEnd).Unix()}
	}
	return all, nil
}
