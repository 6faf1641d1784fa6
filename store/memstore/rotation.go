package memstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// generation is one generation of a token.
type generation struct {
	sum     store.Sum
	key     store.Sealed
	expires store.Micros

	// The following concern outdated generations.
	successor store.Sealed
	until     store.Micros // end of the grace, inclusive
	confirmed bool         // its successor was seen
}

// present finds a token that its holder presented, and the generation that it
// presented, or says why it is not answered.
func (s *Store) present(p store.Presented, now store.Micros) (*token, *generation, error) {
	t := s.tokens[p.ID]
	switch {
	case t == nil:
		return nil, nil, store.ErrNotFound
	case !t.live():
		return nil, nil, store.ErrRevoked
	case p.Seq == 0 || p.Seq > t.seq:
		return nil, nil, store.ErrForged
	case p.Seq == t.seq:
		if p.Sum != t.current.sum {
			return nil, nil, store.ErrForged
		}
		return t, &t.current, nil
	}
	g := t.graced(p.Seq, now)
	switch {
	case g == nil:
		return nil, nil, t.stale(p, true)
	case g.sum != p.Sum:
		return nil, nil, store.ErrForged
	case g.confirmed:
		return nil, nil, t.stale(p, false)
	}
	return t, g, nil
}

// graced returns the outdated generation while its grace lasts.
func (t *token) graced(seq uint64, now store.Micros) *generation {
	if g := t.outdated[seq]; g != nil && now <= g.until {
		return g
	}
	return nil
}

func (t *token) stale(p store.Presented, reuse bool) error {
	return &store.StaleError{Presented: p.Seq, Current: t.seq, Reuse: reuse}
}

// confirm notes that a generation was seen: if it is the current one, no
// outdated one is answered any more.
func (t *token) confirm(seen *generation) {
	if seen != &t.current {
		return
	}
	for _, g := range t.outdated {
		g.confirmed = true
	}
}

// Rotate implements [store.Tokens].
func (s *Store) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	if err := r.Check(); err != nil {
		return store.Rotated{}, err
	}
	if err := s.lock(ctx); err != nil {
		return store.Rotated{}, err
	}
	defer s.mu.Unlock()

	t := s.tokens[r.From.ID]
	if t != nil && t.live() && r.From.Seq < t.seq {
		return t.rotatedBefore(&r)
	}
	t, _, err := s.present(r.From, r.Now)
	if err != nil {
		return store.Rotated{}, err
	}
	return s.succeed(t, &r)
}

// succeed replaces the current generation.
func (s *Store) succeed(t *token, r *store.Rotation) (store.Rotated, error) {
	plan, err := s.planTickets(&r.Tickets, r.Now)
	if err != nil {
		return store.Rotated{}, err
	}
	t.confirm(&t.current)
	if r.Grace > 0 {
		old := t.current
		old.successor = clone(r.Successor)
		old.until = r.Now.Add(r.Grace)
		t.outdated[r.From.Seq] = &old
	}
	t.seq = r.To.Seq
	t.current = generation{sum: r.To.Sum, key: clone(r.Key), expires: r.Expires}
	s.record(t, r.Event)
	plan.apply()
	return store.Rotated{Successor: clone(r.Successor), Fresh: true}, nil
}

// rotatedBefore answers a rotation of a generation that is outdated already.
func (t *token) rotatedBefore(r *store.Rotation) (store.Rotated, error) {
	g := t.graced(r.From.Seq, r.Now)
	if g != nil && g.sum != r.From.Sum {
		return store.Rotated{}, store.ErrForged
	}
	sum, known := t.sum(r.To.Seq)
	own := known && sum == r.To.Sum
	switch {
	case g != nil:
		return store.Rotated{Successor: clone(g.successor), Fresh: own}, nil
	case own:
		return store.Rotated{Successor: clone(r.Successor), Fresh: true}, nil
	}
	return store.Rotated{}, t.stale(r.From, true)
}

// sum returns the sum of a generation that is still known.
func (t *token) sum(seq uint64) (store.Sum, bool) {
	if seq == t.seq {
		return t.current.sum, true
	}
	if g := t.outdated[seq]; g != nil {
		return g.sum, true
	}
	return store.Sum{}, false
}

// withdraw takes an entry out of the history.
func (t *token) withdraw(e *entry) {
	t.history = slices.DeleteFunc(t.history, func(o *entry) bool { return o == e })
}
