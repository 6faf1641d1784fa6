package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/mytoken-go/sdk/store"
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

// Subtree implements [store.Records].
func (s *Store) Subtree(ctx context.Context, root store.TokenID, page store.Page) ([]store.TokenInfo, string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()

	var all []*token
	if t := s.tokens[root]; t != nil {
		for _, o := range s.byGrant[t.grant] {
			if o == t || slices.Contains(o.ancestors, root) {
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
	var after uint64
	if page.After != "" {
		var err error
		if after, err = strconv.ParseUint(page.After, 10, 64); err != nil {
			return nil, "", argument("foreign cursor")
		}
	}
	start, _ := slices.BinarySearchFunc(all, after+1, func(t *token, serial uint64) int {
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
	return out, strconv.FormatUint(rest[n-1].serial, 10), nil
}

// position is where an entry stands in a history: newest first.
type position struct {
	time   store.Micros
	serial uint64
}

func (p position) compare(o position) int {
	return cmp.Or(cmp.Compare(o.time, p.time), cmp.Compare(o.serial, p.serial))
}

// Events implements [store.Records].
func (s *Store) Events(ctx context.Context, tokens []store.TokenID, page store.Page) ([]store.EventRecord, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	var after *position
	if page.After != "" {
		after = new(position)
		if _, err := fmt.Sscanf(page.After, "%d.%d", &after.time, &after.serial); err != nil {
			return nil, "", argument("foreign cursor")
		}
	}
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()

	type row struct {
		position
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
			at := position{time: e.event.Time, serial: e.serial}
			if after == nil || at.compare(*after) > 0 {
				rows = append(rows, row{at, store.EventRecord{Token: id, Event: e.event}})
			}
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return a.compare(b.position) })
	n := min(len(rows), page.Limit)
	var out []store.EventRecord
	for _, r := range rows[:n] {
		out = append(out, r.record)
	}
	if n == len(rows) {
		return out, "", nil
	}
	last := rows[n-1]
	return out, fmt.Sprintf("%d.%d", last.time, last.serial), nil
}

// DeleteOwner implements [store.Records].
func (s *Store) DeleteOwner(ctx context.Context, owner store.OwnerID) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	for id, g := range s.grants {
		if g.owner == owner {
			delete(s.grants, id)
		}
	}
	gone := make(map[store.TokenID]bool)
	for _, t := range slices.Clone(s.byOwner[owner]) {
		gone[t.id] = true
		s.remove(t)
	}
	for ref, t := range s.tickets {
		if gone[t.Token] {
			delete(s.tickets, ref)
		}
	}
	for id, u := range s.uses {
		if gone[u.token] {
			delete(s.uses, id)
		}
	}
	return nil
}
