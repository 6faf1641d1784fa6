package rules_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// It proves P8: a change of items is made once, and only on the revision that it is based
// on.
func TestItemsDecide(t *testing.T) {
	own, foreign, unknown := store.ItemID{1}, store.ItemID{2}, store.ItemID{3}
	me, other := store.OwnerID{1}, store.OwnerID{2}
	id := store.UseID{7}
	known := rules.Items{Revision: 3, Change: id, Owner: func(item store.ItemID) store.OwnerID {
		return map[store.ItemID]store.OwnerID{own: me, foreign: other}[item]
	}}
	put := func(ids ...store.ItemID) (all []store.Item) {
		for _, id := range ids {
			all = append(all, store.Item{ID: id})
		}
		return all
	}
	link := func(ids ...store.ItemID) (all []store.NewLink) {
		for _, id := range ids {
			all = append(all, store.NewLink{Link: store.Link{Item: id, Token: store.TokenID{1}}})
		}
		return all
	}
	for name, c := range map[string]struct {
		change store.ItemChanges
		todo   bool
		err    error
	}{
		"current":                          {store.ItemChanges{Revision: 3, Put: put(own, unknown)}, true, nil},
		"current with the id of the last":  {store.ItemChanges{Revision: 3, ID: id, Put: put(own)}, true, nil},
		"repeated":                         {store.ItemChanges{Revision: 2, ID: id, Put: put(own)}, false, nil},
		"repeated, of a foreign item":      {store.ItemChanges{Revision: 2, ID: id, Put: put(foreign)}, false, nil},
		"outdated":                         {store.ItemChanges{Revision: 2, ID: store.UseID{8}, Put: put(own)}, false, store.ErrConflict},
		"long outdated with the id":        {store.ItemChanges{Revision: 1, ID: id, Delete: []store.ItemID{own}}, false, store.ErrConflict},
		"from the future":                  {store.ItemChanges{Revision: 4, ID: id, Put: put(own)}, false, store.ErrConflict},
		"outdated, of a foreign item":      {store.ItemChanges{Revision: 2, Put: put(foreign)}, false, store.ErrConflict},
		"foreign":                          {store.ItemChanges{Revision: 3, Put: put(own, foreign)}, false, store.ErrExists},
		"foreign to delete":                {store.ItemChanges{Revision: 3, Delete: []store.ItemID{foreign, unknown}}, true, nil},
		"link of a new item":               {store.ItemChanges{Revision: 3, Put: put(unknown), Links: link(own, unknown)}, true, nil},
		"link of an unknown item":          {store.ItemChanges{Revision: 3, Put: put(own), Links: link(unknown)}, false, store.ErrNotFound},
		"link of a foreign item":           {store.ItemChanges{Links: link(foreign)}, false, store.ErrNotFound},
		"link of a deleted item":           {store.ItemChanges{Revision: 3, Delete: []store.ItemID{own}, Links: link(own)}, false, store.ErrNotFound},
		"links alone, whatever the number": {store.ItemChanges{Revision: 1, Links: link(own)}, true, nil},
	} {
		c.change.Owner = me
		todo, err := known.Decide(&c.change)
		assert.Equal(t, c.todo, todo, name)
		assert.ErrorIs(t, err, c.err, name)
	}
}
