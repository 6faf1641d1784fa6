package memstore

import (
	"context"
	"maps"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// brokenLinks returns a store that has the bug, or nil if the bug is not one about links.
func brokenLinks(s *Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugLinksOutliveItem:
		return linksOutliveItem{s}
	case storetest.BugLinksOutliveToken:
		return linksOutliveToken{s}
	case storetest.BugLinksSweptEarly:
		return linksSwept{s, func(link, store.Micros) bool { return true }}
	case storetest.BugLinksOfDeletedSwept:
		return linksSwept{s, func(l link, now store.Micros) bool { return l.made < now.Add(-store.Remembered) }}
	}
	return nil
}

// keepingLinks puts back the links that do has deleted.
func (s *Store) keepingLinks(do func() error) error {
	s.mu.Lock()
	before := maps.Clone(s.links)
	s.mu.Unlock()
	err := do()
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, l := range before {
		if _, kept := s.links[at]; !kept {
			s.links[at] = l
		}
	}
	return err
}

type linksOutliveItem struct{ *Store }

func (s linksOutliveItem) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if len(c.Links) > 0 {
		return s.Store.ChangeItems(ctx, c)
	}
	return s.keepingLinks(func() error { return s.Store.ChangeItems(ctx, c) })
}

type linksOutliveToken struct{ *Store }

func (s linksOutliveToken) Sweep(ctx context.Context, c store.Cleaning) (out store.Cleaned, err error) {
	err = s.keepingLinks(func() (err error) { out, err = s.Store.Sweep(ctx, c); return err })
	return out, err
}

// linksSwept sweeps links of tokens that are not stored, without looking for descendants.
type linksSwept struct {
	*Store
	old func(l link, now store.Micros) bool
}

func (s linksSwept) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	out, err := s.Store.Sweep(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.links, func(at linkKey, l link) bool { return s.tokens[at.token] == nil && s.old(l, c.Now) })
	return out, err
}
