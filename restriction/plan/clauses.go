package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// Clauses returns restrictions for a job that is submitted at the given time. They admit
// what the plan needs and nothing else:
//
//   - Each phase can make all its uses, from each of its hosts, at any second from its
//     earliest begin to its latest end. The order in which overlapping phases make their
//     uses does not matter.
//   - Some phase needs every use that the list admits. The list admits no more uses than
//     the phases make.
//
// Clauses makes one clause for each phase, and then merges clauses. It adds up the limits
// of clauses that are otherwise equal. It joins clauses without limits that overlap or
// follow each other. It drops a clause if one without limits contains it.
//
// Pass the same time to [Plan.Preflight]. The clauses end when that job may end, so they
// need not carry a job that is submitted later, not even by the seconds of a login. If a
// user logs in first, give the phases a Latest that leaves time for it.
//
// Clauses returns [ErrInvalid], [ErrSubmission] or [ErrContended].
func (p Plan) Clauses(submitted time.Time) (restriction.List, error) {
	times, err := p.schedule(submitted)
	if err != nil {
		return nil, err
	}
	list := p.clauses(times)
	for _, order := range orders {
		slices.SortStableFunc(list, order)
		l, err := p.look(&forecast.Token{Restrictions: list, Elsewhere: true}, submitted, times)
		if err != nil {
			return nil, err
		}
		if l.judge().answer == Carries {
			return list.Clone(), nil
		}
	}
	return nil, ErrContended
}

// clauses returns the merged clauses of all phases. It first merges those for access
// tokens and those for other uses. Then it pairs one of each where possible.
func (p *Plan) clauses(times []seconds) restriction.List {
	var tokens, others restriction.List
	for i := range p.Phases {
		phase := &p.Phases[i]
		c := restriction.Clause{
			NotBefore: times[i].first, Expires: times[i].last, Hosts: sorted(phase.Hosts),
			UsagesAT: restriction.Usages(0), UsagesOther: restriction.Usages(0),
		}
		if phase.OtherUses != 0 {
			other := c
			other.UsagesOther = limit(phase.OtherUses)
			others = append(others, other)
		}
		if phase.AccessTokens != 0 {
			c.UsagesAT, c.Scopes, c.Audiences = limit(phase.AccessTokens), sorted(phase.Scopes), sorted(phase.Audiences)
			tokens = append(tokens, c)
		}
	}
	tokens = merge(tokens, func(c *restriction.Clause) **int64 { return &c.UsagesAT })
	for _, other := range merge(others, func(c *restriction.Clause) **int64 { return &c.UsagesOther }) {
		i := slices.IndexFunc(tokens, func(c restriction.Clause) bool {
			return sameTimes(&c, &other) && slices.Equal(c.Hosts, other.Hosts)
		})
		if i < 0 {
			tokens = append(tokens, other)
		} else {
			tokens[i].UsagesOther = other.UsagesOther
		}
	}
	return tokens
}

// limit returns a number of uses in the form of a clause.
func limit(uses int64) *int64 {
	if uses == AnyNumber {
		return nil
	}
	return restriction.Usages(uses)
}

// merge merges clauses for one kind of use. uses returns the field of a clause with the
// limit for that kind.
func merge(list restriction.List, uses func(*restriction.Clause) **int64) restriction.List {
	slices.SortStableFunc(list, func(a, b restriction.Clause) int { return cmp.Compare(a.NotBefore, b.NotBefore) })
	var merged restriction.List
	for _, c := range list {
		i := slices.IndexFunc(merged, func(m restriction.Clause) bool {
			if !sameUse(&m, &c) {
				return false
			}
			if *uses(&m) == nil && *uses(&c) == nil {
				return c.NotBefore <= m.Expires+1
			}
			return *uses(&m) != nil && *uses(&c) != nil && sameTimes(&m, &c)
		})
		switch {
		case i < 0:
			merged = append(merged, c)
		case *uses(&c) == nil:
			merged[i].Expires = max(merged[i].Expires, c.Expires)
		default:
			*uses(&merged[i]) = restriction.Usages(add(**uses(&merged[i]), **uses(&c)))
		}
	}
	for i := 0; i < len(merged); {
		if contained(merged, i, uses) {
			merged = slices.Delete(merged, i, i+1)
		} else {
			i++
		}
	}
	return merged
}

// contained reports whether another clause without a limit admits everything that clause
// i admits.
func contained(list restriction.List, i int, uses func(*restriction.Clause) **int64) bool {
	for j := range list {
		if j != i && *uses(&list[j]) == nil && restriction.Within(list[i:i+1], list[j:j+1], nil) {
			return true
		}
	}
	return false
}

// sameUse reports whether two clauses are for the same access tokens and hosts.
func sameUse(a, b *restriction.Clause) bool {
	return slices.Equal(a.Scopes, b.Scopes) && slices.Equal(a.Audiences, b.Audiences) && slices.Equal(a.Hosts, b.Hosts)
}

func sameTimes(a, b *restriction.Clause) bool {
	return a.NotBefore == b.NotBefore && a.Expires == b.Expires
}

// orders are the orders in which Clauses tries its list. They matter because a use counts
// against the first clause that fits. The first order is the one in which people write
// clauses. The others begin with clauses without limits.
var orders = []func(a, b restriction.Clause) int{
	byTime,
	func(a, b restriction.Clause) int {
		return cmp.Or(cmp.Compare(limited(a.UsagesAT), limited(b.UsagesAT)), cmp.Compare(limited(a.UsagesOther), limited(b.UsagesOther)), byTime(a, b))
	},
	func(a, b restriction.Clause) int {
		return cmp.Or(cmp.Compare(limited(a.UsagesOther), limited(b.UsagesOther)), cmp.Compare(limited(a.UsagesAT), limited(b.UsagesAT)), byTime(a, b))
	},
}

// byTime sorts by end, then by begin, then by the number of scopes and audiences.
func byTime(a, b restriction.Clause) int {
	return cmp.Or(cmp.Compare(a.Expires, b.Expires), cmp.Compare(a.NotBefore, b.NotBefore),
		cmp.Compare(len(a.Scopes)+len(a.Audiences), len(b.Scopes)+len(b.Audiences)))
}

// limited returns 1 if a clause admits a limited number of uses, and 0 if it admits any
// number or none.
func limited(uses *int64) int {
	if uses == nil || *uses == 0 {
		return 0
	}
	return 1
}

// sorted returns the entries in order and without duplicates. It returns nil if there are
// none.
func sorted(entries []string) []string {
	if len(entries) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(entries)))
}
