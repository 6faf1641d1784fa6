package plan

import (
	"math"
	"slices"
)

// contest is a competition of phases for the uses of one kind that clauses allow. A use
// counts against the first clause that fits and has a use left (protocol section 2.5). So
// one phase can take what another one needs. A run of the job is any order of uses. In a
// run, each phase makes at most as many uses as it needs, each at one of its spots.
type contest struct {
	left    []int64 // uses left, by clause; AnyNumber means no limit
	demands []demand
	reached [][]int64 // by demand and clause: the first second in which the demand may use the clause
}

// demand is the uses that one phase makes.
type demand struct {
	phase int
	need  int64  // uses at most, never 0; AnyNumber means no limit
	spots []spot // by time
}

// spot is a host, and a span of time, in which a phase may make uses. Nothing changes
// from its first second to its last.
type spot struct {
	second, last int64
	host         string
	options      []option // clauses with uses left, in order
}

// option is a clause that a use may count against.
type option struct {
	clause int
	fit    fit
}

// fit says whether the uses of a phase fit a clause.
type fit uint8

const (
	misfit  fit = iota
	some        // some of them fit, others do not
	perhaps     // nobody knows whether they fit
	fits
)

// options returns the clauses that fit, in order. It stops at the first one that surely
// fits and has no limit, because no use gets past that one.
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

// breach is a spot of a demand at which a use may be refused.
type breach struct {
	demand int
	spot   *spot
}

// before reports whether b comes first. A nil breach comes last.
func (b *breach) before(other *breach) bool {
	return b != nil && (other == nil || b.spot.second < other.spot.second)
}

// bounds returns the first breach that is possible and the first one that is certain.
// Either may be nil. contended reports whether a clause fits a use that is possibly, but
// not certainly, refused. Then the order of uses decides.
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

// mayRefuse is the worst case. If it returns false, no run has a use refused at b. It
// adds up how many uses the clauses have left that surely fit. It compares this with the
// uses that phases may make of them before. An option that nobody can judge gives b no
// uses, but other phases may take uses through it.
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

// spends returns how many uses demand j may take from a set of clauses before the use at
// b.
//
// All uses of j that can reach the set may try the same other clause first. Then j
// empties that clause before it reaches the set. spends subtracts these uses, except for
// those that other phases may have taken.
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

// refuses is the best case. If it returns true, some run has a use refused at b or
// before, whatever turns out about things that are not known. In that run, the phases
// that can use only the same clauses make all their uses first. Then the phase of b makes
// all its uses at b.
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

// confined reports whether demand j has a spot, at a second or before, where it can use
// no clause outside of a set.
func (c *contest) confined(j int, within []bool, second int64) bool {
	return slices.ContainsFunc(c.demands[j].spots, func(s spot) bool {
		return s.second <= second && !slices.ContainsFunc(s.options, func(o option) bool { return o.fit != some && !within[o.clause] })
	})
}

// add adds numbers of uses. AnyNumber plus any number is AnyNumber.
func add(a, b int64) int64 {
	if a == AnyNumber || b == AnyNumber {
		return AnyNumber
	}
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
