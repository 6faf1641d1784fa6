package memstore

import (
	"bytes"
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
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
	made       store.Micros // when it was made last
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
	known := rules.Items{Revision: b.revision, Change: b.change, Owner: func(id store.ItemID) store.OwnerID { return s.itemOwners[id] }}
	if todo, err := known.Decide(&c); err != nil || !todo {
		return err
	}
	if c.NeedsToken && s.tokens[c.Token] == nil {
		return store.ErrNotFound
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

// removeItem deletes an item with its links.
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
		for id := range s.descendants(l.Token) {
			delete(s.links, linkKey{l.Item, id})
		}
	}
	s.links[linkKey{l.Item, l.Token}] = link{l.Own, l.Below, now}
}

// descendants returns the tokens below a token, deleted or not. It leaves out those that
// are deleted with all of their descendants.
func (s *Store) descendants(id store.TokenID) map[store.TokenID]bool {
	below := make(map[store.TokenID]bool)
	for _, t := range s.tokens {
		if depth := slices.Index(t.Ancestors, id); depth >= 0 {
			below[t.ID] = true
			for _, between := range t.Ancestors[:depth] {
				below[between] = true
			}
		}
	}
	return below
}

// unneeded returns the links that no stored token needs once t is deleted: those of t and
// of its deleted ancestors, unless another descendant of these is stored.
func (s *Store) unneeded(t *token) (gone []linkKey) {
	if len(s.links) == 0 {
		return nil
	}
	needed := make(map[store.TokenID]bool)
	for _, o := range s.byGrant[t.Grant] {
		if o != t {
			needed[o.ID] = true
			for _, above := range o.Ancestors {
				needed[above] = true
			}
		}
	}
	for at := range s.links {
		if !needed[at.token] && (at.token == t.ID || slices.Contains(t.Ancestors, at.token)) {
			gone = append(gone, at)
		}
	}
	return gone
}

// Links implements [store.Belongings].
func (s *Store) Links(ctx context.Context, tokens []store.TokenID) ([]store.Link, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()

	var out []store.Link
	asked := make(map[store.TokenID]bool, len(tokens))
	for _, id := range tokens {
		asked[id] = true
	}
	for at, l := range s.links {
		if asked[at.token] {
			out = append(out, store.Link{Item: at.item, Token: at.token, Own: l.own, Below: l.below})
		}
	}
	return out, nil
}

// dropBelongings deletes everything that an owner keeps besides tokens.
func (s *Store) dropBelongings(owner store.OwnerID) {
	if b := s.belongings[owner]; b != nil {
		for id := range b.items {
			s.removeItem(b, id)
		}
		delete(s.belongings, owner)
	}
}
