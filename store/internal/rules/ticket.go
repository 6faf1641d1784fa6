package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/mytoken-go/sdk/store"
)

// Ticket is a ticket as a store keeps it. The store recognises repeated calls by digests,
// so that it need not keep the contents of a redeemed ticket.
type Ticket struct {
	store.Ticket
	Put   store.Sum   // digest of the contents when the ticket was put
	Done  store.Sum   // digest of its completion, or zero
	Taker store.UseID // who took or consumed it, or zero
	// Orphaned says that its token is gone or not live. A store sets it when it reads the
	// row.
	Orphaned bool
}

// NewTicket returns the row of a new ticket. It copies the contents.
func NewTicket(t store.Ticket) *Ticket {
	t.Key, t.Payload = bytes.Clone(t.Key), bytes.Clone(t.Payload)
	return &Ticket{Ticket: t, Put: putSum(&t)}
}

func putSum(t *store.Ticket) store.Sum {
	var b bytes.Buffer
	b.WriteByte(byte(t.Status))
	b.Write(t.Token[:])
	if t.OwnsToken {
		b.WriteByte(1)
	} else {
		b.WriteByte(0)
	}
	b.Write(binary.BigEndian.AppendUint64(nil, uint64(t.Expires)))
	b.Write(binary.BigEndian.AppendUint64(nil, uint64(len(t.Key))))
	b.Write(t.Key)
	b.Write(t.Payload)
	return sha256.Sum256(b.Bytes())
}

// DoneSum returns the digest by which a store recognises a repeated completion.
func DoneSum(c *store.Completion) store.Sum {
	return sha256.Sum256(append([]byte{byte(c.Status)}, c.Payload...))
}

// Expired reports whether the ticket has expired.
func (t *Ticket) Expired(now store.Micros) bool { return t.Expires != 0 && t.Expires < now }

// Erase removes key and payload.
func (t *Ticket) Erase() { t.Key, t.Payload = nil, nil }

func (t *Ticket) take(by store.UseID) {
	t.Taker = by
	t.Erase()
}

// Found reports whether a step can use the ticket at all. t is nil if there is no such
// ticket.
func (t *Ticket) Found() bool { return t != nil && !t.Orphaned }

// Resolvable returns nil if ResolveTicket may return the ticket. Otherwise it returns
// [store.ErrTicketTaken] or [store.ErrTicketExpired].
func (t *Ticket) Resolvable(now store.Micros) error {
	switch {
	case !t.Taker.IsZero():
		return store.ErrTicketTaken
	case t.Expired(now):
		return store.ErrTicketExpired
	}
	return nil
}

// Contents returns a copy of what the ticket holds.
func (t *Ticket) Contents() *store.Ticket {
	out := t.Ticket
	out.Key, out.Payload = bytes.Clone(out.Key), bytes.Clone(out.Payload)
	return &out
}

// Fetched returns the contents of a ticket for a use that asks for it, or nil if
// ResolveTicket would return an error. t is nil if there is no such ticket.
func (t *Ticket) Fetched(now store.Micros) *store.Ticket {
	if !t.Found() || t.Resolvable(now) != nil {
		return nil
	}
	return t.Contents()
}

// Taken returns the ticket after taker has taken it, or nil if taker took it before. t is
// nil if there is no such ticket. The errors are those of TakeTicket in [store.Tickets].
func (t *Ticket) Taken(taker store.UseID, now store.Micros) (*Ticket, error) {
	switch {
	case !t.Found():
		return nil, store.ErrTicketNotFound
	case t.Taker == taker:
		return nil, nil
	case !t.Taker.IsZero():
		return nil, store.ErrTicketTaken
	case t.Expired(now):
		return nil, store.ErrTicketExpired
	case t.Status == store.TicketPending:
		return nil, store.ErrConflict
	}
	n := *t
	n.take(taker)
	return &n, nil
}
