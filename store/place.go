package store

import "encoding/binary"

// Sealed is a ciphertext that opens only at its [Place]. A store copies and compares it,
// and does nothing else with it.
type Sealed []byte

// PlaceKind tells what is sealed at a place.
type PlaceKind uint8

// The kinds of places. Their numbers are authenticated with each ciphertext and never
// change.
const (
	PlaceRefreshToken  PlaceKind = 1 // the refresh token: grant, generation of the grant
	PlaceTokenKey      PlaceKind = 2 // a grant's key wrapped for one token: token, seq_no
	PlaceSuccessor     PlaceKind = 3 // the response of a rotation: token, seq_no of the outdated token
	PlaceAbout         PlaceKind = 4 // description of a token for lists: token
	PlaceTicketKey     PlaceKind = 5 // key of a ticket: ticket kind and id
	PlaceTicketPayload PlaceKind = 6 // payload of a ticket: ticket kind and id
	PlaceItem          PlaceKind = 7 // contents of an item: owner and id, kind of the item
)

// String returns a short name for messages.
func (k PlaceKind) String() string {
	switch k {
	case PlaceRefreshToken:
		return "rt"
	case PlaceTokenKey:
		return "dek"
	case PlaceSuccessor:
		return "successor"
	case PlaceAbout:
		return "about"
	case PlaceTicketKey:
		return "ticket key"
	case PlaceTicketPayload:
		return "ticket payload"
	case PlaceItem:
		return "item"
	}
	return "unknown"
}

// Place says where a ciphertext belongs. Sealing binds the ciphertext to [Place.AAD], so
// that a row copied elsewhere opens nothing. Places are comparable.
type Place struct {
	Kind PlaceKind
	ID   string // the raw bytes of the id
	N    uint64 // generation, seq_no or kind of an item, 0 where there is none
}

// AAD returns the place as additional authenticated data: Kind (1 byte), N (8 bytes), the
// length of ID (8 bytes), and ID. Numbers are big endian. Different places have different
// encodings, and the encoding never changes.
func (p Place) AAD() []byte {
	b := make([]byte, 0, 1+8+8+len(p.ID))
	b = append(b, byte(p.Kind))
	b = binary.BigEndian.AppendUint64(b, p.N)
	b = binary.BigEndian.AppendUint64(b, uint64(len(p.ID)))
	return append(b, p.ID...)
}

// GrantID returns the grant that a refresh token belongs to. It returns false for places
// of another kind.
func (p Place) GrantID() (GrantID, bool) {
	if p.Kind != PlaceRefreshToken || len(p.ID) != len(GrantID{}) {
		return GrantID{}, false
	}
	return GrantID([]byte(p.ID)), true
}

// TokenID returns the token that a wrapped key, a successor or a description belongs to.
// It returns false for places of another kind.
func (p Place) TokenID() (TokenID, bool) {
	switch p.Kind {
	case PlaceTokenKey, PlaceSuccessor, PlaceAbout:
		if len(p.ID) == len(TokenID{}) {
			return TokenID([]byte(p.ID)), true
		}
	}
	return TokenID{}, false
}

// TicketRef returns the ticket that a key or a payload belongs to. It returns false for
// places of another kind.
func (p Place) TicketRef() (TicketRef, bool) {
	switch p.Kind {
	case PlaceTicketKey, PlaceTicketPayload:
		if len(p.ID) == 1+len(TicketID{}) {
			return TicketRef{Kind: TicketKind(p.ID[0]), ID: TicketID([]byte(p.ID[1:]))}, true
		}
	}
	return TicketRef{}, false
}

// ItemID returns the item that contents belong to, and its owner. It returns false for
// places of another kind.
func (p Place) ItemID() (OwnerID, ItemID, bool) {
	at := len(OwnerID{})
	if p.Kind != PlaceItem || len(p.ID) != at+len(ItemID{}) {
		return OwnerID{}, ItemID{}, false
	}
	return OwnerID([]byte(p.ID[:at])), ItemID([]byte(p.ID[at:])), true
}

// RefreshTokenPlace is where the refresh token of a generation of a grant is sealed. It
// holds for the current refresh token and for spares.
func RefreshTokenPlace(id GrantID, generation uint64) Place {
	return Place{Kind: PlaceRefreshToken, ID: string(id[:]), N: generation}
}

// TokenKeyPlace is where the grant's key is sealed for one generation of a token.
func TokenKeyPlace(id TokenID, seq uint64) Place {
	return Place{Kind: PlaceTokenKey, ID: string(id[:]), N: seq}
}

// SuccessorPlace is where the response that replaced generation seq is sealed.
func SuccessorPlace(id TokenID, seq uint64) Place {
	return Place{Kind: PlaceSuccessor, ID: string(id[:]), N: seq}
}

// AboutPlace is where the description of a token is sealed.
func AboutPlace(id TokenID) Place { return Place{Kind: PlaceAbout, ID: string(id[:])} }

// TicketKeyPlace is where the key of a ticket is sealed.
func TicketKeyPlace(ref TicketRef) Place {
	return Place{Kind: PlaceTicketKey, ID: string(ref.bytes())}
}

// TicketPayloadPlace is where the payload of a ticket is sealed.
func TicketPayloadPlace(ref TicketRef) Place {
	return Place{Kind: PlaceTicketPayload, ID: string(ref.bytes())}
}

// ItemPlace is where the contents of an item are sealed.
func ItemPlace(owner OwnerID, id ItemID, kind ItemKind) Place {
	return Place{Kind: PlaceItem, ID: string(owner[:]) + string(id[:]), N: uint64(kind)}
}

// SealedItem is a ciphertext and its place.
type SealedItem struct {
	Place  Place
	Sealed Sealed
}

// Reseal asks a store to replace Old by New at Place, if Old is still there.
type Reseal struct {
	Place    Place
	Old, New Sealed
}
