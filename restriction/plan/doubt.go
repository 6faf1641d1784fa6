package plan

import (
	"errors"
	"slices"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// Unknowable is a kind of thing that a look ahead cannot know.
type Unknowable uint8

const (
	// RefreshToken: how long the provider keeps the refresh token behind the
	// mytoken, and the rights of the user. Every token has this doubt.
	RefreshToken Unknowable = iota
	// Revocation: whether the token, or one that it was created from, will be
	// revoked. Every token has this doubt.
	Revocation
	// Condition: what a key answers that the program cannot evaluate, or whose
	// condition does not know when it changes.
	Condition
	// Names: what the DNS will say about an address.
	Names
	// Country: in which country an address will be.
	Country
	// Counters: how many uses were spent. The look ahead took it to be none.
	Counters
	// Capability: whether the token may do what the plan does. Nobody told its
	// capabilities, or those that other uses of a phase need.
	Capability
	// Renewal: whether the job uses the token often enough. Each generation of it
	// ends, and only a use in time begins the next one.
	Renewal
)

// String tells the doubt in words.
func (u Unknowable) String() string {
	switch u {
	case RefreshToken:
		return "how long the provider keeps the refresh token"
	case Revocation:
		return "whether the token will be revoked"
	case Condition:
		return "what a condition will answer"
	case Names:
		return "what the DNS will say"
	case Country:
		return "in which country an address will be"
	case Capability:
		return "whether the token has the capabilities that the plan needs"
	case Renewal:
		return "whether the job uses the token often enough to keep it alive"
	}
	return "how many uses were spent"
}

// Doubt is something that a look ahead cannot know.
type Doubt struct {
	What   Unknowable
	Clause int    // index, or [restriction.NoClause] if no clause is meant
	Key    string // wire name of the key, or ""
}

// doubts are those about the token, and about the clauses that a phase may
// spend from.
func (l *look) doubts() []Doubt {
	all := []Doubt{{RefreshToken, restriction.NoClause, ""}, {Revocation, restriction.NoClause, ""}}
	if l.token.Capabilities == nil || slices.ContainsFunc(l.plan.Phases, func(p Phase) bool { return p.OtherUses != 0 && len(p.Capabilities) == 0 }) {
		all = append(all, Doubt{Capability, restriction.NoClause, KeyCapabilities})
	}
	if l.renewed() {
		all = append(all, Doubt{Renewal, restriction.NoClause, KeyRotation})
	}
	for i := range l.forecast.Clauses {
		if l.matters(i) {
			all = append(all, l.clauseDoubts(&l.forecast.Clauses[i])...)
		}
	}
	return all
}

// matters reports whether some phase may spend from a clause.
func (l *look) matters(clause int) bool {
	for _, kind := range kinds {
		for _, d := range l.arena.contest(kind).demands {
			for _, choices := range d.options {
				if slices.ContainsFunc(choices, func(ch choice) bool {
					return slices.ContainsFunc(ch.options, func(o option) bool { return o.clause == clause })
				}) {
					return true
				}
			}
		}
	}
	return false
}

func (l *look) clauseDoubts(c *forecast.Clause) []Doubt {
	var all []Doubt
	for _, key := range c.CannotTell {
		all = append(all, Doubt{Condition, c.Index, key})
	}
	for _, key := range c.Lookups {
		what := Country
		if key == restriction.KeyHosts {
			what = Names
		}
		all = append(all, Doubt{what, c.Index, key})
	}
	if l.forecast.Counted {
		return all
	}
	for _, kind := range kinds {
		if n, limited := c.Left.Of(kind); limited && n > 0 && l.plan.needs(kind) {
			all = append(all, Doubt{Counters, c.Index, limitKey(kind)})
		}
	}
	return all
}

// needs reports whether some phase makes uses of a kind.
func (p *Plan) needs(kind restriction.Kind) bool {
	return slices.ContainsFunc(p.Phases, func(phase Phase) bool { return phase.need(kind) != 0 })
}

// neverKey is the key because of which a clause admits nothing.
func neverKey(err error) string {
	if located, ok := errors.AsType[*restriction.ClauseError](err); ok {
		return located.Key
	}
	return ""
}
