package plan

import (
	"encoding/binary"
	"slices"
)

// mostStates bounds the search for a breach.
const mostStates = 1 << 15

// state is how many uses each demand may still make, and what is left of each
// clause. AnyNumber stays what it is.
type state struct{ wants, left []int64 }

func (s state) clone() state { return state{slices.Clone(s.wants), slices.Clone(s.left)} }

func (s state) key() string {
	var key []byte
	for _, n := range s.wants {
		key = binary.AppendVarint(key, n)
	}
	for _, n := range s.left {
		key = binary.AppendVarint(key, n)
	}
	return string(key)
}

// search tries all runs, segment by segment. The fewer uses are left, the
// easier a use fails: whoever can fail after a run can also fail after the same
// run with less left, because first-fit never leaves more of any clause to the
// poorer one. So a demand without a limit spends all it can at once.
func (c *contest) search() outcome {
	states, budget := []state{c.start()}, mostStates
	for segment := range c.segments {
		reached, b, full := c.segment(segment, states, &budget)
		if b != nil {
			return outcome{breach: b}
		}
		if full {
			return c.sample(segment)
		}
		states = reached
	}
	return outcome{}
}

// start is the state before everything.
func (c *contest) start() state {
	start := state{make([]int64, len(c.demands)), slices.Clone(c.supplies)}
	for i := range c.demands {
		start.wants[i] = c.demands[i].need
	}
	return start
}

// after is a state at the end of a segment: demands that have ended are of no
// interest any more.
func (c *contest) after(segment int, s state) state {
	s = s.clone()
	for i := range c.demands {
		if c.demands[i].last <= segment {
			s.wants[i] = 0
		}
	}
	return s
}

// segment explores what can happen in one segment, from all states in which it
// can begin.
func (c *contest) segment(segment int, from []state, budget *int) (reached []state, b *breach, full bool) {
	seen := make(map[string]bool)
	push := func(s state) {
		for i := range c.demands {
			if c.demands[i].last < segment {
				s.wants[i] = 0 // of no interest any more
			}
		}
		if key := s.key(); !seen[key] {
			seen[key] = true
			reached = append(reached, s)
		}
	}
	for _, s := range from {
		push(s.clone())
	}
	for n := 0; n < len(reached); n++ {
		if *budget--; *budget < 0 {
			return nil, nil, true
		}
		for i := range c.demands {
			if reached[n].wants[i] == 0 {
				continue
			}
			for _, ch := range c.demands[i].choices(segment) {
				if c.use(reached[n], i, ch.options, push) {
					b = b.sooner(&breach{c.demands[i].phase, segment, ch.column})
				}
			}
		}
	}
	return reached, b, false
}

// use lets a demand make one use, or all that it can if it has no limit. It
// reports whether the use can fail.
func (c *contest) use(s state, i int, options []option, push func(state)) (fails bool) {
	unlimited := s.wants[i] == AnyNumber
	drained, spent := s.clone(), false
	for _, o := range options {
		switch {
		case s.left[o.clause] == AnyNumber && o.sure():
			if unlimited && spent {
				push(drained)
			}
			return false
		case s.left[o.clause] <= 0:
		case unlimited:
			drained.left[o.clause], spent = 0, true
		default:
			next := s.clone()
			next.left[o.clause]--
			next.wants[i]--
			push(next)
			if o.sure() {
				return false
			}
		}
	}
	return true
}

// sooner is the breach of the first phase and place, of two in one segment.
func (b *breach) sooner(other *breach) *breach {
	if b == nil || other.phase < b.phase || other.phase == b.phase && other.column < b.column {
		return other
	}
	return b
}

// sample looks for a breach in some runs only, from a segment on: for each
// place where a use is made, the other phases spend first, in order and in
// reverse, as late as they can.
func (c *contest) sample(first int) outcome {
	for segment := first; segment < c.segments; segment++ {
		for i := range c.demands {
			for _, ch := range c.demands[i].choices(segment) {
				if c.exhausts(i, segment, ch, false) || c.exhausts(i, segment, ch, true) {
					return outcome{breach: &breach{c.demands[i].phase, segment, ch.column}, unsettled: true}
				}
			}
		}
	}
	return outcome{unsettled: true}
}

// exhausts reports whether a use fails after all others were made, in bulk.
func (c *contest) exhausts(target, segment int, at choice, backwards bool) bool {
	left := slices.Clone(c.supplies)
	order := make([]int, 0, len(c.demands))
	for i := range c.demands {
		if i != target {
			order = append(order, i)
		}
	}
	if backwards {
		slices.Reverse(order)
	}
	for _, i := range order {
		d := &c.demands[i]
		for _, ch := range d.choices(min(d.last, segment)) {
			spend(left, d.need, ch.options)
			break // one place is as good as another for a sample
		}
	}
	return !spend(left, c.demands[target].need, at.options)
}

// spend makes as many uses, and reports whether all found something left.
func spend(left []int64, uses int64, options []option) bool {
	for _, o := range options {
		switch {
		case !o.sure():
		case left[o.clause] == AnyNumber:
			return true
		case uses == AnyNumber:
			left[o.clause] = 0
		default:
			taken := min(uses, left[o.clause])
			left[o.clause] -= taken
			uses -= taken
		}
	}
	return uses == 0
}
