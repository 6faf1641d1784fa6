package broken

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Items returns a store that has the bug, or nil if the bug is not one about items that can
// be built into any store.
func Items(s store.Store, bug storetest.Bug) store.Store {
	switch bug {
	case storetest.BugItemsWithoutCAS:
		return itemsWithoutCAS{s}
	case storetest.BugItemsTorn:
		return itemsTorn{s}
	case storetest.BugChangeForgotten:
		return changeForgotten{s}
	case storetest.BugForeignItemIgnored:
		return foreignItemIgnored{s}
	case storetest.BugLinksLater:
		return linksLater{s}
	case storetest.BugTicketsLater:
		return ticketsLater{s}
	case storetest.BugLinkNeedsToken:
		return linkNeedsToken{s}
	case storetest.BugClearIgnored:
		return clearIgnored{s}
	case storetest.BugTokenNotNeeded:
		return tokenNotNeeded{s}
	case storetest.BugTokenNeededBefore:
		return tokenNeededBefore{s}
	case storetest.BugItemsOutliveOwner:
		return itemsOutliveOwner{s}
	case storetest.BugItemsNotWalked:
		return itemsNotWalked{s}
	}
	return nil
}

// itemsWithoutCAS makes a change on whatever revision it finds.
type itemsWithoutCAS struct{ store.Store }

func (s itemsWithoutCAS) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	for {
		err := s.Store.ChangeItems(ctx, c)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		items, err := s.Items(ctx, c.Owner)
		if err != nil {
			return err
		}
		c.Revision = items.Revision
	}
}

// itemsTorn lets others change the items before it reads the revision.
type itemsTorn struct{ store.Store }

func (s itemsTorn) Items(ctx context.Context, owner store.OwnerID) (store.Items, error) {
	before, err := s.Store.Items(ctx, owner)
	if err != nil {
		return store.Items{}, err
	}
	runtime.Gosched()
	after, err := s.Store.Items(ctx, owner)
	return store.Items{Revision: after.Revision, List: before.List}, err
}

// changeForgotten does not keep which change made the revision.
type changeForgotten struct{ store.Store }

func (s changeForgotten) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	items, err := s.Items(ctx, c.Owner)
	if err != nil {
		return err
	}
	if c.ChangesList() && items.Revision != c.Revision && c.Check() == nil {
		return store.ErrConflict
	}
	return s.Store.ChangeItems(ctx, c)
}

// foreignItemIgnored takes an item that another owner has for one that is stored already.
type foreignItemIgnored struct{ store.Store }

func (s foreignItemIgnored) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if err := s.Store.ChangeItems(ctx, c); !errors.Is(err, store.ErrExists) {
		return err
	}
	return nil
}

// linksLater makes the links of a change when the items are stored.
type linksLater struct{ store.Store }

func (s linksLater) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if !c.ChangesList() || len(c.Links) == 0 || c.Check() != nil {
		return s.Store.ChangeItems(ctx, c)
	}
	links := store.ItemChanges{Owner: c.Owner, Links: c.Links, Now: c.Now}
	c.Links = nil
	if err := s.Store.ChangeItems(ctx, c); err != nil {
		return err
	}
	return s.Store.ChangeItems(ctx, links)
}

// ticketsLater changes the tickets of a change when the items are stored.
type ticketsLater struct{ store.Store }

func (s ticketsLater) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	tickets := c.Tickets
	if c.Check() == nil {
		c.Tickets = store.TicketChanges{}
	}
	if err := s.Store.ChangeItems(ctx, c); err != nil {
		return err
	}
	return s.ChangeTickets(ctx, tickets, c.Now)
}

// linkNeedsToken drops the links of tokens that it does not know.
type linkNeedsToken struct{ store.Store }

func (s linkNeedsToken) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if c.Check() != nil {
		return s.Store.ChangeItems(ctx, c)
	}
	c.Links = slices.DeleteFunc(slices.Clone(c.Links), func(l store.NewLink) bool {
		_, err := s.Token(ctx, l.Token)
		return errors.Is(err, store.ErrNotFound)
	})
	if !c.ChangesList() && len(c.Links) == 0 {
		return nil
	}
	return s.Store.ChangeItems(ctx, c)
}

// clearIgnored leaves the links of descendants.
type clearIgnored struct{ store.Store }

func (s clearIgnored) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	c.Links = slices.Clone(c.Links)
	for i := range c.Links {
		c.Links[i].Clear = false
	}
	return s.Store.ChangeItems(ctx, c)
}

// tokenNotNeeded makes a change whether or not its token is stored.
type tokenNotNeeded struct{ store.Store }

func (s tokenNotNeeded) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if c.Check() == nil {
		c.NeedsToken = false
	}
	return s.Store.ChangeItems(ctx, c)
}

// tokenNeededBefore looks for the token before it makes the change.
type tokenNeededBefore struct{ store.Store }

func (s tokenNeededBefore) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if c.Check() == nil && c.NeedsToken {
		if _, err := s.Token(ctx, c.Token); err != nil {
			return err
		}
		runtime.Gosched()
		c.NeedsToken = false
	}
	return s.Store.ChangeItems(ctx, c)
}

// itemsOutliveOwner deletes the tokens of an owner alone.
type itemsOutliveOwner struct{ store.Store }

func (s itemsOutliveOwner) DeleteOwner(ctx context.Context, owner store.OwnerID) error {
	items, err := s.Items(ctx, owner)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteOwner(ctx, owner); err != nil || len(items.List) == 0 {
		return err
	}
	again := store.ItemChanges{Owner: owner, ID: store.UseID{1}, Put: items.List, Now: 1}
	return s.ChangeItems(ctx, again)
}

// itemsNotWalked walks over the sealed values of the tables that it had before.
type itemsNotWalked struct{ store.Store }

func (s itemsNotWalked) Sealed(ctx context.Context, page store.Page) ([]store.SealedItem, string, error) {
	all, next, err := s.Store.Sealed(ctx, page)
	return slices.DeleteFunc(all, func(item store.SealedItem) bool { return item.Place.Kind == store.PlaceItem }), next, err
}
