package store_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
)

func places() []store.Place {
	var all []store.Place
	for _, b := range []byte{1, 2} {
		ref := store.TicketRef{Kind: store.TicketKind(b), ID: store.TicketID{b}}
		for n := range uint64(3) {
			all = append(all, store.RefreshTokenPlace(store.GrantID{b}, n), store.TokenKeyPlace(store.TokenID{b}, n), store.SuccessorPlace(store.TokenID{b}, n))
		}
		all = append(all, store.AboutPlace(store.TokenID{b}), store.TicketKeyPlace(ref), store.TicketPayloadPlace(ref))
		for kind := store.ItemGrantType; kind <= store.ItemSSHKey; kind++ {
			all = append(all, store.ItemPlace(store.OwnerID{b}, store.ItemID{1}, kind), store.ItemPlace(store.OwnerID{b}, store.ItemID{2}, kind))
		}
	}
	return all
}

// proves P7: a ciphertext opens only at its own place.
func TestPlacesHaveDistinctAAD(t *testing.T) {
	all := append(places(),
		// The same bytes, split in another way.
		store.Place{Kind: 1, ID: "ab"}, store.Place{Kind: 1, ID: "a"}, store.Place{Kind: 1}, store.Place{Kind: 1, ID: "\x00"}, store.Place{},
		store.Place{Kind: 1, N: 1 << 56, ID: "a"}, store.Place{Kind: 1, N: 256, ID: "a"},
	)
	for i, p := range all {
		for j, q := range all {
			assert.Equal(t, i == j, p == q, "places %+v and %+v", p, q)
			assert.Equal(t, i == j, bytes.Equal(p.AAD(), q.AAD()), "AAD of places %+v and %+v", p, q)
		}
	}
}

// TestAADNeverChanges pins the encoding: it is part of every stored ciphertext.
func TestAADNeverChanges(t *testing.T) {
	got := store.Place{Kind: store.PlaceSuccessor, ID: "id", N: 0x0102}.AAD()
	want := []byte("\x03" + "\x00\x00\x00\x00\x00\x00\x01\x02" + "\x00\x00\x00\x00\x00\x00\x00\x02" + "id")
	assert.Equal(t, want, got)
	for kind, want := range map[store.PlaceKind]uint8{
		store.PlaceRefreshToken: 1, store.PlaceTokenKey: 2, store.PlaceSuccessor: 3, store.PlaceAbout: 4, store.PlaceTicketKey: 5, store.PlaceTicketPayload: 6,
		store.PlaceItem: 7,
	} {
		assert.Equal(t, want, uint8(kind), "kind %v", kind)
	}
}

// TestTicketKindsNeverChange pins the kinds of tickets: ciphertexts are bound to them
// too.
func TestTicketKindsNeverChange(t *testing.T) {
	for i, kind := range []store.TicketKind{
		store.TicketState, store.TicketConsent, store.TicketPolling, store.TicketTransfer, store.TicketShort, store.TicketReply, store.TicketAccess,
		store.TicketSSHKey,
	} {
		assert.Equal(t, i+1, int(kind))
		p := store.TicketKeyPlace(store.TicketRef{Kind: kind, ID: store.TicketID{7}})
		assert.Equal(t, string([]byte{byte(i + 1), 7})+string(make([]byte, 31)), p.ID, "id of the place of a ticket of kind %d", kind)
	}
}

// TestItemKindsNeverChange pins the kinds of items and their place.
func TestItemKindsNeverChange(t *testing.T) {
	for i, kind := range []store.ItemKind{store.ItemGrantType, store.ItemTag, store.ItemSSHKey} {
		assert.Equal(t, i+1, int(kind))
		p := store.ItemPlace(store.OwnerID{5}, store.ItemID{6}, kind)
		want := "\x05" + string(make([]byte, 31)) + "\x06" + string(make([]byte, 15))
		assert.Equal(t, store.Place{Kind: store.PlaceItem, ID: want, N: uint64(i + 1)}, p)
	}
}

func TestPlaceNamesItsRow(t *testing.T) {
	for _, p := range places() {
		grant, isGrant := p.GrantID()
		token, isToken := p.TokenID()
		ticket, isTicket := p.TicketRef()
		owner, item, isItem := p.ItemID()
		var back store.Place
		switch p.Kind {
		case store.PlaceRefreshToken:
			back = store.RefreshTokenPlace(grant, p.N)
		case store.PlaceTokenKey:
			back = store.TokenKeyPlace(token, p.N)
		case store.PlaceSuccessor:
			back = store.SuccessorPlace(token, p.N)
		case store.PlaceAbout:
			back = store.AboutPlace(token)
		case store.PlaceTicketKey:
			back = store.TicketKeyPlace(ticket)
		case store.PlaceTicketPayload:
			back = store.TicketPayloadPlace(ticket)
		case store.PlaceItem:
			back = store.ItemPlace(owner, item, store.ItemKind(p.N))
		}
		named := 0
		for _, is := range []bool{isGrant, isToken, isTicket, isItem} {
			if is {
				named++
			}
		}
		assert.Equal(t, p, back, "the place that the row leads back to")
		assert.Equal(t, 1, named, "rows that %+v names", p)
		p.ID += "x"
		_, isGrant = p.GrantID()
		_, isToken = p.TokenID()
		_, isTicket = p.TicketRef()
		_, _, isItem = p.ItemID()
		assert.False(t, isGrant || isToken || isTicket || isItem, "a place with a wrong id names a row: %+v", p)
	}
}
