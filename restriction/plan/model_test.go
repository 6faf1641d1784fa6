package plan_test

import (
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// The random plans live in a world of a few seconds, addresses and scopes, so small that
// tests can try everything in it. This file says again, more simply, what a plan needs.

const worldEnd = 14 // seconds after the submission; no plan takes longer

var (
	worldAddresses = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1", "203.0.113.1"}
	worldHosts     = []string{"192.0.2.1", "192.0.2.2", "192.0.2.0/24"}
	worldScopes    = [][]string{{"a"}, {"b"}, {"a", "b"}}
	worldAudiences = [][]string{{"x"}, {"y"}, {"x", "y"}}
)

// access is one thing that can be tried.
type access struct {
	second    int // after the submission
	kind      restriction.Kind
	address   string
	scopes    []string
	audiences []string
}

func (a access) request(used []restriction.Usage) restriction.Request {
	return restriction.Request{
		Now: second(a.second), Kind: a.kind, Address: netip.MustParseAddr(a.address),
		Scopes: a.scopes, Audiences: a.audiences, Used: used,
	}
}

// everything returns all accesses of the world.
func everything() []access {
	var all []access
	for n := -2; n <= worldEnd+2; n++ {
		for _, address := range worldAddresses {
			all = append(all, access{n, restriction.Other, address, nil, nil}, access{n, restriction.Uncounted, address, nil, nil})
			for _, scopes := range worldScopes {
				for _, audiences := range append([][]string{{"another"}}, worldAudiences...) {
					all = append(all, access{n, restriction.AT, address, scopes, audiences})
				}
			}
		}
	}
	return all
}

// interval is when a phase may use the token, in seconds after the submission. Both are
// included.
type interval struct{ first, last int }

func intervals(p plan.Plan) []interval {
	var all []interval
	firstEnd, lastEnd := 0, 0
	for _, phase := range p.Phases {
		if !phase.AfterPrevious {
			firstEnd, lastEnd = 0, 0
		}
		begin := firstEnd + int(phase.Earliest/time.Second)
		firstEnd = begin + int(phase.Shortest/time.Second)
		lastEnd += int((phase.Latest + phase.Queue + phase.Duration) / time.Second)
		all = append(all, interval{begin, lastEnd})
	}
	return all
}

// needs reports whether a phase needs an access.
func needs(phase plan.Phase, at interval, a access) bool {
	if a.second < at.first || a.second > at.last || !hosts(phase.Hosts, a.address) {
		return false
	}
	switch a.kind {
	case restriction.AT:
		return phase.AccessTokens != 0 && contains(phase.Scopes, a.scopes) && (phase.Audiences == nil || contains(phase.Audiences, a.audiences))
	case restriction.Other:
		return phase.OtherUses != 0
	}
	return true
}

func contains(list, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(s string) bool { return !slices.Contains(list, s) })
}

func hosts(entries []string, address string) bool {
	return len(entries) == 0 || slices.ContainsFunc(entries, func(entry string) bool {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			return prefix.Contains(netip.MustParseAddr(address))
		}
		return entry == address
	})
}

func limit(phase plan.Phase, kind restriction.Kind) int64 {
	if kind == restriction.AT {
		return phase.AccessTokens
	}
	return phase.OtherUses
}

// uses returns what a phase may do: each of its seconds, addresses and audiences, with
// all its scopes.
func uses(phase plan.Phase, at interval, kind restriction.Kind) []access {
	var all []access
	if limit(phase, kind) == 0 {
		return nil
	}
	audiences := [][]string{phase.Audiences}
	if phase.Audiences == nil && kind == restriction.AT {
		audiences = [][]string{{"x"}, {"y"}, {"another"}}
	}
	for second := at.first; second <= at.last; second++ {
		for _, address := range worldAddresses {
			if !hosts(phase.Hosts, address) {
				continue
			}
			if kind == restriction.Other {
				all = append(all, access{second, kind, address, nil, nil})
				continue
			}
			for _, a := range audiences {
				all = append(all, access{second, kind, address, phase.Scopes, a})
			}
		}
	}
	return all
}

func drawPlan(t *rapid.T, mostPhases int, mostUses int64) plan.Plan {
	var p plan.Plan
	for i := range rapid.IntRange(1, mostPhases).Draw(t, "phases") {
		p.Phases = append(p.Phases, drawPhase(t, i, mostUses))
	}
	if at := intervals(p); slices.MaxFunc(at, func(a, b interval) int { return a.last - b.last }).last > worldEnd {
		t.Skip("the plan takes too long")
	}
	return p
}

func drawPhase(t *rapid.T, i int, mostUses int64) plan.Phase {
	span := func(name string, most int) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Second
	}
	var p plan.Phase
	p.AfterPrevious = i > 0 && rapid.IntRange(0, 3).Draw(t, "after the previous") == 0
	p.Earliest = span("earliest", 3)
	p.Latest = p.Earliest + span("latest", 1)
	p.Queue = span("queue", 1)
	p.Shortest = span("shortest", 1)
	p.Duration = p.Shortest + span("longest", 2)
	amounts := []int64{0, plan.AnyNumber, plan.AnyNumber}
	for n := int64(1); n <= mostUses; n++ {
		amounts = append(amounts, n)
	}
	p.AccessTokens = rapid.SampledFrom(amounts).Draw(t, "access tokens")
	p.OtherUses = rapid.SampledFrom(append(amounts, 0, 0, 0)).Draw(t, "other uses")
	if p.AccessTokens == 0 && p.OtherUses == 0 {
		p.AccessTokens = plan.AnyNumber
	}
	if p.AccessTokens != 0 {
		p.Scopes = rapid.SampledFrom(worldScopes).Draw(t, "scopes")
		if rapid.IntRange(0, 3).Draw(t, "with audiences") == 0 {
			p.Audiences = rapid.SampledFrom(worldAudiences).Draw(t, "audiences")
		}
	}
	if p.OtherUses != 0 && rapid.Bool().Draw(t, "with capabilities") {
		p.Capabilities = capability.Set{capability.CreateMytoken}
	}
	if rapid.IntRange(0, 2).Draw(t, "with hosts") == 0 {
		p.Hosts = rapid.SliceOfNDistinct(rapid.SampledFrom(worldHosts), 1, 2, rapid.ID).Draw(t, "hosts")
	}
	return p
}
