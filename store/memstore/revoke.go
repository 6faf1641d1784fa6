package memstore

import (
	"context"
	"maps"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Revoke implements [store.Tokens]. It looks at every token of the grant, so LiveLeft is
// exact.
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
	s.dropTicketsOf(t.ID)
	clear(t.outdated)
	out := store.Revoked{Grant: t.Grant, Refresh: s.grants[t.Grant].State()}
	for _, o := range s.byGrant[t.Grant] {
		if o.live() && (o.expires == 0 || o.expires >= r.Now) {
			out.LiveLeft = true
			break
		}
	}
	if by := s.tokens[r.By.ID]; by != nil && by.Grant == t.Grant && by.Seq == r.By.Seq && by.Sum == r.By.Sum {
		out.Key = clone(by.Key)
	}
	s.eraseKeys(t, &r, out.LiveLeft)
	return out, nil
}

// eraseKeys erases what the revoked tokens still open.
func (s *Store) eraseKeys(t *token, r *store.Revocation, liveLeft bool) {
	if !rules.KeepsKey(r, liveLeft) {
		t.erase()
	} else if t.keptUntil == 0 {
		t.keptUntil = r.Now.Add(rules.RevokedKeyKept)
	}
	if t.grave.recursive == 0 {
		return
	}
	gone := make(map[store.TokenID]bool)
	for _, o := range s.byGrant[t.Grant] {
		if slices.Contains(o.Ancestors, t.ID) {
			gone[o.ID] = true
			o.erase()
		}
	}
	maps.DeleteFunc(s.tickets, func(_ store.TicketRef, k *rules.Ticket) bool { return gone[k.Token] })
}
