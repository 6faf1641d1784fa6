package store_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
)

func TestItemChangesCheck(t *testing.T) {
	good := func() store.ItemChanges {
		return store.ItemChanges{
			Owner: store.OwnerID{1}, ID: store.UseID{1}, Now: 1,
			Put: []store.Item{
				{ID: store.ItemID{1}, Kind: store.ItemGrantType, Contents: store.Sealed("sealed")},
				{ID: store.ItemID{2}, Kind: store.ItemSSHKey, Contents: store.Sealed("sealed")},
			},
			Delete: []store.ItemID{{3}},
			Links: []store.NewLink{
				{Link: store.Link{Item: store.ItemID{1}, Token: store.TokenID{1}}, Clear: true},
				{Link: store.Link{Item: store.ItemID{1}, Token: store.TokenID{2}, Own: true}},
				{Link: store.Link{Item: store.ItemID{2}, Token: store.TokenID{1}}},
			},
			Tickets: store.TicketChanges{Drop: []store.TicketRef{{Kind: store.TicketSSHKey, ID: store.TicketID{1}}}},
			Token:   store.TokenID{1}, Event: store.Event{Name: "ssh_key_add"},
		}
	}
	check(t, good, (*store.ItemChanges).Check, map[string]func(*store.ItemChanges){
		"no owner":               func(c *store.ItemChanges) { c.Owner = store.OwnerID{} },
		"no id":                  func(c *store.ItemChanges) { c.ID = store.UseID{} },
		"no instant":             func(c *store.ItemChanges) { c.Now = 0 },
		"negative instant":       func(c *store.ItemChanges) { c.Now = -1 },
		"put without id":         func(c *store.ItemChanges) { c.Put[0].ID = store.ItemID{} },
		"put without contents":   func(c *store.ItemChanges) { c.Put[0].Contents = nil },
		"put without kind":       func(c *store.ItemChanges) { c.Put[0].Kind = 0 },
		"put of an unknown kind": func(c *store.ItemChanges) { c.Put[0].Kind = store.ItemSSHKey + 1 },
		"put twice":              func(c *store.ItemChanges) { c.Put[1].ID = c.Put[0].ID },
		"delete without id":      func(c *store.ItemChanges) { c.Delete[0] = store.ItemID{} },
		"delete twice":           func(c *store.ItemChanges) { c.Delete = append(c.Delete, c.Delete[0]) },
		"put and delete":         func(c *store.ItemChanges) { c.Delete[0] = c.Put[0].ID },
		"link of no item":        func(c *store.ItemChanges) { c.Links[0].Item = store.ItemID{} },
		"link of no token":       func(c *store.ItemChanges) { c.Links[0].Token = store.TokenID{} },
		"link twice":             func(c *store.ItemChanges) { c.Links[1].Token = c.Links[0].Token },
		"event of no token":      func(c *store.ItemChanges) { c.Token = store.TokenID{} },
		"need of no token":       func(c *store.ItemChanges) { c.Token, c.Event, c.NeedsToken = store.TokenID{}, store.Event{}, true },
		"need with links": func(c *store.ItemChanges) {
			c.Put, c.Delete, c.Tickets, c.Event, c.NeedsToken = nil, nil, store.TicketChanges{}, store.Event{}, true
		},
		"bad ticket changes":  func(c *store.ItemChanges) { c.Tickets.Drop[0].Kind = 0 },
		"nothing":             func(c *store.ItemChanges) { *c = store.ItemChanges{Owner: c.Owner, ID: c.ID, Now: 1} },
		"tickets with links":  func(c *store.ItemChanges) { c.Put, c.Delete, c.Event = nil, nil, store.Event{} },
		"an event with links": func(c *store.ItemChanges) { c.Put, c.Delete, c.Tickets = nil, nil, store.TicketChanges{} },
	})
	check(t, func() store.ItemChanges {
		return store.ItemChanges{Owner: store.OwnerID{1}, Links: good().Links, Now: 1}
	}, (*store.ItemChanges).Check, nil)
	for _, c := range []store.ItemChanges{{Put: good().Put}, {Delete: good().Delete}} {
		assert.True(t, c.ChangesList())
	}
	links := store.ItemChanges{Links: good().Links}
	assert.False(t, links.ChangesList())
}
