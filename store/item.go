package store

import "fmt"

// ItemID names an item. The caller draws it at random.
type ItemID [16]byte

// IsZero reports whether the id was never set.
func (id ItemID) IsZero() bool { return id == ItemID{} }

// ItemKind tells what an item is.
type ItemKind uint8

// The kinds of items. Their numbers never change.
const (
	ItemGrantType ItemKind = 1 // whether the user enabled a grant type
	ItemTag       ItemKind = 2 // a tag: its name and colour
	ItemSSHKey    ItemKind = 3 // an SSH key that stands for a token
)

// Item is something that a user keeps besides tokens: a setting, a tag, an SSH key.
type Item struct {
	ID       ItemID
	Kind     ItemKind
	Contents Sealed // at [ItemPlace]
}

// Items is what a user keeps.
type Items struct {
	// Revision counts the changes of the list. It is 0 if there was none.
	Revision uint64
	List     []Item // in the order of their ids
}

// Link says that an item concerns a token, or no longer does. An item and a token have at
// most one link.
//
// If a token has a link, the item concerns the token if Own is set. If it has none, the
// links of its ancestors decide, the nearest first, each with Below. A link with Own alone
// decides nothing for descendants: the next ancestor does. So links also hold for
// descendants that are created later.
type Link struct {
	Item  ItemID
	Token TokenID // need not be stored yet
	Own   bool    // the item concerns the token
	Below bool    // the item concerns the descendants; a link with neither ends that for them
}

// NewLink is a link that replaces the one of the same item and token.
type NewLink struct {
	Link
	// Clear deletes the item's links with descendants of the token first.
	Clear bool
}

// ItemChanges change what a user keeps. The step makes all of them or none.
type ItemChanges struct {
	Owner OwnerID
	// ID names the change. It is required with Put or Delete. The caller passes the same id
	// when it repeats the call.
	ID UseID
	// Revision is the one of the [Items] on which Put and Delete are based.
	Revision uint64
	Put      []Item   // added, or replaced if the id is known
	Delete   []ItemID // deleted, with their links; an unknown one is no error
	Links    []NewLink
	// Tickets, and the event on the history of Token, are made in the same step. They need
	// Put or Delete. The event is dropped if the token is not stored.
	Tickets TicketChanges
	Token   TokenID
	Event   Event
	// NeedsToken refuses the changes if Token is not stored. It needs Put or Delete. So a
	// token that is deleted with its owner leaves no item behind.
	NeedsToken bool
	Now        Micros
}

// ChangesList reports whether the changes need the revision: they put or delete items.
func (c *ItemChanges) ChangesList() bool { return len(c.Put)+len(c.Delete) > 0 }

// Check returns an [*ArgumentError] if the changes are not well formed.
func (c *ItemChanges) Check() error {
	switch {
	case c.Owner.IsZero() || c.Now <= 0:
		return argument("a change of items needs their owner and an instant")
	case c.ChangesList() && c.ID.IsZero():
		return argument("a change of items needs an id")
	case !c.ChangesList() && len(c.Links) == 0:
		return argument("a change of items changes nothing")
	case !c.ChangesList() && (!c.Tickets.IsZero() || c.Event.Name != "" || c.NeedsToken):
		return argument("a change of items makes ticket changes or an event, or needs a token, only with Put or Delete")
	case (c.Event.Name != "" || c.NeedsToken) && c.Token.IsZero():
		return argument("a change of items does not name its token")
	}
	seen := make(map[ItemID]bool)
	for _, item := range c.Put {
		switch {
		case item.ID.IsZero() || len(item.Contents) == 0:
			return argument("an item needs an id and contents")
		case item.Kind < ItemGrantType || item.Kind > ItemSSHKey:
			return argument(fmt.Sprintf("item of the unknown kind %d", item.Kind))
		case seen[item.ID]:
			return argument("a change of items names an item twice")
		}
		seen[item.ID] = true
	}
	for _, id := range c.Delete {
		if id.IsZero() || seen[id] {
			return argument("a change of items deletes an item without an id, or one that it names twice")
		}
		seen[id] = true
	}
	linked := make(map[Link]bool)
	for _, l := range c.Links {
		pair := Link{Item: l.Item, Token: l.Token}
		if l.Item.IsZero() || l.Token.IsZero() || linked[pair] {
			return argument("a link needs an item and a token, and no other link of the change has both")
		}
		linked[pair] = true
	}
	return c.Tickets.Check()
}
