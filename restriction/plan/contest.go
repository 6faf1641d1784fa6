package plan

import (
	"math"
	"slices"
)

// contest is the phases that spend uses of one kind from clauses. A use spends from the
// first clause that fits and has a use left (protocol section 2.5), so one phase can take
// what another one needs. A run of the job is any order of uses, each phase at most as
// many as it needs, at any of its spots.
type contest struct {
	left    []int64 // uses by clause; AnyNumber is no limit
	demands []demand
	reached [][]int64 // by demand and clause: the first second at which it may spend there
}

// demand is a phase that makes uses.
type demand struct {
	phase int
	need  int64  // uses at most; AnyNumber is no limit, never 0
	spots []spot // by time
}

// spot is a time and a host at which a phase may make uses. Nothing changes from its first
// second to its last.
type spot struct {
	second, last int64
	host         string
	options      []option // in the order of clauses, with uses left
}

// option is a clause from which a use may be spent.
type option struct {
	clause int
	fit    fit
}

// fit says whether the uses of a phase fit a clause.
type fit uint8

const (
	misfit  fit = iota
	some        // some of them fit, others do not
	perhaps     // nobody knows
	fits
)

// options returns the clauses that fit, up to the first that no use gets past.
func (c *contest) options(fit func(clause int) fit) []option {
	var all []option
	for i, left := range c.left {
		if left == 0 {
			continue
		}
		f := fit(i)
		if f != misfit {
			all = append(all, option{i, f})
		}
		if f == fits && left == AnyNumber {
			break
		}
	}
	return all
}

// add adds a demand.
func (c *contest) add(d demand) {
	reached := slices.Repeat([]int64{math.MaxInt64}, len(c.left))
	for _, s := range d.spots {
		for _, o := range s.options {
			reached[o.clause] = min(reached[o.clause], s.second)
		}
	}
	c.demands, c.reached = append(c.demands, d), append(c.reached, reached)
}

// breach is a spot of a demand where a use may be refused.
type breach struct {
	demand int
	spot   *spot
}

// before reports whether b comes first. nil comes last.
func (b *breach) before(other *breach) bool {
	return b != nil && (other == nil || b.spot.second < other.spot.second)
}

// bounds returns the first breach in the worst case and the first one that is sure, or nil.
// contended reports that a use between both bounds fits a clause, so that the order of uses
// decides.
func (c *contest) bounds() (worst, sure *breach, contended bool) {
	for i := range c.demands {
		for s := range c.demands[i].spots {
			b := &breach{i, &c.demands[i].spots[s]}
			if sure != nil && !b.before(sure) {
				break // this demand has nothing earlier
			}
			if !c.mayRefuse(b) {
				continue
			}
			if b.before(worst) {
				worst = b
			}
			if c.refuses(b) {
				sure = b
				break
			}
			contended = contended || slices.ContainsFunc(b.spot.options, func(o option) bool { return o.fit == fits })
		}
	}
	return worst, sure, contended
}

// mayRefuse is the worst case. If it is false, no run has a use refused at b. It compares
// the uses left of the clauses that surely fit with the uses that phases may spend from
// them before. Options that nobody can judge may take uses away, but they never help.
func (c *contest) mayRefuse(b *breach) bool {
	within := make([]bool, len(c.left))
	var left int64
	for _, o := range b.spot.options {
		if o.fit == fits {
			if c.left[o.clause] == AnyNumber {
				return false
			}
			within[o.clause] = true
			left = add(left, c.left[o.clause])
		}
	}
	var spent int64
	for j := range c.demands {
		spent = add(spent, c.spends(j, within, b))
	}
	return left == 0 || spent == AnyNumber || spent >= left
}

// spends returns how many uses demand j spends from a set of clauses before the use at b,
// at most. If all its uses that reach the set first try one other clause, j empties that
// clause before. Other phases may have taken a part of it.
func (c *contest) spends(j int, within []bool, b *breach) int64 {
	const none = -1
	first, reaches := none, false
	for _, s := range c.demands[j].spots {
		if s.second > b.spot.second {
			break
		}
		if !slices.ContainsFunc(s.options, func(o option) bool { return within[o.clause] }) {
			continue
		}
		if o := s.options[0]; o.fit == fits && (!reaches || o.clause == first) {
			first = o.clause
		} else {
			first = none
		}
		reaches = true
	}
	uses := c.needed(j, b)
	switch {
	case !reaches:
		return 0
	case first == none || within[first] || uses == AnyNumber:
		return uses
	}
	var others int64
	for k := range c.demands {
		if k != j && c.reached[k][first] <= b.spot.second {
			others = add(others, c.needed(k, b))
		}
	}
	if others == AnyNumber {
		return uses
	}
	return max(uses-max(c.left[first]-others, 0), 0)
}

// needed returns how many uses demand j makes before the use at b, at most.
func (c *contest) needed(j int, b *breach) int64 {
	n := c.demands[j].need
	if j == b.demand && n != AnyNumber {
		n--
	}
	return n
}

// refuses is the best case. If it is true, some run has a use refused until b, whatever is
// not known: the phase makes all its uses at b, after those phases that can spend from
// nothing but the same clauses have made theirs.
func (c *contest) refuses(b *breach) bool {
	within := make([]bool, len(c.left))
	var left int64
	for _, o := range b.spot.options {
		if o.fit != some {
			within[o.clause] = true
			left = add(left, c.left[o.clause])
		}
	}
	if left == AnyNumber {
		return false
	}
	need := c.demands[b.demand].need
	for j := range c.demands {
		if j != b.demand && c.confined(j, within, b.spot.second) {
			need = add(need, c.demands[j].need)
		}
	}
	return need == AnyNumber || need > left
}

// confined reports whether demand j has a spot, until a second, at which it can only spend
// from a set of clauses.
func (c *contest) confined(j int, within []bool, second int64) bool {
	return slices.ContainsFunc(c.demands[j].spots, func(s spot) bool {
		return s.second <= second && !slices.ContainsFunc(s.options, func(o option) bool { return o.fit != some && !within[o.clause] })
	})
}

// add adds numbers of uses.
func add(a, b int64) int64 {
	if a == AnyNumber || b == AnyNumber {
		return AnyNumber
	}
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
