package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// writers is how many callers change the items of one owner at once.
const writers = 8 * nodes

// changeItemsAtOnce makes changes of items at once.
func (e *env) changeItemsAtOnce(changes []store.ItemChanges) []error {
	e.Helper()
	return e.atOnce(len(changes), func(i int, s store.Store) error { return s.ChangeItems(e.ctx, changes[i]) })
}

// proves P8: of many changes of one revision exactly one is made, also of the first one.
func itemParallel(e *env) {
	for range max(2, e.rounds/2) {
		owner := e.ownerID()
		var stored []store.Item
		for revision := range uint64(3) {
			changes := several(writers, func() store.ItemChanges { return e.putItems(owner, revision, e.newItem(store.ItemTag)) })
			if revision > 0 {
				for i := range changes[:writers/2] { // some also delete
					changes[i].Delete = []store.ItemID{stored[0].ID}
				}
			}
			won := changes[e.oneWinner(e.changeItemsAtOnce(changes), store.ErrConflict, "ChangeItems")]
			if len(won.Delete) > 0 {
				stored = slices.Clone(stored[1:])
			}
			stored = append(stored, won.Put...)
			e.wantItems(owner, revision+1, stored...)
			e.changeItems(won, "repeated by the winner")
		}
	}
}

// putAnyway makes a change on whatever revision is the current one.
func putAnyway(ctx context.Context, s store.Store, c store.ItemChanges) error {
	for {
		items, err := s.Items(ctx, c.Owner)
		if err != nil {
			return err
		}
		c.Revision = items.Revision
		if err := s.ChangeItems(ctx, c); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// proves P8: callers that decide anew after a conflict all get through, and no change is
// lost.
func itemParallelRetries(e *env) {
	for range max(1, e.rounds/4) {
		owner := e.ownerID()
		changes := several(writers, func() store.ItemChanges { return e.putItems(owner, 0, e.newItem(store.ItemTag)) })
		errs := e.atOnce(writers, func(i int, s store.Store) error { return putAnyway(e.ctx, s, changes[i]) })
		e.allOK(errs, "ChangeItems")
		var want []store.Item
		for _, c := range changes {
			want = append(want, c.Put...)
		}
		e.wantItems(owner, writers, want...)
	}
}

// proves P8: a caller decides on the items of the revision that it names. Each change here
// replaces whatever it finds by one item, which says to which revision it leads.
func itemParallelReads(e *env) {
	content := func(revision uint64) store.Sealed { return fmt.Appendf(nil, "the item of revision %d", revision) }
	read := func(s store.Store, owner store.OwnerID) (store.Items, error) {
		items, err := s.Items(e.ctx, owner)
		if err == nil && items.Revision > 0 && (len(items.List) != 1 || string(items.List[0].Contents) != string(content(items.Revision))) {
			err = fmt.Errorf("revision %d has %d items, or that of another revision", items.Revision, len(items.List))
		}
		return items, err
	}
	for range max(2, e.rounds/2) {
		const each = 3
		owner := e.ownerID()
		changes := several(callers, func() []store.ItemChanges {
			return several(each, func() store.ItemChanges { return e.putItems(owner, 0, e.newItem(store.ItemTag)) })
		})
		errs := e.atOnce(callers, func(i int, s store.Store) error {
			for _, c := range changes[i] {
				for {
					items, err := read(s, owner)
					if err != nil {
						return err
					}
					c.Revision, c.Delete = items.Revision, nil
					c.Put[0].Contents = content(items.Revision + 1)
					for _, item := range items.List {
						c.Delete = append(c.Delete, item.ID)
					}
					if err = s.ChangeItems(e.ctx, c); err == nil {
						break
					} else if !errors.Is(err, store.ErrConflict) {
						return err
					}
				}
			}
			return nil
		})
		e.allOK(errs, "Items or ChangeItems")
		items, err := read(e.s, owner)
		e.ok(err, "Items")
		e.equal(items.Revision, uint64(each*callers), "revision")
	}
}

// proves P8: parallel repeats of one change make it once.
func itemParallelRepeats(e *env) {
	for range e.rounds {
		owner, root := e.ownerID(), e.root()
		for revision := range uint64(2) {
			item := e.newItem(store.ItemTag)
			c := e.putItems(owner, revision, item)
			c.Tickets = putting(e.newSSHKey(root))
			c.Token, c.Event = root.id(), event("ssh_key_add", t0)
			e.allOK(e.changeItemsAtOnce(several(callers, func() store.ItemChanges { return c })), "the same change")
			e.equal(e.items(owner).Revision, revision+1, "revision")
		}
		e.wantHistory([]*tok{root}, "ssh_key_add", "ssh_key_add")
	}
}

// An id belongs to one owner.
func itemParallelOwners(e *env) {
	for range e.rounds {
		item := e.newItem(store.ItemTag)
		changes := several(callers, func() store.ItemChanges { return e.putItems(e.ownerID(), 0, item) })
		won := e.oneWinner(e.changeItemsAtOnce(changes), store.ErrExists, "ChangeItems of one id by many owners")
		for i, c := range changes {
			if i == won {
				e.wantItems(c.Owner, 1, item)
			} else {
				e.wantItems(c.Owner, 0)
			}
		}
	}
}

// linkRace changes the links of one item at once, also in opposite orders. Each change is
// made as a whole, so that all links come from one of them.
func linkRace(e *env) {
	for range e.rounds {
		owner := e.ownerID()
		item := e.keep(owner, 1)[0]
		root := e.root()
		tokens := append(several(3, func() store.TokenID { return e.child(root).id() }), root.id())
		changes := make([]store.ItemChanges, callers)
		for i := range changes {
			changes[i] = store.ItemChanges{Owner: owner, Now: t0}
			for _, id := range tokens {
				l := store.NewLink{Link: store.Link{Item: item.ID, Token: id, Own: i%2 == 0, Below: i%4 < 2}}
				l.Clear = id == root.id() && i%3 == 0
				changes[i].Links = append(changes[i].Links, l)
			}
			if i%2 == 1 {
				slices.Reverse(changes[i].Links)
			}
		}
		e.allOK(e.changeItemsAtOnce(changes), "ChangeItems")
		links := e.links(tokens)
		if n := len(links); n != len(tokens) && n != 1 { // all of one change, or that of the root, which cleared the others
			e.Errorf("%d links are left, want %d or 1", n, len(tokens))
		}
		for _, l := range links {
			e.equal([]bool{l.Own, l.Below}, []bool{links[0].Own, links[0].Below}, "links, as one change made them")
		}
	}
}

// linkDeletionRace links an item while somebody deletes it. No link of it is left.
func linkDeletionRace(e *env) {
	for range e.rounds {
		owner := e.ownerID()
		item, kept := e.newItem(store.ItemTag), e.newItem(store.ItemTag)
		e.changeItems(e.putItems(owner, 0, item, kept), "put")
		tokens := several(callers, func() store.TokenID { return e.tokenID() })
		del := e.deleteItems(owner, 1, item.ID)
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			if i == callers {
				return s.ChangeItems(e.ctx, del)
			}
			return s.ChangeItems(e.ctx, store.ItemChanges{Owner: owner, Now: t0, Links: []store.NewLink{
				{Link: store.Link{Item: item.ID, Token: tokens[i], Own: true}},
				{Link: store.Link{Item: kept.ID, Token: tokens[i], Own: true}},
			}})
		})
		e.ok(errs[callers], "ChangeItems that deletes the item")
		var want []store.Link
		for _, i := range winners(errs[:callers], func(err error) { e.fails(err, store.ErrNotFound, "a link that lost the race") }) {
			want = append(want, store.Link{Item: kept.ID, Token: tokens[i], Own: true})
		}
		e.wantLinks(tokens, want...)
	}
}

// proves P6, P7: nothing is left of what somebody stores while the owner is being deleted,
// except what was stored entirely after that.
func itemOwnerRace(e *env) {
	var contents [][]byte
	for round := range e.rounds {
		owner, root := e.ownerID(), e.root()
		first := e.keep(owner, 1)[0]
		changes := several(callers, func() store.ItemChanges { return e.putItems(owner, 1, e.newItem(store.ItemTag)) })
		for i := range changes {
			changes[i].Links = []store.NewLink{{Link: store.Link{Item: first.ID, Token: root.id(), Own: true}}}
			if (i+round)%2 == 0 {
				changes[i].Put = nil
			}
		}
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			if i == callers {
				return s.DeleteOwner(e.ctx, owner)
			}
			return s.ChangeItems(e.ctx, changes[i])
		})
		e.ok(errs[callers], "DeleteOwner")
		winners(errs[:callers], func(err error) {
			if !errors.Is(err, store.ErrConflict) {
				e.fails(err, store.ErrNotFound, "ChangeItems that lost the race")
			}
		})
		e.wantItems(owner, 0)
		e.wantLinks(idsOf(root))
		contents = [][]byte{first.Contents}
		for _, c := range changes {
			for _, item := range c.Put {
				contents = append(contents, item.Contents)
			}
		}
	}
	e.hides(contents...) // those of the last round
}

// proves P7: nothing is left of a deleted owner if the changes need a token, be it the first change of
// the owner or a later one.
func itemNeedsTokenRace(e *env) {
	for round := range max(4, e.rounds) {
		root := e.root()
		owner, revision := root.Owner, uint64(round%2)
		if revision > 0 {
			e.keep(owner, 1)
		}
		changes := several(callers, func() store.ItemChanges {
			c := e.putItems(owner, revision, e.newItem(store.ItemTag))
			c.Token, c.NeedsToken = root.id(), true
			return c
		})
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			if i == callers/2 {
				return s.DeleteOwner(e.ctx, owner)
			}
			err := s.ChangeItems(e.ctx, changes[i%callers])
			if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		})
		e.allOK(errs, "ChangeItems or DeleteOwner")
		e.wantItems(owner, 0)
	}
}
