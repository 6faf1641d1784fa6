package memstore

import (
	"bytes"
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// belongings is what one owner keeps.
type belongings struct {
	revision uint64
	change   store.UseID // that led to the revision
	items    map[store.ItemID]*store.Item
}

// linkKey names a link.
type linkKey struct {
	item  store.ItemID
	token store.TokenID
}

type link struct {
	own, below bool
	made       store.Micros
}

// Items implements [store.Belongings].
func (s *Store) Items(ctx context.Context, owner store.OwnerID) (store.Items, error) {
	if err := s.lock(ctx); err != nil {
		return store.Items{}, err
	}
	defer s.mu.Unlock()

	var out store.Items
	if b := s.belongings[owner]; b != nil {
		out.Revision = b.revision
		for _, item := range b.items {
			out.List = append(out.List, store.Item{ID: item.ID, Kind: item.Kind, Contents: clone(item.Contents)})
		}
	}
	slices.SortFunc(out.List, func(a, b store.Item) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out, nil
}

// ChangeItems implements [store.Belongings].
func (s *Store) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if err := c.Check(); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	b := s.belongings[c.Owner]
	if b == nil {
		b = &belongings{items: make(map[store.ItemID]*store.Item)}
	}
	if c.ChangesList() {
		if b.revision == c.Revision+1 && b.change == c.ID {
			return nil // repeated
		}
		if b.revision != c.Revision {
			return store.ErrConflict
		}
	}
	if err := s.admitItems(b, &c); err != nil {
		return err
	}
	plan, err := s.planTickets(&c.Tickets, c.Now)
	if err != nil {
		return err
	}
	if c.ChangesList() {
		b.revision, b.change = c.Revision+1, c.ID
		s.belongings[c.Owner] = b
	}
	for _, item := range c.Put {
		item.Contents = clone(item.Contents)
		b.items[item.ID], s.itemOwners[item.ID] = &item, c.Owner
	}
	for _, id := range c.Delete {
		if _, own := b.items[id]; own {
			s.removeItem(b, id)
		}
	}
	for _, l := range c.Links {
		s.putLink(l, c.Now)
	}
	s.applyTickets(plan)
	if t := s.tokens[c.Token]; t != nil {
		s.record(t, c.Event)
	}
	return nil
}

// admitItems looks whether the changes concern items of the owner alone.
func (s *Store) admitItems(b *belongings, c *store.ItemChanges) error {
	put := make(map[store.ItemID]bool)
	for _, item := range c.Put {
		if owner, known := s.itemOwners[item.ID]; known && owner != c.Owner {
			return store.ErrExists
		}
		put[item.ID] = true
	}
	for _, l := range c.Links {
		if _, known := b.items[l.Item]; !put[l.Item] && (!known || slices.Contains(c.Delete, l.Item)) {
			return store.ErrNotFound
		}
	}
	return nil
}

func (s *Store) removeItem(b *belongings, id store.ItemID) {
	delete(b.items, id)
	delete(s.itemOwners, id)
	for at := range s.links {
		if at.item == id {
			delete(s.links, at)
		}
	}
}

func (s *Store) putLink(l store.NewLink, now store.Micros) {
	if l.Clear {
		for at := range s.links {
			if t := s.tokens[at.token]; at.item == l.Item && t != nil && slices.Contains(t.Ancestors, l.Token) {
				delete(s.links, at)
			}
		}
	}
	s.links[linkKey{l.Item, l.Token}] = link{l.Own, l.Below, now}
}

// Links implements [store.Belongings].
func (s *Store) Links(ctx context.Context, tokens []store.TokenID) ([]store.Link, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()

	var out []store.Link
	for at, l := range s.links {
		if slices.Contains(tokens, at.token) {
			out = append(out, store.Link{Item: at.item, Token: at.token, Own: l.own, Below: l.below})
		}
	}
	return out, nil
}

// dropBelongings deletes everything that an owner keeps.
func (s *Store) dropBelongings(owner store.OwnerID) {
	if b := s.belongings[owner]; b != nil {
		for id := range b.items {
			s.removeItem(b, id)
		}
		delete(s.belongings, owner)
	}
}
