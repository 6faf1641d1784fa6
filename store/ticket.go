package store

import "fmt"

// TicketKind tells what a ticket is for. A store never accepts a code of one kind in
// place of another.
type TicketKind uint8

// The kinds of tickets. Their numbers never change.
const (
	TicketState    TicketKind = 1 // authorization request, identified by its state parameter
	TicketConsent  TicketKind = 2 // login that waits for the user's consent
	TicketPolling  TicketKind = 3 // polling code
	TicketTransfer TicketKind = 4 // transfer code
	TicketShort    TicketKind = 5 // short token; not one-time
	TicketReply    TicketKind = 6 // response to a request, returned again if the request is repeated
	TicketAccess   TicketKind = 7 // access token of the present login, returned again to the same token
	TicketSSHKey   TicketKind = 8 // token behind an SSH key; not one-time
)

// lasting reports whether a ticket of the kind may be used many times, and need not expire
// before its token.
func (k TicketKind) lasting() bool { return k == TicketShort || k == TicketSSHKey }

// TicketStatus is the state of a ticket.
type TicketStatus uint8

// The states of a ticket.
const (
	TicketPending  TicketStatus = 1 // nobody has completed it yet
	TicketReady    TicketStatus = 2 // completed: its payload can be taken
	TicketDeclined TicketStatus = 3 // the user declined
	TicketFailed   TicketStatus = 4 // the login failed; the payload may say how
)

// TicketRef names a ticket. Two tickets of different kinds may have the same ID.
type TicketRef struct {
	Kind TicketKind
	ID   TicketID
}

func (r TicketRef) bytes() []byte { return append([]byte{byte(r.Kind)}, r.ID[:]...) }

// Ticket is a code, a short token or a reply, named by its hash.
type Ticket struct {
	TicketRef
	Status  TicketStatus
	Key     Sealed // key of Payload, opened with the code; empty if the code itself opens Payload
	Payload Sealed // may be empty
	// Token is the token that the ticket belongs to, or zero. Once that token is deleted
	// or not live, no step can read, complete, consume or take the ticket any more.
	Token TokenID
	// OwnsToken says that the token was created for this code. Revoking the code revokes
	// the token.
	OwnsToken bool
	// Expires is the last instant at which the ticket is valid. It is required, except for
	// short tokens and SSH keys: without it these are valid as long as their token.
	Expires Micros
}

// Completion ends the pending state of a ticket. Its payload replaces the ticket's, even
// if it is empty.
type Completion struct {
	TicketRef
	Status  TicketStatus
	Payload Sealed
	Token   TokenID // replaces the ticket's, unless it is zero
}

// TicketChanges are changes to tickets that a step makes along with its own work. The
// step makes all of them or none, in the order of the fields. A step that the store
// recognises as a repeat makes none. The zero value changes nothing.
type TicketChanges struct {
	// By names who consumes tickets. The same consumer may repeat the call. Required if
	// Consume is not empty.
	By UseID
	// Consume takes tickets, pending or not, and erases their keys and payloads. The step
	// returns [ErrTicketNotFound] if a ticket is unknown, [ErrTicketExpired] if it has
	// expired, and [ErrTicketTaken] if somebody else took or consumed it.
	Consume []TicketRef
	// Complete completes pending tickets. The step returns [ErrTicketNotFound] and
	// [ErrTicketExpired] as above, and [ErrTicketTaken] if a ticket is not pending.
	// Completing a ticket again with the same status and payload succeeds, even if
	// somebody has consumed it meanwhile.
	Complete []Completion
	// Drop deletes tickets. An unknown ticket is no error. Put may add a dropped ticket
	// again in the same step.
	Drop []TicketRef
	// Put adds tickets. Putting a ticket again with the same contents changes nothing and
	// is no error, even if somebody has completed or consumed it meanwhile. The step
	// returns [ErrExists] if another ticket with the same kind and id is stored.
	Put []Ticket
}

// IsZero reports whether there are no changes.
func (c *TicketChanges) IsZero() bool {
	return len(c.Consume)+len(c.Complete)+len(c.Drop)+len(c.Put) == 0
}

// Check returns an [*ArgumentError] if the changes are not well formed: for example, if a
// ticket has no id or an unknown status, or lacks an expiry that its kind requires.
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
			return argument(fmt.Sprintf("completion of a ticket with status %d: it must be ready, declined or failed", p.Status))
		}
	}
	for _, t := range c.Put {
		if err := t.TicketRef.check(); err != nil {
			return err
		}
		if t.Status < TicketPending || t.Status > TicketFailed {
			return argument(fmt.Sprintf("ticket with the unknown status %d", t.Status))
		}
		if t.Expires < 0 || t.Expires == 0 && !t.Kind.lasting() {
			return argument("a ticket needs an expiry, unless it is a short token or an SSH key")
		}
		if t.Kind.lasting() && t.Token.IsZero() {
			return argument("a short token or an SSH key needs its token")
		}
	}
	return nil
}

func (r TicketRef) check() error {
	if r.Kind < TicketState || r.Kind > TicketSSHKey || r.ID.IsZero() {
		return argument(fmt.Sprintf("a ticket of kind %d: it needs a known kind and an id", r.Kind))
	}
	return nil
}
