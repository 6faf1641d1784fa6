package plan

import "slices"

// contest is phases that spend uses of one kind from clauses. A use spends from
// the first clause that fits and has a use left (protocol section 2.5), so that
// one phase can take what another one needs. The question is whether there is a
// run, whatever the order of uses, in which a use finds nothing left.
//
// Time is cut into segments in which nothing changes, and places into columns.
type contest struct {
	segments int
	demands  []demand
	supplies []int64 // uses left by clause; AnyNumber is no limit
}

// demand is a phase that makes uses.
type demand struct {
	phase       int
	first, last int        // segments, both included
	need        int64      // uses at most, AnyNumber is no limit; never 0
	options     [][]choice // by segment after the first
}

// choice is what a use may spend from at one place, in the order of clauses.
type choice struct {
	column  int
	options []option
}

// option is a clause from which a use may be spent. Only one that fits can be
// relied on.
type option struct {
	clause int
	fit    fit
}

func (o option) sure() bool { return o.fit == fits }

// breach is a use that finds nothing.
type breach struct{ phase, segment, column int }

// outcome is what is known about a contest.
type outcome struct {
	breach *breach // the first; nil if there is none
	// unsettled says that the search was too large: there may be a breach, or an
	// earlier one.
	unsettled bool
}

// choices returns where a demand may spend in a segment.
func (d *demand) choices(segment int) []choice {
	if segment < d.first || segment > d.last {
		return nil
	}
	return d.options[segment-d.first]
}

// settle finds the first breach. What only perhaps fits is spent from whenever
// that hurts, and does not help: the answer "none" holds whatever is unknown.
// Counting alone settles most plans; the others are searched.
func (c *contest) settle() outcome {
	if c.safe() {
		return outcome{}
	}
	return c.search()
}

// hopeful lets whatever perhaps fits admit the use, and takes nothing for it: a
// breach that remains happens whatever is not known, but others may too.
func (c *contest) hopeful() *contest {
	h := *c
	h.supplies = append(slices.Clone(c.supplies), AnyNumber)
	free := option{len(c.supplies), fits}
	h.demands = make([]demand, len(c.demands))
	for i, d := range c.demands {
		options := d.options
		d.options = make([][]choice, len(options))
		for s, choices := range options {
			for _, ch := range choices {
				known := slices.Clone(ch.options)
				for o := range known {
					if known[o].fit == perhaps && c.supplies[known[o].clause] != 0 {
						known[o] = free
					}
				}
				d.options[s] = append(d.options[s], choice{ch.column, known})
			}
		}
		h.demands[i] = d
	}
	return &h
}

// safe reports that no use can fail, because what fits it has as many uses as
// all that may spend from there, up to that time, together.
func (c *contest) safe() bool {
	for i := range c.demands {
		d := &c.demands[i]
		for segment := d.first; segment <= d.last; segment++ {
			for _, ch := range d.choices(segment) {
				if !c.suffices(ch.options, segment) {
					return false
				}
			}
		}
	}
	return true
}

// suffices compares what is left of the sure options with the demand for them.
func (c *contest) suffices(options []option, segment int) bool {
	contested := make([]bool, len(c.supplies))
	var left int64
	for _, o := range options {
		if !o.sure() {
			continue
		}
		supply := c.supplies[o.clause]
		if supply == AnyNumber {
			return true
		}
		contested[o.clause] = true
		left = add(left, supply)
	}
	if left == 0 {
		return false
	}
	var wanted int64
	for i := range c.demands {
		d := &c.demands[i]
		if !d.reaches(contested, segment) {
			continue
		}
		if d.need == AnyNumber {
			return false
		}
		wanted = add(wanted, d.need)
	}
	return wanted <= left
}

// reaches reports whether the demand may spend from one of the clauses by the
// end of a segment.
func (d *demand) reaches(clauses []bool, segment int) bool {
	for s := d.first; s <= min(d.last, segment); s++ {
		for _, ch := range d.choices(s) {
			for _, o := range ch.options {
				if clauses[o.clause] {
					return true
				}
			}
		}
	}
	return false
}

// add adds what is not negative without overflow.
func add(a, b int64) int64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return 1<<63 - 1
}
