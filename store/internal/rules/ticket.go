package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/mytoken-go/sdk/store"
)

// Ticket is a ticket as a store keeps it. Repeated calls are compared with digests, so
// that a redeemed ticket leaves nothing of its contents.
type Ticket struct {
	store.Ticket
	Put   store.Sum   // of its contents when it was put
	Done  store.Sum   // of its completion, or zero
	Taker store.UseID // who consumed it, or zero
	// Orphaned says that its token is gone or not live. A store finds that out when it
	// reads the row.
	Orphaned bool
}

// NewTicket returns the row of a new ticket, with contents of its own.
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

func doneSum(c *store.Completion) store.Sum {
	return sha256.Sum256(append([]byte{byte(c.Status)}, c.Payload...))
}

// Expired reports whether the ticket has expired.
func (t *Ticket) Expired(now store.Micros) bool { return t.Expires != 0 && t.Expires < now }

// Erase removes the contents.
func (t *Ticket) Erase() { t.Key, t.Payload = nil, nil }

func (t *Ticket) take(by store.UseID) {
	t.Taker = by
	t.Erase()
}

// Found reports whether a look-up finds the ticket. t may be nil.
func (t *Ticket) Found() bool { return t != nil && !t.Orphaned }

// Resolvable returns nil if the ticket is answered to a look-up, and otherwise
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

// Taken returns the ticket as it is once taker has it, or nil if taker has it already. t
// may be nil. The errors are those of TakeTicket in [store.Tickets].
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
