package plan

import (
	"slices"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// Unknowable is a kind of thing that [Plan.Preflight] cannot know.
type Unknowable uint8

const (
	// RefreshToken: how long the provider keeps the refresh token behind the mytoken, and
	// keeps the rights of the user. Every token has this doubt.
	RefreshToken Unknowable = iota
	// Revocation: whether somebody will revoke the token or one of its ancestors. Every
	// token has this doubt.
	Revocation
	// Condition: what a condition will answer. Either the program cannot evaluate the
	// key, or the condition does not know when it changes.
	Condition
	// Names: what the DNS will say about an address.
	Names
	// Country: in which country an address will be.
	Country
	// Counters: how many uses were spent. Preflight assumed none.
	Counters
	// Capability: whether the token may do what the plan does. Either the capabilities of
	// the token are not known, or those that the other uses of a phase need.
	Capability
	// Renewal: whether the job uses the token often enough. Each generation of the token
	// ends, and only a use before that begins the next one.
	Renewal
	// Contention: whether a phase takes limited uses that another one needs. The order of
	// uses decides. Higher limits, or a token for each phase, remove this doubt.
	Contention
)

// String returns the doubt in words.
func (u Unknowable) String() string {
	return map[Unknowable]string{
		RefreshToken: "how long the provider keeps the refresh token",
		Revocation:   "whether the token will be revoked",
		Condition:    "what a condition will answer",
		Names:        "what the DNS will say",
		Country:      "in which country an address will be",
		Counters:     "how many uses were spent",
		Capability:   "whether the token has the capabilities that the plan needs",
		Renewal:      "whether the job uses the token often enough to keep it alive",
		Contention:   "whether a phase takes uses that another one needs",
	}[u]
}

// Doubt is one thing that [Plan.Preflight] cannot know.
type Doubt struct {
	What   Unknowable
	Clause int    // index, or [restriction.NoClause] if the doubt is not about a clause
	Key    string // wire name of the key, or ""
}

// doubts returns the doubts about the token and about the clauses that a phase may use.
func (l *look) doubts(j *judgement) []Doubt {
	all := []Doubt{{RefreshToken, restriction.NoClause, ""}, {Revocation, restriction.NoClause, ""}}
	if l.token.Capabilities == nil || slices.ContainsFunc(l.plan.Phases, func(p Phase) bool { return p.OtherUses != 0 && len(p.Capabilities) == 0 }) {
		all = append(all, Doubt{Capability, restriction.NoClause, KeyCapabilities})
	}
	if slices.ContainsFunc(l.times, func(t seconds) bool { return t.last >= l.idle && t.first < l.dead }) {
		all = append(all, Doubt{Renewal, restriction.NoClause, KeyRotation})
	}
	if j.answer == Perhaps && j.contended {
		all = append(all, Doubt{Contention, restriction.NoClause, ""})
	}
	for i := range l.f.Clauses {
		if l.matters(i) {
			all = append(all, l.clauseDoubts(&l.f.Clauses[i])...)
		}
	}
	return all
}

// matters reports whether some phase may use a clause.
func (l *look) matters(clause int) bool {
	return slices.ContainsFunc(l.contest[:], func(c contest) bool {
		return slices.ContainsFunc(c.reached, func(reached []int64) bool { return reached[clause] != never })
	})
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
	if l.f.Counted {
		return all
	}
	for _, kind := range kinds {
		needed := slices.ContainsFunc(l.plan.Phases, func(p Phase) bool { return p.need(kind) != 0 })
		if n, limited := c.Left.Of(kind); limited && n > 0 && needed {
			all = append(all, Doubt{Counters, c.Index, limitKey(kind)})
		}
	}
	return all
}
