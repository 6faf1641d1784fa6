package rules

import (
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// Items is what a store knows about the items of an owner when it decides a change.
type Items struct {
	Revision uint64
	Change   store.UseID // which change made the revision; zero at revision 0
	// Owner returns whose item has an id. It returns the zero owner if there is no such
	// item. Decide asks only about ids that the change puts or links.
	Owner func(store.ItemID) store.OwnerID
}

// Decide reports whether a change is still to be made. It returns false if an earlier call
// has made it. The errors are those of ChangeItems in [store.Belongings], except those that
// concern tickets.
func (i *Items) Decide(c *store.ItemChanges) (bool, error) {
	if c.ChangesList() {
		switch {
		case i.Revision == c.Revision+1 && i.Change == c.ID:
			return false, nil
		case i.Revision != c.Revision:
			return false, store.ErrConflict
		}
	}
	put := make(map[store.ItemID]bool, len(c.Put))
	for _, item := range c.Put {
		if owner := i.Owner(item.ID); !owner.IsZero() && owner != c.Owner {
			return false, store.ErrExists
		}
		put[item.ID] = true
	}
	for _, l := range c.Links {
		kept := i.Owner(l.Item) == c.Owner && !slices.Contains(c.Delete, l.Item)
		if !put[l.Item] && !kept {
			return false, store.ErrNotFound
		}
	}
	return true, nil
}
