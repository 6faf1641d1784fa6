package storetest

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

func (e *env) linkErr(owner store.OwnerID, links ...store.NewLink) error {
	return e.changeItemsErr(store.ItemChanges{Owner: owner, Links: links, Now: t0})
}

// link makes links.
func (e *env) link(owner store.OwnerID, links ...store.NewLink) {
	e.Helper()
	e.ok(e.linkErr(owner, links...), "ChangeItems with %d links", len(links))
}

// tag returns links that say that an item concerns tokens and their descendants.
func tag(item store.Item, tokens ...store.TokenID) (links []store.Link) {
	for _, id := range tokens {
		links = append(links, store.Link{Item: item.ID, Token: id, Own: true, Below: true})
	}
	return links
}

func newLinks(links []store.Link) (all []store.NewLink) {
	for _, l := range links {
		all = append(all, store.NewLink{Link: l})
	}
	return all
}

func (e *env) links(tokens []store.TokenID) []store.Link {
	e.Helper()
	links, err := e.s.Links(e.ctx, tokens)
	e.ok(err, "Links")
	return links
}

// wantLinks checks the links of tokens, in any order.
func (e *env) wantLinks(tokens []store.TokenID, want ...store.Link) {
	e.Helper()
	sorted := func(links []store.Link) []store.Link {
		return slices.SortedFunc(slices.Values(links), func(a, b store.Link) int {
			return cmp.Or(bytes.Compare(a.Token[:], b.Token[:]), bytes.Compare(a.Item[:], b.Item[:]))
		})
	}
	e.equal(sorted(e.links(tokens)), sorted(want), "links of %d tokens", len(tokens))
}

func linksKept(e *env) {
	owner := e.ownerID()
	items := e.keep(owner, 3)
	a, b := e.root().id(), e.root().id()
	both := []store.TokenID{a, b}
	e.wantLinks(nil)
	e.wantLinks(both)
	l := store.Link{Item: items[0].ID, Token: a}
	for _, l.Own = range []bool{false, true} {
		for _, l.Below = range []bool{false, true} {
			e.link(owner, store.NewLink{Link: l})
			e.wantLinks(both, l)
		}
	}
	e.link(owner, newLinks(append(tag(items[1], a, b), tag(items[2], b)...))...)
	all := append(append(tag(items[1], a, b), tag(items[2], b)...), l)
	e.wantLinks(both, all...)
	e.wantLinks([]store.TokenID{a}, l, tag(items[1], a)[0])
	e.wantLinks([]store.TokenID{b, e.tokenID(), a, b, a}, all...)
	e.wantItems(owner, 1, items...) // the revision is the same

	// Each end of a link is told apart by all of its bytes.
	var similar []store.TokenID
	for _, v := range e.similarIDs() {
		if !slices.Contains(similar, v) {
			similar = append(similar, v)
		}
	}
	e.link(owner, newLinks(tag(items[0], similar...))...)
	for _, id := range similar {
		e.wantLinks([]store.TokenID{id}, tag(items[0], id)...)
	}

	// Many at once.
	many := several(1500, e.tokenID)
	e.link(owner, newLinks(tag(items[2], many...))...)
	e.wantLinks(many, tag(items[2], many...)...)
	e.changeItems(e.deleteItems(owner, 1, items[2].ID), "delete")
	e.wantLinks(many)
	e.wantLinks(both, append(tag(items[1], a, b), l)...)
}

func linkRefused(e *env) {
	owner := e.ownerID()
	item := e.keep(owner, 1)[0]
	token := e.root().id()
	unknown := e.newItem(store.ItemTag)
	e.fails(e.linkErr(owner, newLinks(append(tag(item, token), tag(unknown, token)...))...), store.ErrNotFound, "a link of an unknown item")
	e.fails(e.linkErr(e.ownerID(), newLinks(tag(item, token))...), store.ErrNotFound, "a link by an owner who has no items")
	e.wantLinks([]store.TokenID{token})
	e.changeItems(e.deleteItems(owner, 1, item.ID), "delete")
	e.fails(e.linkErr(owner, newLinks(tag(item, token))...), store.ErrNotFound, "a link of a deleted item")
	e.changeItems(e.putItems(owner, 2, item), "put it again")
	e.wantLinks([]store.TokenID{token})
}

func linkBeforeToken(e *env) {
	owner := e.ownerID()
	item := e.keep(owner, 1)[0]
	g, root := e.newRoot()
	child := e.newChild(root)
	e.link(owner, newLinks(tag(item, root.id(), child.id()))...)
	e.wantLinks(idsOf(root, child), tag(item, root.id(), child.id())...)
	e.ok(e.createRoot(g, root, store.TicketChanges{}), "CreateRoot")
	e.derive(root.Presented, e.uncounted(), child)
	e.wantLinks(idsOf(root, child), tag(item, root.id(), child.id())...)
}

func linkClear(e *env) {
	owner := e.ownerID()
	items := e.keep(owner, 2)
	root := e.root()
	top, side := e.child(root), e.child(root)
	below := e.child(top)
	deep, unknown, other := e.child(below), e.tokenID(), e.root()
	all := append(idsOf(root, top, side, below, deep, other), unknown)
	linkAll := func() {
		e.Helper()
		e.link(owner, newLinks(append(tag(items[0], all...), tag(items[1], all...)...))...)
	}
	without := func(ids ...store.TokenID) []store.Link {
		rest := slices.DeleteFunc(slices.Clone(all), func(id store.TokenID) bool { return slices.Contains(ids, id) })
		return append(tag(items[0], rest...), tag(items[1], all...)...)
	}
	linkAll()
	clear := store.NewLink{Link: tag(items[0], top.id())[0], Clear: true}
	e.link(owner, clear)
	e.wantLinks(all, without(below.id(), deep.id())...)
	e.link(owner, clear)
	e.wantLinks(all, without(below.id(), deep.id())...)
	clear.Token = unknown
	e.link(owner, clear)
	e.wantLinks(all, without(below.id(), deep.id())...)

	// Links are made in their order.
	linkAll()
	clear.Token = root.id()
	links := append(newLinks(tag(items[0], top.id())), clear)
	links = append(links, newLinks(tag(items[0], side.id(), deep.id()))...)
	e.link(owner, links...)
	e.wantLinks(all, without(top.id(), below.id())...)
	again := store.NewLink{Link: tag(items[0], side.id())[0], Clear: true}
	e.link(owner, links[0], again, clear)
	e.wantLinks(all, without(top.id(), side.id(), below.id(), deep.id())...)
}

// proves P7
func linkOfDeleted(e *env) {
	owner := e.ownerID()
	items := e.keep(owner, 2)
	root := e.root()
	child := e.child(root)
	links := append(tag(items[0], root.id(), child.id()), tag(items[1], child.id())...)
	e.link(owner, newLinks(links)...)
	del := e.deleteItems(owner, 1, items[0].ID)
	e.changeItems(del, "delete an item")
	e.wantLinks(idsOf(root, child), tag(items[1], child.id())...)
	e.wantItems(owner, 2, items[1])
	e.changeItems(e.putItems(owner, 2, items[0]), "put it again")
	e.wantLinks(idsOf(root, child), tag(items[1], child.id())...)

	// The links of a revoked token stay as long as it is listed.
	e.revoke(root, true)
	e.wantLinks(idsOf(root, child), tag(items[1], child.id())...)
}

func sweepLinks(e *env) {
	owner := e.ownerID()
	items := e.keep(owner, 2)
	root, never := e.root(), several(3, e.tokenID)
	g, late := e.newRoot()
	stray := append(tag(items[0], never...), tag(items[1], never[0])...)
	live := append(tag(items[0], root.id()), tag(items[1], root.id())...)
	late.Expires = 0
	pending := tag(items[0], late.id())
	all := append(idsOf(root, late), never...)
	e.link(owner, newLinks(slices.Concat(stray, live, pending))...)

	e.equal(e.sweep(t0.Add(store.Remembered)), store.Cleaned{}, "a sweep while the tokens may still be created")
	e.wantLinks(all, slices.Concat(stray, live, pending)...)
	e.ok(e.createRoot(g, late, store.TicketChanges{}), "CreateRoot")
	fresh := store.ItemChanges{Owner: owner, Links: newLinks(tag(items[0], never[2])), Now: t0 + hour}
	e.changeItems(fresh, "make a link again")
	e.equal(e.sweep(t0.Add(store.Remembered)+1), store.Cleaned{Others: 3}, "a sweep after that")
	e.wantLinks(all, slices.Concat(tag(items[0], never[2]), live, pending)...)
	e.equal(e.sweep(t0.Add(store.Remembered)+hour), store.Cleaned{}, "a sweep while the last one may still be created")
	e.equal(e.sweep(t0.Add(store.Remembered)+hour+1), store.Cleaned{Others: 1}, "a sweep after that")
	e.equal(e.sweep(t0+20*day), store.Cleaned{}, "a sweep while the tokens are stored")
	e.wantLinks(all, slices.Concat(live, pending)...)

	// A link goes with its token.
	e.revoke(root, true)
	e.sweep(t0 + 20*day)
	e.wantLinks(all, slices.Concat(live, pending)...)
	e.sweep(t0 + 2*month)
	e.wantLinks(all, pending...)
	e.hides(root.Token.ID[:])
	e.wantItems(owner, 1, items...)
}

// A link of a token that is deleted still decides about the descendants.
func sweepLinksAbove(e *env) {
	owner := e.ownerID()
	item := e.keep(owner, 1)[0]
	root := e.rootExpiring(t0 + hour)
	middle := e.childExpiring(root, t0+hour)
	child := e.childExpiring(middle, 0)
	links := tag(item, root.id(), middle.id())
	e.link(owner, newLinks(links)...)
	e.sweep(t0 + 2*month)
	e.notStored(root, middle)
	e.equal(e.info(child.id()).Ancestors, idsOf(middle, root), "ancestors")
	e.wantLinks(idsOf(child, middle, root), links...)
	grandchild := e.childExpiring(child, 0)
	e.wantLinks(e.info(grandchild.id()).Ancestors, links...)

	// Clear and new links find deleted tokens too.
	clear := store.NewLink{Link: store.Link{Item: item.ID, Token: root.id(), Own: true}, Clear: true}
	e.link(owner, clear)
	e.wantLinks(idsOf(child, middle, root), clear.Link)
	e.link(owner, newLinks(tag(item, middle.id()))...)
	e.sweep(t0 + 3*month)
	e.wantLinks(idsOf(child, middle, root), clear.Link, tag(item, middle.id())[0])

	// They go with the last descendant.
	e.revoke(child, false)
	e.sweep(t0 + 4*month)
	e.notStored(child)
	e.wantLinks(idsOf(child, middle, root), clear.Link, tag(item, middle.id())[0])
	e.revokeAs(store.Revocation{Token: grandchild.id(), Now: t0 + 4*month})
	e.sweep(t0 + 6*month)
	e.wantLinks(idsOf(grandchild, child, middle, root))
	e.hides(root.Token.ID[:], middle.Token.ID[:], child.Token.ID[:])
}
