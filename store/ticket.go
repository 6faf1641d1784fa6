package store

// TicketKind tags a ticket, so that a code of one kind is never accepted in
// the place of another.
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

// Ticket is a code, or a short token, by its hash.
type Ticket struct {
	TicketRef
	Status  TicketStatus
	Key     Sealed // opened with the code; may be empty
	Payload Sealed // may be empty
	// Token is the token that the ticket belongs to, or zero. A ticket is not
	// found any more once its token is deleted or not live.
	Token TokenID
	// OwnsToken says that the token was created for this code: who revokes
	// the code revokes the token.
	OwnsToken bool
	// Expires is required except for short tokens, which without it live as
	// long as their token. Until and including that instant the ticket is
	// valid.
	Expires Micros
}

// Completion ends the pending state of a ticket. The payload replaces the
// ticket's payload.
type Completion struct {
	TicketRef
	Status  TicketStatus
	Payload Sealed
	Token   TokenID // zero: unchanged
}

// TicketChanges are changes to tickets that are made in the same step as the
// call that carries them, all or none, in the order of the fields. The zero
// value changes nothing. A call that is recognised as a repeat makes none.
type TicketChanges struct {
	// By names who consumes, so that the call can be repeated.
	By UseID
	// Consume takes tickets that must be there: a ticket that is unknown,
	// expired, or consumed by another makes the step fail with
	// ErrTicketNotFound, ErrTicketExpired or ErrTicketTaken. Key and payload
	// are erased.
	Consume []TicketRef
	// Complete completes pending tickets. One that is not pending makes the
	// step fail with ErrTicketTaken, unless it was completed with the same
	// status and payload before, even if it was consumed since; one that is
	// unknown or expired makes it fail as above.
	Complete []Completion
	// Drop erases tickets, whether they are there or not. A ticket that is
	// dropped may be put again by the same changes.
	Drop []TicketRef
	// Put adds tickets. A ticket with the same kind and id makes the step
	// fail with ErrExists, unless it was put with the same contents: then
	// nothing changes, whatever has become of it.
	Put []Ticket
}

// IsZero reports whether nothing is changed.
func (c *TicketChanges) IsZero() bool {
	return len(c.Consume)+len(c.Complete)+len(c.Drop)+len(c.Put) == 0
}

// Check reports whether the changes are well formed. It returns an
// *ArgumentError.
func (c *TicketChanges) Check() error {
	if len(c.Consume) > 0 && c.By.IsZero() {
		return argument("tickets consumed by nobody")
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
			return argument("completion of a ticket without outcome")
		}
	}
	for _, t := range c.Put {
		if err := t.TicketRef.check(); err != nil {
			return err
		}
		if t.Status < TicketPending || t.Status > TicketFailed {
			return argument("ticket without status")
		}
		if t.Expires < 0 || t.Expires == 0 && t.Kind != TicketShort {
			return argument("a ticket needs an expiry unless it is a short token")
		}
		if t.Kind == TicketShort && t.Token.IsZero() {
			return argument("short token of no token")
		}
	}
	return nil
}

func (r TicketRef) check() error {
	if r.Kind < TicketState || r.Kind > TicketReply || r.ID.IsZero() {
		return argument("ticket without kind or id")
	}
	return nil
}
