package memstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
)

// Revoke implements [store.Tokens]. It looks at every token of the grant, so
// that LiveLeft is always exact.
func (s *Store) Revoke(ctx context.Context, r store.Revocation) (store.Revoked, error) {
	if err := r.Check(); err != nil {
		return store.Revoked{}, err
	}
	if err := s.lock(ctx); err != nil {
		return store.Revoked{}, err
	}
	defer s.mu.Unlock()

	t := s.tokens[r.Token]
	if t == nil {
		return store.Revoked{}, store.ErrNotFound
	}
	if t.grave.revoked == 0 {
		t.grave.revoked = r.Now
		s.record(t, r.Event)
	}
	if r.Recursive && t.grave.recursive == 0 {
		t.grave.recursive = r.Now
	}
	s.dropTicketsOf(t.id)
	out := store.Revoked{Grant: t.grant, Refresh: s.grants[t.grant].state()}
	for _, o := range s.byGrant[t.grant] {
		if o.live() && !o.expired(r.Now) {
			out.LiveLeft = true
			break
		}
	}
	if by := s.tokens[r.By.ID]; by != nil && by.grant == t.grant && by.seq == r.By.Seq && by.current.sum == r.By.Sum {
		out.Key = clone(by.current.key)
	}
	return out, nil
}

func (t *token) expired(now store.Micros) bool {
	return t.current.expires != 0 && t.current.expires < now
}
