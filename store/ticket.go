package store

import "fmt"

// TicketKind tells what a ticket is for. A store never accepts a code of one kind as one
// of another.
type TicketKind uint8

// The kinds of tickets. Their numbers never change.
const (
	TicketState    TicketKind = 1 // authorization request, named by its state
	TicketConsent  TicketKind = 2 // login that waits for the user's consent
	TicketPolling  TicketKind = 3 // polling code
	TicketTransfer TicketKind = 4 // transfer code
	TicketShort    TicketKind = 5 // short token; not one-time
	TicketReply    TicketKind = 6 // answer to a request, for its repetition
)

// TicketStatus is the state of a ticket.
type TicketStatus uint8

// The states of a ticket.
const (
	TicketPending  TicketStatus = 1
	TicketReady    TicketStatus = 2
	TicketDeclined TicketStatus = 3 // the user declined
	TicketFailed   TicketStatus = 4 // the login failed; the payload may say how
)

// TicketRef names a ticket.
type TicketRef struct {
	Kind TicketKind
	ID   TicketID
}

func (r TicketRef) bytes() []byte { return append([]byte{byte(r.Kind)}, r.ID[:]...) }

// Ticket is a code or a short token, named by its hash.
type Ticket struct {
	TicketRef
	Status  TicketStatus
	Key     Sealed // opened with the code; may be empty
	Payload Sealed // may be empty
	// Token is the token that the ticket belongs to, or zero. Once that token is deleted
	// or not live, no step finds the ticket any more.
	Token TokenID
	// OwnsToken says that the token was created for this code. Revoking the code revokes
	// the token.
	OwnsToken bool
	// Expires is the last instant at which the ticket is valid. It is required, except
	// for short tokens. A short token without it lives as long as its token.
	Expires Micros
}

// Completion ends the pending state of a ticket. Its payload replaces that of the ticket,
// even if it is empty.
type Completion struct {
	TicketRef
	Status  TicketStatus
	Payload Sealed
	Token   TokenID // zero: unchanged
}

// TicketChanges are changes to tickets. The call that carries them makes all of them or
// none, in the same step and in the order of the fields. A call that the store recognises
// as a repeat makes none. The zero value changes nothing.
type TicketChanges struct {
	// By names the consumer, so that it can repeat the call.
	By UseID
	// Consume takes tickets and erases their keys and payloads. The step returns
	// [ErrTicketNotFound] if a ticket is unknown, [ErrTicketExpired] if it has expired,
	// and [ErrTicketTaken] if somebody else took or consumed it.
	Consume []TicketRef
	// Complete completes pending tickets. The step returns [ErrTicketNotFound] and
	// [ErrTicketExpired] as above, and [ErrTicketTaken] if a ticket is not pending.
	// Completing a ticket again with the same status and payload succeeds, even if it was
	// consumed since.
	Complete []Completion
	// Drop erases tickets, whether they are there or not. The same changes may put a
	// dropped ticket again.
	Drop []TicketRef
	// Put adds tickets. The step returns [ErrExists] if there is a ticket with the same
	// kind and id. But a ticket that was put with the same contents stays unchanged,
	// whatever has become of it, and the step goes on.
	Put []Ticket
}

// IsZero reports whether there are no changes.
func (c *TicketChanges) IsZero() bool {
	return len(c.Consume)+len(c.Complete)+len(c.Drop)+len(c.Put) == 0
}

// Check returns an [*ArgumentError] if the changes are not well formed.
func (c *TicketChanges) Check() error {
	if len(c.Consume) > 0 && c.By.IsZero() {
		return argument("consuming tickets needs the id of the consumer in By")
	}
	for _, r := range c.Consume {
		if err := r.check(); err != nil {
			return err
		}
	}
	for _, r := range c.Drop {
		if err := r.check(); err != nil {
			return err
		}
	}
	for _, p := range c.Complete {
		if err := p.TicketRef.check(); err != nil {
			return err
		}
		if p.Status < TicketReady || p.Status > TicketFailed {
			return argument(fmt.Sprintf("completion of a ticket as %d: it must be ready, declined or failed", p.Status))
		}
	}
	for _, t := range c.Put {
		if err := t.TicketRef.check(); err != nil {
			return err
		}
		if t.Status < TicketPending || t.Status > TicketFailed {
			return argument(fmt.Sprintf("ticket with the unknown status %d", t.Status))
		}
		if t.Expires < 0 || t.Expires == 0 && t.Kind != TicketShort {
			return argument("a ticket needs an expiry, unless it is a short token")
		}
		if t.Kind == TicketShort && t.Token.IsZero() {
			return argument("a short token needs its token")
		}
	}
	return nil
}

func (r TicketRef) check() error {
	if r.Kind < TicketState || r.Kind > TicketReply || r.ID.IsZero() {
		return argument(fmt.Sprintf("a ticket of kind %d: it needs a known kind and an id", r.Kind))
	}
	return nil
}
