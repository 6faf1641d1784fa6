package plan

import "encoding/binary"

// forced finds the first breach that happens whatever is not known. A use that
// only perhaps fits a clause is spent from it or not, whichever is better for the
// plan; everything else is up to the run, at the worst. Where nothing is unknown,
// it is what settle finds.
func (c *contest) forced() outcome {
	g := game{contest: c, known: make(map[string]*breach), budget: mostStates}
	start := c.start()
	b := g.first(0, start)
	if g.budget >= 0 {
		return outcome{breach: b}
	}
	return c.hopeful().settle()
}

// game is a search for a breach that what is unknown cannot avert.
type game struct {
	contest *contest
	known   map[string]*breach // by segment and state
	budget  int
}

// first returns the first breach that can be forced from a state at the beginning
// of a segment, or within it; nil if there is none.
func (g *game) first(segment int, s state) *breach {
	if segment == g.contest.segments {
		return nil
	}
	key := string(binary.AppendVarint([]byte(s.key()), int64(segment)))
	if b, ok := g.known[key]; ok {
		return b
	}
	if g.budget--; g.budget < 0 {
		return nil
	}
	var b *breach
	for i := range g.contest.demands {
		if s.wants[i] == 0 {
			continue
		}
		for _, ch := range g.contest.demands[i].choices(segment) {
			b = b.earlier(g.use(segment, s, i, ch.options, breach{g.contest.demands[i].phase, segment, ch.column}))
		}
	}
	if b == nil || b.segment > segment {
		b = b.earlier(g.first(segment+1, g.contest.after(segment, s)))
	}
	g.known[key] = b
	return b
}

// use returns the first breach that can be forced by making one use, or, with a
// demand without a limit, as many as a clause admits: to let some of them be spent
// elsewhere averts nothing that letting all of them does not.
func (g *game) use(segment int, s state, i int, options []option, refused breach) *breach {
	for n, o := range options {
		if s.left[o.clause] == 0 {
			continue
		}
		var spent *breach
		if next, ok := s.spend(i, o); ok {
			spent = g.first(segment, next)
		}
		switch o.fit {
		case fits:
			return spent
		case takes:
			return spent.earlier(g.use(segment, s, i, options[n+1:], refused))
		}
		return spent.later(g.use(segment, s, i, options[n+1:], refused))
	}
	return &refused
}

// spend is the state after a use is spent from a clause; ok is false if that
// changes nothing.
func (s state) spend(i int, o option) (next state, ok bool) {
	unlimited := s.wants[i] == AnyNumber
	if s.left[o.clause] == AnyNumber && unlimited {
		return s, false
	}
	next = s.clone()
	switch {
	case next.left[o.clause] == AnyNumber:
	case unlimited:
		next.left[o.clause] = 0
	default:
		next.left[o.clause]--
	}
	if !unlimited {
		next.wants[i]--
	}
	return next, true
}

// earlier is the first of two breaches; nil is never.
func (b *breach) earlier(other *breach) *breach {
	if b == nil || other != nil && other.before(b) {
		return other
	}
	return b
}

// later is the last of two breaches; nil is never.
func (b *breach) later(other *breach) *breach {
	if b == nil || other == nil {
		return nil
	}
	if b.before(other) {
		return other
	}
	return b
}

func (b *breach) before(other *breach) bool {
	if b.segment != other.segment {
		return b.segment < other.segment
	}
	return b.phase < other.phase || b.phase == other.phase && b.column < other.column
}
