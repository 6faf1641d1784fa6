package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Token implements [store.Records].
func (s *Store) Token(ctx context.Context, id store.TokenID) (store.TokenInfo, error) {
	if err := s.lock(ctx); err != nil {
		return store.TokenInfo{}, err
	}
	defer s.mu.Unlock()

	t := s.tokens[id]
	if t == nil {
		return store.TokenInfo{}, store.ErrNotFound
	}
	return t.info(), nil
}

// List implements [store.Records].
func (s *Store) List(ctx context.Context, owner store.OwnerID, page store.Page) ([]store.TokenInfo, string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()

	return pageOfTokens(s.byOwner[owner], page)
}

// Count implements [store.Records].
func (s *Store) Count(ctx context.Context, owner store.OwnerID, most int) (int, error) {
	if err := store.CheckCount(most); err != nil {
		return 0, err
	}
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()

	return min(len(s.byOwner[owner]), most), nil
}

// Subtree implements [store.Records].
func (s *Store) Subtree(ctx context.Context, root store.TokenID, page store.Page) ([]store.TokenInfo, string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()

	var all []*token
	if t := s.tokens[root]; t != nil {
		for _, o := range s.byGrant[t.Grant] {
			if o == t || slices.Contains(o.Ancestors, root) {
				all = append(all, o)
			}
		}
	}
	return pageOfTokens(all, page)
}

func pageOfTokens(all []*token, page store.Page) ([]store.TokenInfo, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	after, err := rules.ParseSerial(page.After)
	if err != nil {
		return nil, "", err
	}
	start, _ := slices.BinarySearchFunc(all, after+1, func(t *token, serial int64) int {
		return cmp.Compare(t.serial, serial)
	})
	rest := all[start:]
	n := min(len(rest), page.Limit)
	var out []store.TokenInfo
	for _, t := range rest[:n] {
		out = append(out, t.info())
	}
	if n == len(rest) {
		return out, "", nil
	}
	return out, rules.SerialCursor(rest[n-1].serial), nil
}

// Events implements [store.Records].
func (s *Store) Events(ctx context.Context, tokens []store.TokenID, page store.Page) ([]store.EventRecord, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	after, err := rules.ParsePosition(page.After)
	if err != nil {
		return nil, "", err
	}
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()

	type row struct {
		rules.Position
		record store.EventRecord
	}
	var rows []row
	seen := make(map[store.TokenID]bool)
	for _, id := range tokens {
		t := s.tokens[id]
		if t == nil || seen[id] {
			continue
		}
		seen[id] = true
		for _, e := range t.history {
			at := rules.Position{Time: e.event.Time, Serial: e.serial}
			if at.Compare(after) > 0 {
				rows = append(rows, row{at, store.EventRecord{Token: id, Event: e.event}})
			}
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return a.Compare(b.Position) })
	n := min(len(rows), page.Limit)
	var out []store.EventRecord
	for _, r := range rows[:n] {
		out = append(out, r.record)
	}
	if n == len(rows) {
		return out, "", nil
	}
	return out, rows[n-1].Cursor(), nil
}

// DeleteOwner implements [store.Records].
func (s *Store) DeleteOwner(ctx context.Context, owner store.OwnerID) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	for id, g := range s.grants {
		if g.Owner == owner {
			delete(s.grants, id)
		}
	}
	gone := make(map[store.TokenID]bool)
	for _, t := range slices.Clone(s.byOwner[owner]) {
		gone[t.ID] = true
		for _, above := range t.Ancestors { // which Sweep may have deleted already
			gone[above] = true
		}
		s.remove(t)
	}
	for ref, t := range s.tickets {
		if gone[t.Token] {
			delete(s.tickets, ref)
		}
	}
	for id, u := range s.uses {
		if gone[u.Token] {
			delete(s.uses, id)
		}
	}
	maps.DeleteFunc(s.links, func(at linkKey, _ link) bool { return gone[at.token] })
	s.dropBelongings(owner)
	return nil
}
