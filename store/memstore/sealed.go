package memstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// slot is one sealed value and the field that holds it.
type slot struct {
	place store.Place
	// nth distinguishes values that are sealed at one place. It is 0, or the arrival of a
	// spare.
	nth   int64
	value *store.Sealed
}

// key orders the slots and serves as the cursor.
func (w slot) key() string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(w.place.AAD(), uint64(w.nth)))
}

func (g *grant) slots(id store.GrantID) []slot {
	all := []slot{{store.RefreshTokenPlace(id, g.Generation), 0, &g.Token}}
	for i := range g.Spares {
		sp := &g.Spares[i]
		all = append(all, slot{store.RefreshTokenPlace(id, sp.Generation), sp.Arrival, &sp.Token})
	}
	return all
}

func (t *token) slots() []slot {
	all := []slot{{store.AboutPlace(t.ID), 0, &t.about}, {store.TokenKeyPlace(t.ID, t.Seq), 0, &t.Key}}
	for seq, g := range t.outdated {
		all = append(all, slot{store.TokenKeyPlace(t.ID, seq), 0, &g.Key}, slot{store.SuccessorPlace(t.ID, seq), 0, &g.Successor})
	}
	return all
}

func ticketSlots(t *rules.Ticket) []slot {
	return []slot{{store.TicketKeyPlace(t.TicketRef), 0, &t.Key}, {store.TicketPayloadPlace(t.TicketRef), 0, &t.Payload}}
}

// slots returns every sealed value that is not empty.
func (s *Store) slots() []slot {
	var all []slot
	for id, g := range s.grants {
		all = append(all, g.slots(id)...)
	}
	for _, t := range s.tokens {
		all = append(all, t.slots()...)
	}
	for _, t := range s.tickets {
		all = append(all, ticketSlots(t)...)
	}
	for owner, b := range s.belongings {
		for id := range b.items {
			all = append(all, b.slot(owner, id))
		}
	}
	return slices.DeleteFunc(all, func(w slot) bool { return len(*w.value) == 0 })
}

// near returns the slots of the row that the place belongs to.
func (s *Store) near(p store.Place) []slot {
	if id, ok := p.GrantID(); ok {
		if g := s.grants[id]; g != nil {
			return g.slots(id)
		}
	}
	if id, ok := p.TokenID(); ok {
		if t := s.tokens[id]; t != nil {
			return t.slots()
		}
	}
	if ref, ok := p.TicketRef(); ok {
		if t := s.tickets[ref]; t != nil {
			return ticketSlots(t)
		}
	}
	if owner, id, ok := p.ItemID(); ok {
		if b := s.belongings[owner]; b != nil && b.items[id] != nil {
			return []slot{b.slot(owner, id)}
		}
	}
	return nil
}

func (b *belongings) slot(owner store.OwnerID, id store.ItemID) slot {
	item := b.items[id]
	return slot{store.ItemPlace(owner, id, item.Kind), 0, &item.Contents}
}

// Sealed implements [store.Records].
func (s *Store) Sealed(ctx context.Context, page store.Page) ([]store.SealedItem, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()

	rest := slices.DeleteFunc(s.slots(), func(w slot) bool { return w.key() <= page.After })
	slices.SortFunc(rest, func(a, b slot) int { return cmp.Compare(a.key(), b.key()) })
	n := min(len(rest), page.Limit)
	var out []store.SealedItem
	for _, w := range rest[:n] {
		out = append(out, store.SealedItem{Place: w.place, Sealed: clone(*w.value)})
	}
	if n == len(rest) {
		return out, "", nil
	}
	return out, rest[n-1].key(), nil
}

// Reseal implements [store.Records].
func (s *Store) Reseal(ctx context.Context, items []store.Reseal) (int, error) {
	if err := store.CheckReseal(items); err != nil {
		return 0, err
	}
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()

	replaced := 0
	for _, r := range items {
		for _, w := range s.near(r.Place) {
			if w.place == r.Place && bytes.Equal(*w.value, r.Old) {
				*w.value = clone(r.New)
				replaced++
				break
			}
		}
	}
	return replaced, nil
}
