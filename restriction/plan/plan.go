package plan

import (
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

// Phase is one part of a job. It needs only what its fields say.
type Phase struct {
	Name string // for people; may be empty

	// Earliest and Latest say when the phase is due to begin. They count from the
	// submission of the job or, with AfterPrevious, from the end of the previous phase.
	Earliest, Latest time.Duration
	AfterPrevious    bool

	// Queue is how long the phase may wait to begin after it is due.
	Queue time.Duration
	// Duration is how long the phase takes at most once it has begun, and Shortest how
	// long it takes at least. It may use the token at any time in between.
	Duration, Shortest time.Duration

	// Scopes and Audiences are what the phase asks access tokens for, all of them each
	// time. Access tokens need a scope. A phase without audiences may ask for any, so
	// only a clause without audiences carries it.
	Scopes, Audiences []string
	// Hosts are the addresses, CIDR blocks, host names and "*." patterns that the phase
	// runs on. A phase without hosts may run anywhere.
	Hosts []string

	// AccessTokens and OtherUses are how many uses of each kind the phase makes at most.
	// 0 is none, AnyNumber is no limit.
	AccessTokens, OtherUses int64

	// Capabilities are what the other uses need of the token, such as create_mytoken
	// (protocol section 3). Access tokens always need AT. Only [Plan.Preflight] looks at
	// them, because clauses say nothing about capabilities.
	Capabilities capability.Set
}

// kinds are the kinds of uses that are counted.
var kinds = [...]restriction.Kind{restriction.AT, restriction.Other}

// need returns how many uses of a kind the phase makes at most.
func (p *Phase) need(kind restriction.Kind) int64 {
	if kind == restriction.AT {
		return p.AccessTokens
	}
	return p.OtherUses
}

// capabilities returns what a use of a kind needs of the token.
func (p *Phase) capabilities(kind restriction.Kind) capability.Set {
	if kind == restriction.AT {
		return capability.Set{capability.AT}
	}
	return p.Capabilities
}

// Capabilities returns what the plan needs of a token, without duplicates: AT if it
// obtains access tokens, and the capabilities of its phases.
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
