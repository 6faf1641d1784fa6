package plan

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// KeyRotation is the claim of a token that says how long a generation of it
// lives (protocol section 4.1).
const KeyRotation = "rotation"

// forever is the last second of a token that does not end.
const forever = math.MaxInt64

// bound prepares the arenas for a token whose end rotation moves. At the worst
// the plan makes no use before the generation ends: a phase may make none. At
// the best its uses come whenever a generation is about to end.
func (l *look) bound(life forecast.Life) {
	l.worst, l.best = l.arena, l.arena
	if life.Fixed() {
		return
	}
	idle := life.Idle.Unix()
	l.worst = l.arena.until(idle)
	if last := l.arena.reach(idle, l.token); last < forever {
		l.best = l.arena.until(last)
	}
}

// until is the arena of a token that ends with a second.
func (a *arena) until(last int64) *arena {
	cut := slices.Clone(a.sources)
	for i := range cut {
		cut[i].open = nil
		for _, o := range a.sources[i].open {
			if o.last = min(o.last, last); o.first <= o.last {
				cut[i].open = append(cut[i].open, o)
			}
		}
	}
	b := newArena(a.plan, a.times, cut)
	b.token, b.last = a.token, last
	return b
}

// reach is the last second in which a token can live that only the plan uses, or
// forever if the search was too large.
func (a *arena) reach(idle int64, token *forecast.Token) int64 {
	var all contest
	for _, kind := range kinds {
		if !token.Renews(kind) {
			continue
		}
		c := a.contest(kind)
		for i := range c.demands {
			c.demands[i].shift(len(all.supplies))
		}
		all.demands, all.supplies = append(all.demands, c.demands...), append(all.supplies, c.supplies...)
	}
	s := renewal{contest: &all, lifetime: int64(min(token.Rotation.Lifetime, uint64(longest.Seconds())*2)), budget: mostStates}
	states := []alive{{all.start(), idle}}
	for segment := range a.grid.segments() {
		states = s.segment(segment, seconds{a.grid.cuts[segment], a.grid.cuts[segment+1] - 1}, states)
		if s.budget < 0 {
			return forever
		}
	}
	last := idle
	for i := range states {
		last = max(last, states[i].last)
	}
	return last
}

// shift makes the demand one for clauses behind others.
func (d *demand) shift(clauses int) {
	for _, choices := range d.options {
		for _, ch := range choices {
			for i := range ch.options {
				ch.options[i].clause += clauses
			}
		}
	}
}

// alive is a state of a token that lives until a second.
type alive struct {
	state
	last int64
}

func (s alive) key() string {
	return string(binary.AppendVarint([]byte(s.state.key()), s.last))
}

// renewal searches for the uses that keep a token alive the longest. Who has
// more left reaches no less, so that only uses count that prolong its life, and
// each is best made as late as it can be.
type renewal struct {
	contest  *contest
	lifetime int64
	budget   int
}

// segment returns the states after a segment. A token that has died before stays
// as it is.
func (r *renewal) segment(segment int, t seconds, from []alive) []alive {
	var reached []alive
	seen := make(map[string]bool)
	push := func(s alive) {
		if key := s.key(); !seen[key] {
			seen[key] = true
			reached = append(reached, s)
		}
	}
	for _, s := range from {
		push(s)
	}
	for n := 0; n < len(reached); n++ {
		if r.budget--; r.budget < 0 {
			return nil
		}
		s := reached[n]
		if s.last < t.first || t.last+r.lifetime <= s.last {
			continue
		}
		for i := range r.contest.demands {
			for _, ch := range r.contest.demands[i].choices(segment) {
				r.use(s, i, ch.options, t, push)
			}
		}
	}
	return reached
}

// use makes one use as late as the token and the segment last, or, where nothing
// limits them, as many as prolong its life.
func (r *renewal) use(s alive, i int, options []option, t seconds, push func(alive)) {
	if s.wants[i] == 0 {
		return
	}
	for _, o := range options {
		if s.left[o.clause] == 0 {
			continue
		}
		next := alive{s.clone(), min(s.last, t.last) + r.lifetime}
		switch limited := s.left[o.clause] != AnyNumber; {
		case limited:
			next.left[o.clause]--
		case s.wants[i] == AnyNumber:
			next.last = t.last + r.lifetime
		}
		if s.wants[i] != AnyNumber {
			next.wants[i]--
		}
		push(next)
		if o.sure() {
			return
		}
	}
}

// renewed reports whether it matters, and depends on how the plan's uses are
// spread, that the token is rotated in time.
func (l *look) renewed() bool {
	return slices.ContainsFunc(l.arena.times, func(t seconds) bool { return t.last > l.worst.last && t.first <= l.best.last })
}

// endKey is the claim because of which the token is dead at a second of an arena,
// or "".
func (l *look) endKey(a *arena, second int64) string {
	expires := l.token.Expires
	switch last := l.token.Life().Last; {
	case second > a.last:
		return KeyRotation
	case last.IsZero() || second <= last.Unix():
		return ""
	case expires.IsZero() || second <= expires.Unix():
		return KeyRotation
	}
	return restriction.KeyExpires
}
