// Package ticket holds the rules of one-time codes that the stores of this
// module share: when a ticket is found, completed, consumed, put again. It
// decides; a store reads the rows and writes what was decided.
package ticket

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/mytoken-go/sdk/store"
)

// Row is a ticket as a store keeps it. What repeated calls are compared with
// are digests, so that a redeemed ticket leaves nothing of its contents.
type Row struct {
	store.Ticket
	Put   store.Sum   // of its contents when it was put
	Done  store.Sum   // of its completion, or zero
	Taker store.UseID // who consumed it, or zero
	// Orphaned: its token is gone or not live. A store finds that out when it
	// reads the row.
	Orphaned bool
}

// New returns the row of a new ticket, with contents of its own.
func New(t store.Ticket) *Row {
	t.Key, t.Payload = bytes.Clone(t.Key), bytes.Clone(t.Payload)
	return &Row{Ticket: t, Put: putSum(&t)}
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

// Expired reports whether the ticket's time is over.
func (r *Row) Expired(now store.Micros) bool { return r.Expires != 0 && r.Expires < now }

// Erase removes the contents.
func (r *Row) Erase() { r.Key, r.Payload = nil, nil }

func (r *Row) take(by store.UseID) {
	r.Taker = by
	r.Erase()
}

// Found reports whether the row can be looked up; r may be nil.
func (r *Row) Found() bool { return r != nil && !r.Orphaned }

// Resolvable says why a ticket that was found is not answered with, or nil.
func (r *Row) Resolvable(now store.Micros) error {
	switch {
	case !r.Taker.IsZero():
		return store.ErrTicketTaken
	case r.Expired(now):
		return store.ErrTicketExpired
	}
	return nil
}

// Taken returns the row as it is once taker has it, or nil if taker has it
// already. r may be nil.
func (r *Row) Taken(taker store.UseID, now store.Micros) (*Row, error) {
	switch {
	case !r.Found():
		return nil, store.ErrTicketNotFound
	case r.Taker == taker:
		return nil, nil
	case !r.Taker.IsZero():
		return nil, store.ErrTicketTaken
	case r.Expired(now):
		return nil, store.ErrTicketExpired
	case r.Status == store.TicketPending:
		return nil, store.ErrConflict
	}
	n := *r
	n.take(taker)
	return &n, nil
}
