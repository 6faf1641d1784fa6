package plan

import (
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// MaxPhases bounds the phases of a plan.
const MaxPhases = 16

// AnyNumber is the number of uses of a phase without a limit.
const AnyNumber int64 = -1

// Plan is what a job will do: its phases, in order.
type Plan struct {
	Phases []Phase
}

// Phase is one part of a job. It needs nothing but what its fields say.
type Phase struct {
	Name string // for people; may be empty

	// Earliest and Latest say when the phase is due to begin. They count from the
	// submission of the job or, with AfterPrevious, from the end of the previous phase.
	Earliest, Latest time.Duration
	AfterPrevious    bool

	// Queue is how long the phase may have to wait after it is due.
	Queue time.Duration
	// Duration is how long the phase takes at most once it has begun. Shortest is how
	// long it takes at least. The phase may use the token at any time in between.
	Duration, Shortest time.Duration

	// Scopes and Audiences are what the phase requests with each access token. A phase
	// that obtains access tokens needs at least one scope. A phase without audiences may
	// request any audience, so only a clause without audiences fits it.
	Scopes, Audiences []string
	// Hosts are the addresses, CIDR blocks, host names and "*." patterns that the phase
	// runs on. A phase without hosts may run anywhere.
	Hosts []string

	// AccessTokens and OtherUses are how many uses of each kind the phase makes at most.
	// 0 means none, and AnyNumber means no limit.
	AccessTokens, OtherUses int64

	// Capabilities are what the other uses need, such as create_mytoken (protocol section
	// 3). Access tokens always need AT. Only [Plan.Preflight] looks at capabilities,
	// because clauses say nothing about them.
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

// capabilities returns the capabilities that a use of a kind needs.
func (p *Phase) capabilities(kind restriction.Kind) capability.Set {
	if kind == restriction.AT {
		return capability.Set{capability.AT}
	}
	return p.Capabilities
}

// Capabilities returns the capabilities that the plan needs, without duplicates: AT if it
// obtains access tokens, and those of its phases.
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
