package memstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// present finds a presented token and decides whether to accept its generation.
func (s *Store) present(p store.Presented, now store.Micros) (*token, rules.Answer, error) {
	t := s.tokens[p.ID]
	answer, err := rules.Present(t.decisive(), p, now, t.find)
	return t, answer, err
}

// decisive returns the part of the token on which package rules decides. It returns nil
// if t is nil.
func (t *token) decisive() *rules.Token {
	if t == nil {
		return nil
	}
	t.Live = t.live()
	return &t.Token
}

// find returns an outdated generation, or nil.
func (t *token) find(seq uint64) (*rules.Generation, error) { return t.outdated[seq], nil }

// confirm records the current generation as confirmed if the answer says so.
func (t *token) confirm(answer rules.Answer) {
	if answer.Confirms {
		t.Confirmed = t.Seq
		t.eraseOutdated()
	}
}

// eraseOutdated erases what the generations before the confirmed one open.
func (t *token) eraseOutdated() {
	for seq, g := range t.outdated {
		if seq < t.Confirmed {
			g.Key, g.Successor = nil, nil
		}
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
	before, err := rules.Rotate(t.decisive(), &r, t.find)
	if err != nil {
		return store.Rotated{}, err
	}
	if before != nil {
		return *before, nil
	}
	return s.replace(t, &r)
}

// replace makes all changes of a rotation, or none of them.
func (s *Store) replace(t *token, r *store.Rotation) (store.Rotated, error) {
	plan, err := s.planTickets(&r.Tickets, r.Now)
	if err != nil {
		return store.Rotated{}, err
	}
	if old := t.Replace(r); old != nil {
		t.outdated[r.From.Seq] = old
	}
	t.eraseOutdated()
	t.expires = r.Expires
	s.record(t, r.Event)
	s.applyTickets(plan)
	return store.Rotated{Successor: clone(r.Successor), Fresh: true}, nil
}
