package storetest

import (
	"time"

	"github.com/mytoken-go/sdk/store"
)

// grace is the usual grace of a rotation.
const grace = 30 * time.Second

// ttl is the usual duration of a lease.
const ttl = 12 * time.Second

// newTicket returns a pending ticket with contents that is not stored, valid
// for ten minutes.
func (e *env) newTicket(kind store.TicketKind) store.Ticket {
	t := store.Ticket{
		TicketRef: store.TicketRef{Kind: kind, ID: e.ticketID()},
		Status:    store.TicketPending,
		Key:       e.sealed(),
		Payload:   e.sealed(),
		Expires:   t0 + 10*minute,
	}
	if kind == store.TicketShort {
		t.Status, t.Expires = store.TicketReady, 0
	}
	return t
}

// newCode returns a ticket of a token that can be taken, not stored.
func (e *env) newCode(owner *tok) store.Ticket {
	t := e.newTicket(store.TicketTransfer)
	t.Status, t.Token = store.TicketReady, owner.id()
	return t
}

// newShort returns a short token that is not stored.
func (e *env) newShort(owner *tok) store.Ticket {
	t := e.newTicket(store.TicketShort)
	t.Token = owner.id()
	return t
}

func (e *env) put(tickets ...store.Ticket) {
	e.Helper()
	e.ok(e.s.ChangeTickets(e.ctx, store.TicketChanges{Put: tickets}, t0), "put tickets")
}

// resolve reads a ticket that must be there.
func (e *env) resolve(ref store.TicketRef) store.Ticket {
	e.Helper()
	t, err := e.s.ResolveTicket(e.ctx, ref.Kind, []store.TicketID{ref.ID}, t0)
	e.ok(err, "ResolveTicket")
	return t
}

// unresolved checks that a ticket cannot be read.
func (e *env) unresolved(ref store.TicketRef, now store.Micros, want error, what string) {
	e.Helper()
	_, err := e.s.ResolveTicket(e.ctx, ref.Kind, []store.TicketID{ref.ID}, now)
	e.fails(err, want, "ResolveTicket: %s", what)
}

// rotation returns a rotation of the token as it is presented, to a new
// successor.
func (e *env) rotation(k *tok, grace time.Duration) store.Rotation {
	return store.Rotation{
		From:      k.Presented,
		To:        store.Presented{ID: k.Presented.ID, Seq: k.Presented.Seq + 1, Sum: e.sum()},
		Key:       e.sealed(),
		Successor: e.sealed(),
		Expires:   t0 + 400*day,
		Now:       t0 + second,
		Grace:     grace,
	}
}

// rotate rotates the token and returns its successor.
func (e *env) rotate(k *tok, grace time.Duration) (*tok, store.Rotation) {
	e.Helper()
	r := e.rotation(k, grace)
	got, err := e.s.Rotate(e.ctx, r)
	e.ok(err, "Rotate")
	e.equal(got, store.Rotated{Successor: r.Successor, Fresh: true}, "Rotate")
	return &tok{k.Token, r.To}, r
}

// revoke revokes a token and returns whether a live one may be left.
func (e *env) revoke(id store.TokenID, recursive bool) bool {
	e.Helper()
	out, err := e.s.Revoke(e.ctx, store.Revocation{Token: id, Recursive: recursive, Now: t0 + 2*second})
	e.ok(err, "Revoke")
	return out.LiveLeft
}

// list returns all tokens of an owner.
func (e *env) list(owner store.OwnerID) []store.TokenInfo {
	e.Helper()
	return collect(e, func(p store.Page) ([]store.TokenInfo, string, error) { return e.s.List(e.ctx, owner, p) }, 100)
}

// collect collects all pages.
func collect[T any](e *env, read func(store.Page) ([]T, string, error), limit int) []T {
	e.Helper()
	var all []T
	page := store.Page{Limit: limit}
	for {
		part, next, err := read(page)
		e.ok(err, "page after %d entries", len(all))
		if len(part) > limit {
			e.Fatalf("a page of at most %d entries has %d", limit, len(part))
		}
		all = append(all, part...)
		if next == "" {
			return all
		}
		if len(part) == 0 || next == page.After {
			e.Fatalf("page after %d entries leads nowhere", len(all))
		}
		page.After = next
	}
}

// step is one of the methods to which a token is presented.
type step struct {
	name string
	do   func(p store.Presented, now store.Micros) error
}

// steps returns all methods to which a token is presented.
func (e *env) steps(k *tok) []step {
	return []step{
		{"Lookup", func(p store.Presented, now store.Micros) error {
			_, err := e.s.Lookup(e.ctx, p, now)
			return err
		}},
		{"Spend", func(p store.Presented, now store.Micros) error {
			u := e.uncounted()
			u.Now = now
			_, err := e.s.Spend(e.ctx, p, u)
			return err
		}},
		{"CreateChild", func(p store.Presented, now store.Micros) error {
			u := e.uncounted()
			u.Now = now
			_, err := e.s.CreateChild(e.ctx, p, u, e.newChild(k))
			return err
		}},
		{"Rotate", func(p store.Presented, now store.Micros) error {
			r := e.rotation(&tok{k.Token, p}, grace)
			r.Now = now
			_, err := e.s.Rotate(e.ctx, r)
			return err
		}},
	}
}
