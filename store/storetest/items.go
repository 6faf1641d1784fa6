package storetest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
)

func (e *env) itemID() store.ItemID { b := e.bytes(); return store.ItemID(b[:]) }

// newItem returns an item that is not stored.
func (e *env) newItem(kind store.ItemKind) store.Item {
	return store.Item{ID: e.itemID(), Kind: kind, Contents: e.sealed()}
}

// itemChange returns a change of an owner's items with a new id.
func (e *env) itemChange(owner store.OwnerID, revision uint64) store.ItemChanges {
	return store.ItemChanges{Owner: owner, ID: e.useID(), Revision: revision, Now: t0}
}

// putItems returns a change that puts items.
func (e *env) putItems(owner store.OwnerID, revision uint64, items ...store.Item) store.ItemChanges {
	c := e.itemChange(owner, revision)
	c.Put = items
	return c
}

// deleteItems returns a change that deletes items.
func (e *env) deleteItems(owner store.OwnerID, revision uint64, ids ...store.ItemID) store.ItemChanges {
	c := e.itemChange(owner, revision)
	c.Delete = ids
	return c
}

func (e *env) changeItemsErr(c store.ItemChanges) error { return e.s.ChangeItems(e.ctx, c) }

func (e *env) changeItems(c store.ItemChanges, what string, args ...any) {
	e.Helper()
	e.ok(e.changeItemsErr(c), "ChangeItems: "+what, args...)
}

// keep stores new tags of an owner who has no items yet.
func (e *env) keep(owner store.OwnerID, n int) []store.Item {
	e.Helper()
	items := several(n, func() store.Item { return e.newItem(store.ItemTag) })
	e.changeItems(e.putItems(owner, 0, items...), "put")
	return items
}

func (e *env) items(owner store.OwnerID) store.Items {
	e.Helper()
	got, err := e.s.Items(e.ctx, owner)
	e.ok(err, "Items")
	return got
}

// wantItems checks what an owner keeps. It gets the items in any order.
func (e *env) wantItems(owner store.OwnerID, revision uint64, items ...store.Item) {
	e.Helper()
	want := slices.SortedFunc(slices.Values(items), func(a, b store.Item) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	e.equal(e.items(owner), store.Items{Revision: revision, List: want}, "items, in the order of their ids")
}

// proves P7
func itemsKept(e *env) {
	owner, other := e.ownerID(), e.ownerID()
	e.wantItems(owner, 0)
	a, b, c := e.newItem(store.ItemGrantType), e.newItem(store.ItemTag), e.newItem(store.ItemSSHKey)
	e.changeItems(e.putItems(owner, 0, a, b), "put two")
	e.wantItems(owner, 1, a, b)
	e.changeItems(e.putItems(owner, 1, c), "put another")
	e.wantItems(owner, 2, a, b, c)

	replaced := b.Contents
	b.Contents, a.Kind = e.sealed(), store.ItemTag
	e.changeItems(e.putItems(owner, 2, b, a), "replace two")
	e.wantItems(owner, 3, a, b, c)
	e.changeItems(e.putItems(owner, 3, a), "put one as it is")
	e.wantItems(owner, 4, a, b, c)

	both := e.deleteItems(owner, 4, a.ID, e.itemID())
	d := e.newItem(store.ItemTag)
	both.Put = []store.Item{d}
	e.changeItems(both, "put one, delete one and an unknown one")
	e.wantItems(owner, 5, b, c, d)
	e.changeItems(e.deleteItems(owner, 5, e.itemID()), "delete an unknown one")
	e.wantItems(owner, 6, b, c, d)
	e.changeItems(e.deleteItems(owner, 6, d.ID, b.ID, c.ID), "delete all")
	e.wantItems(owner, 7)
	e.hides(replaced, a.Contents, b.Contents, c.Contents, d.Contents)
	e.changeItems(e.putItems(owner, 7, a), "put a deleted one again")
	e.wantItems(owner, 8, a)
	e.wantItems(other, 0)

	// Similar owners and ids name different items, and values have any size.
	long := e.newItem(store.ItemTag)
	long.Contents = store.Sealed(strings.Repeat(string(e.sealed()), 2000))
	want := make(map[store.OwnerID]store.Item)
	for _, v := range e.similarIDs() {
		item := e.newItem(store.ItemTag)
		item.ID = store.ItemID(v[:])
		owner := store.OwnerID(v[:])
		if _, known := want[owner]; known {
			continue
		}
		err := e.changeItemsErr(e.putItems(owner, 0, item))
		if err == nil {
			want[owner] = item
		} else {
			e.fails(err, store.ErrExists, "an owner with the item of another one")
		}
	}
	if len(want) < 15 {
		e.Errorf("%d similar items are stored, want 15 at least", len(want))
	}
	for owner, item := range want {
		e.wantItems(owner, 1, item)
	}
	many := several(300, func() store.Item { return e.newItem(store.ItemTag) })
	e.changeItems(e.putItems(other, 0, append(many, long)...), "put many")
	e.wantItems(other, 1, append(many, long)...)
	e.shows(long.Contents)
	var ids []store.ItemID
	for _, item := range many {
		ids = append(ids, item.ID)
	}
	e.changeItems(e.deleteItems(other, 1, ids...), "delete many")
	e.wantItems(other, 2, long)
	e.changeItems(e.deleteItems(other, 2, long.ID), "delete the last one")
}

func itemArguments(e *env) {
	owner := e.ownerID()
	item := e.keep(owner, 1)[0]
	for name, spoil := range map[string]func(*store.ItemChanges){
		"no owner":        func(c *store.ItemChanges) { c.Owner = store.OwnerID{} },
		"no id":           func(c *store.ItemChanges) { c.ID = store.UseID{} },
		"no instant":      func(c *store.ItemChanges) { c.Now = 0 },
		"nothing":         func(c *store.ItemChanges) { c.Put, c.Links = nil, nil },
		"no contents":     func(c *store.ItemChanges) { c.Put[0].Contents = nil },
		"an unknown kind": func(c *store.ItemChanges) { c.Put[0].Kind = 9 },
		"an item twice":   func(c *store.ItemChanges) { c.Delete = []store.ItemID{c.Put[0].ID} },
		"no item":         func(c *store.ItemChanges) { c.Links[0].Item = store.ItemID{} },
		"no token":        func(c *store.ItemChanges) { c.Links[0].Token = store.TokenID{} },
		"a link twice":    func(c *store.ItemChanges) { c.Links = append(c.Links, c.Links[0]) },
		"an event alone":  func(c *store.ItemChanges) { c.Put, c.Token, c.Event = nil, e.tokenID(), event("tag_create", t0) },
		"a bad ticket":    func(c *store.ItemChanges) { c.Tickets = putting(store.Ticket{}) },
	} {
		c := e.putItems(owner, 1, e.newItem(store.ItemTag))
		c.Links = []store.NewLink{{Link: store.Link{Item: item.ID, Token: e.tokenID(), Own: true}}}
		token := c.Links[0].Token
		spoil(&c)
		e.refused(e.changeItemsErr(c), "ChangeItems with %s", name)
		e.wantLinks([]store.TokenID{token})
	}
	e.wantItems(owner, 1, item)
}

// proves P8
func itemConflict(e *env) {
	owner := e.ownerID()
	a, b := e.newItem(store.ItemTag), e.newItem(store.ItemTag)
	e.fails(e.changeItemsErr(e.putItems(owner, 1, a)), store.ErrConflict, "a change of items that nobody has put")
	e.wantItems(owner, 0)
	e.changeItems(e.putItems(owner, 0, a), "put")
	e.changeItems(e.putItems(owner, 1, b), "put")
	token := e.root().id()
	for _, revision := range []uint64{0, 1, 3, 1 << 40} {
		put, del := e.putItems(owner, revision, e.newItem(store.ItemTag)), e.deleteItems(owner, revision, a.ID)
		for _, c := range []store.ItemChanges{put, del} {
			c.Links = []store.NewLink{{Link: store.Link{Item: b.ID, Token: token, Own: true}}}
			e.fails(e.changeItemsErr(c), store.ErrConflict, "a change of revision %d", revision)
		}
	}
	e.wantItems(owner, 2, a, b)
	e.wantLinks([]store.TokenID{token})
}

// proves P8
func itemRepeated(e *env) {
	owner, root := e.ownerID(), e.root()
	a, b, ticket := e.newItem(store.ItemTag), e.newItem(store.ItemTag), e.newSSHKey(root)
	first, second := e.putItems(owner, 0, a), e.putItems(owner, 1, b)
	link := store.Link{Item: b.ID, Token: root.id(), Own: true}
	second.Delete = []store.ItemID{a.ID}
	second.Links = []store.NewLink{{Link: link}}
	second.Tickets, second.Token, second.Event = putting(ticket), root.id(), event("ssh_key_add", t0)
	again := func(when string) {
		e.Helper()
		for range nodes {
			e.changeItems(second, "repeated, %s", when)
		}
		e.wantHistory([]*tok{root}, "ssh_key_add")
	}
	e.changeItems(first, "first")
	e.changeItems(first, "repeated")
	e.wantItems(owner, 1, a)
	lost := NewFaulty(e.s, FailAt(After("ChangeItems", 1), ErrFault))
	e.fails(lost.ChangeItems(e.ctx, second), ErrFault, "a change whose answer is lost")
	again("after its answer was lost")
	e.wantItems(owner, 2, b)
	e.wantTicket(ticket)
	e.wantLinks(idsOf(root), link)

	// A repeat changes nothing, whatever else has changed.
	e.revoke(root, true)
	e.unresolved(ticket.TicketRef, t0, store.ErrTicketNotFound, "of a revoked token")
	link.Own, link.Below = false, true
	e.link(owner, store.NewLink{Link: link})
	b.Contents = e.sealed()
	e.resealed(1, store.Reseal{Place: store.ItemPlace(owner, b.ID, b.Kind), Old: second.Put[0].Contents, New: b.Contents})
	e.wantItems(owner, 2, b)
	e.changeItems(second, "repeated, after other steps")
	e.wantItems(owner, 2, b)
	e.wantLinks(idsOf(root), link)
	e.unresolved(ticket.TicketRef, t0, store.ErrTicketNotFound, "of a revoked token")

	// The identity of a change is that of its owner's list.
	e.fails(e.changeItemsErr(first), store.ErrConflict, "the first change, after the second")
	other := second
	other.Owner, other.Revision, other.Put, other.Delete, other.Links = e.ownerID(), 0, []store.Item{e.newItem(store.ItemTag)}, nil, nil
	other.Tickets, other.Event = store.TicketChanges{}, store.Event{}
	e.changeItems(other, "with the same id, of another owner")
	e.wantItems(other.Owner, 1, other.Put...)
	e.changeItems(e.deleteItems(owner, 2, e.itemID()), "another change")
	e.fails(e.changeItemsErr(second), store.ErrConflict, "repeated, after another change")
	e.wantItems(owner, 3, b)
}

func itemForeign(e *env) {
	owner, other := e.ownerID(), e.ownerID()
	item, own := e.keep(owner, 1)[0], e.keep(other, 1)[0]
	token := e.root().id()
	link := store.Link{Item: item.ID, Token: token, Own: true}
	e.link(owner, store.NewLink{Link: link})
	stolen := item
	stolen.Contents = e.sealed()
	added := e.newItem(store.ItemTag)
	e.fails(e.changeItemsErr(e.putItems(other, 1, added, stolen)), store.ErrExists, "an item of another owner")
	e.fails(e.linkErr(other, store.NewLink{Link: link}), store.ErrNotFound, "a link of another owner's item")
	e.wantItems(other, 1, own)
	e.changeItems(e.deleteItems(other, 1, item.ID), "delete another owner's item")
	e.wantItems(other, 2, own)
	e.wantItems(owner, 1, item)
	e.wantLinks([]store.TokenID{token}, link)

	e.changeItems(e.deleteItems(owner, 1, item.ID), "delete")
	e.changeItems(e.putItems(other, 2, stolen), "put it once it is deleted")
	e.wantItems(other, 3, own, stolen)
	e.wantLinks([]store.TokenID{token})
}

// proves P8
func itemSideEffects(e *env) {
	owner, root := e.ownerID(), e.root()
	a, ticket, taken := e.newItem(store.ItemSSHKey), e.newSSHKey(root), e.ready(store.TicketPolling)
	e.take(taken)
	c := e.putItems(owner, 0, a)
	c.Links = []store.NewLink{{Link: store.Link{Item: a.ID, Token: root.id(), Own: true}}}
	c.Tickets = putting(ticket)
	c.Token, c.Event = root.id(), event("ssh_key_add", t0)
	for name, bad := range map[string]struct {
		want  error
		spoil func(c *store.ItemChanges)
	}{
		"an outdated revision": {store.ErrConflict, func(c *store.ItemChanges) { c.Revision = 1 }},
		"a link of nothing": {store.ErrNotFound, func(c *store.ItemChanges) {
			c.Links = append(c.Links, store.NewLink{Link: store.Link{Item: e.itemID(), Token: root.id()}})
		}},
		"a taken ticket": {store.ErrTicketTaken, func(c *store.ItemChanges) {
			c.Tickets.By, c.Tickets.Consume = e.useID(), []store.TicketRef{taken.TicketRef}
		}},
		"an unknown ticket": {store.ErrTicketNotFound, func(c *store.ItemChanges) {
			c.Tickets.Complete = []store.Completion{{TicketRef: e.unknown(store.TicketPolling), Status: store.TicketReady}}
		}},
		"another owner's item": {store.ErrExists, func(c *store.ItemChanges) { c.Put = append(c.Put, e.keep(e.ownerID(), 1)...) }},
	} {
		spoilt := c
		bad.spoil(&spoilt)
		e.fails(e.changeItemsErr(spoilt), bad.want, "ChangeItems with %s", name)
		e.wantItems(owner, 0)
		e.wantLinks(idsOf(root))
		e.unresolved(ticket.TicketRef, t0, store.ErrTicketNotFound, "a change that was refused")
		e.wantHistory([]*tok{root})
	}
	e.changeItems(c, "with everything")
	e.wantItems(owner, 1, a)
	e.wantLinks(idsOf(root), c.Links[0].Link)
	e.wantTicket(ticket)
	e.wantHistory([]*tok{root}, "ssh_key_add")

	// The order of the fields: a link of an item that the same change puts, and none of one
	// that it deletes. A ticket can be replaced.
	del := e.deleteItems(owner, 1, a.ID)
	del.Links = c.Links
	e.fails(e.changeItemsErr(del), store.ErrNotFound, "a link of an item that the change deletes")
	del.Links, del.Tickets = nil, dropping(ticket.TicketRef)
	ticket.Payload = e.sealed()
	del.Tickets.Put = []store.Ticket{ticket}
	del.Token, del.Event = e.tokenID(), event("ssh_key_delete", t0)
	e.changeItems(del, "with an event of an unknown token")
	e.wantItems(owner, 2)
	e.wantLinks(idsOf(root))
	e.wantTicket(ticket)
	e.wantHistory([]*tok{root}, "ssh_key_add")

	// A dead token keeps its history.
	e.revoke(root, true)
	late := e.deleteItems(owner, 2, e.itemID())
	late.Token, late.Event = root.id(), event("ssh_key_delete", t0+1)
	e.changeItems(late, "with an event of a revoked token")
	e.wantHistory([]*tok{root}, "ssh_key_delete", "ssh_key_add")

	// A ticket expires by the instant of the change.
	code := e.ready(store.TicketPolling)
	timed := e.putItems(owner, 3, a)
	timed.Tickets, timed.Now = e.consuming(code.TicketRef), code.Expires+1
	e.fails(e.changeItemsErr(timed), store.ErrTicketExpired, "ChangeItems after the expiry of a ticket")
	timed.Now = code.Expires
	e.changeItems(timed, "at the expiry of a ticket")
	e.wantItems(owner, 4, a)
}

func itemNeedsToken(e *env) {
	root := e.root()
	owner := root.Owner
	c := e.putItems(owner, 0, e.newItem(store.ItemTag))
	c.Token, c.NeedsToken = e.tokenID(), true
	e.fails(e.changeItemsErr(c), store.ErrNotFound, "a change that needs a token that is not stored")
	e.wantItems(owner, 0)
	c.Token = root.id()
	e.changeItems(c, "that needs a token")
	e.wantHistory([]*tok{root})
	e.revoke(root, true)
	del := e.deleteItems(owner, 1, c.Put[0].ID)
	del.Token, del.NeedsToken = root.id(), true
	e.changeItems(del, "that needs a token, which is revoked")
	e.wantItems(owner, 2)
	e.ok(e.s.DeleteOwner(e.ctx, owner), "DeleteOwner")
	for _, late := range []store.ItemChanges{c, del} {
		late.ID, late.Revision = e.useID(), 0
		e.fails(e.changeItemsErr(late), store.ErrNotFound, "a change after DeleteOwner")
	}
	e.wantItems(owner, 0)
}
