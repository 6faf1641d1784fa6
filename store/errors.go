package store

import (
	"errors"
	"fmt"
	"time"
)

// Errors that callers branch on. Any other error means that the store could not tell, and
// that the caller may repeat the call.
var (
	// ErrNotFound: there is no such token or grant.
	ErrNotFound = errors.New("store: not found")
	// ErrForged: the token exists, but the presented one was not issued. It has another
	// encoding, or a generation that was never issued. It never counts as reuse.
	ErrForged = errors.New("store: presented token was not issued")
	// ErrRevoked: the token was revoked, or an ancestor was revoked recursively.
	ErrRevoked = errors.New("store: token revoked")
	// ErrRefunded: the use with this id was refunded. Use again with a new id.
	ErrRefunded = errors.New("store: use was refunded")
	// ErrExists: something else is stored under this id.
	ErrExists = errors.New("store: id is taken")
	// ErrConflict: the generation is not the current one.
	ErrConflict = errors.New("store: generation is not current")
	// ErrDead: the provider refused the grant's refresh token for good.
	ErrDead = errors.New("store: refresh token refused by the provider")
	// ErrDepth: the parent has as many ancestors as the store allows.
	ErrDepth = errors.New("store: too many ancestors")
	// ErrTicketNotFound: there is no such ticket.
	ErrTicketNotFound = errors.New("store: ticket not found")
	// ErrTicketExpired: the ticket has expired.
	ErrTicketExpired = errors.New("store: ticket expired")
	// ErrTicketTaken: somebody else took, consumed or completed the ticket.
	ErrTicketTaken = errors.New("store: ticket already used")
)

// StaleError says that somebody presented an outdated generation after its successor was
// used or after its grace.
type StaleError struct {
	Presented, Current uint64
	// Reuse is false while the grace of the presented generation lasts: its holder lost a
	// race. Reuse is true afterwards: somebody presented the token who should not have it
	// any more.
	Reuse bool
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("store: generation %d presented, current is %d", e.Presented, e.Current)
}

// Exhausted is a counter that had nothing left.
type Exhausted struct {
	Candidate int     // index of the presented token's clause
	Token     TokenID // whose counter it is: the presented token or an ancestor
	Clause    int     // index among that token's clauses
	Limit     Limit
	Used      int64
}

// ExhaustedError says that no candidate clause had budget left. Counters holds every
// exhausted counter of each candidate, in the order of the candidates.
type ExhaustedError struct {
	Kind     Kind
	Counters []Exhausted
}

func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("store: no use of the kind %s is left on any usable clause", e.Kind)
}

// BusyError says that another lease on the grant is in force.
type BusyError struct {
	Until Micros
}

func (e *BusyError) Error() string {
	return "store: grant is being refreshed until " + e.Until.Time().Format(time.RFC3339Nano)
}

// ArgumentError says that an argument breaks the contract. It is a bug in the caller.
type ArgumentError struct {
	Reason string
}

func (e *ArgumentError) Error() string { return "store: " + e.Reason }

func argument(reason string) error { return &ArgumentError{Reason: reason} }

// IsDefinite reports whether err is one of the errors that this package documents. Then
// the step did not take effect, and repeating it does not help unless something else
// changes. Any other error settles nothing: the caller may repeat the call with the same
// arguments.
func IsDefinite(err error) bool {
	for _, known := range []error{
		ErrNotFound, ErrForged, ErrRevoked, ErrRefunded, ErrExists, ErrConflict, ErrDead, ErrDepth,
		ErrTicketNotFound, ErrTicketExpired, ErrTicketTaken,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	var (
		stale     *StaleError
		exhausted *ExhaustedError
		busy      *BusyError
		bad       *ArgumentError
	)
	return errors.As(err, &stale) || errors.As(err, &exhausted) || errors.As(err, &busy) || errors.As(err, &bad)
}
