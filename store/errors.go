package store

import (
	"errors"
	"fmt"
	"time"
)

// Errors that callers branch on. After one of them the step has not taken effect; see
// [IsDefinite].
var (
	// ErrNotFound: there is no such token, grant or item.
	ErrNotFound = errors.New("store: not found")
	// ErrForged: the token exists, but nobody issued what was presented. Its [Sum]
	// differs, or its generation never existed. A forgery never counts as reuse.
	ErrForged = errors.New("store: presented token was not issued")
	// ErrRevoked: the token was revoked, or an ancestor was revoked recursively.
	ErrRevoked = errors.New("store: token revoked")
	// ErrRefunded: the use with this id was refunded. Make another use with a new id.
	ErrRefunded = errors.New("store: use was refunded")
	// ErrExists: something else is stored under this id.
	ErrExists = errors.New("store: id is taken")
	// ErrConflict: the call names another generation of the grant or revision of the items
	// than the current one, the ticket is still pending, or the process was settled.
	ErrConflict = errors.New("store: generation or revision is not current, ticket is pending, or process is settled")
	// ErrDead: the provider refused all refresh tokens of the grant, twice; see
	// [Suspicion].
	ErrDead = errors.New("store: refresh token refused by the provider")
	// ErrDepth: the parent already has as many ancestors as the store allows; see
	// [MaxDepth].
	ErrDepth = errors.New("store: too many ancestors")
	// ErrTicketNotFound: there is no such ticket.
	ErrTicketNotFound = errors.New("store: ticket not found")
	// ErrTicketExpired: the ticket has expired.
	ErrTicketExpired = errors.New("store: ticket expired")
	// ErrTicketTaken: somebody else took, consumed or completed the ticket.
	ErrTicketTaken = errors.New("store: ticket already used")
)

// ErrUnavailable: the store could not be reached, or it refused the step before it began,
// so the step has certainly not taken effect. A repeat may succeed later; see
// [IsDefinite] for errors after which it does not help.
var ErrUnavailable = errors.New("store: not available")

// StaleError says that somebody presented an outdated generation after its grace, or
// after its successor had been used.
type StaleError struct {
	Presented, Current uint64 // generations of the token
	// Reuse is false while the grace of the presented generation lasts: its holder lost a
	// race. Reuse is true afterwards: nobody should hold that generation any more, so
	// somebody may have stolen it.
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
	Used      int64 // how often the counter was spent
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
	Until Micros // last instant of that lease
}

func (e *BusyError) Error() string {
	return "store: grant is being refreshed until " + e.Until.Time().Format(time.RFC3339Nano)
}

// SuspectError says that the provider has refused the grant's refresh tokens, and that it
// is too early to ask again; see [Suspicion].
type SuspectError struct {
	Until Micros // last instant of the pause
}

func (e *SuspectError) Error() string {
	return "store: grant was refused by the provider and is not asked for again until " + e.Until.Time().Format(time.RFC3339Nano)
}

// ArgumentError says that an argument breaks the contract. It is a bug in the caller.
type ArgumentError struct {
	Reason string
}

func (e *ArgumentError) Error() string { return "store: " + e.Reason }

func argument(reason string) error { return &ArgumentError{Reason: reason} }

// IsDefinite reports whether err is one of the errors that this package documents. After
// such an error the step has not taken effect, and repeating it does not help unless
// something else changes. After any other error the step may or may not have taken
// effect; the caller may repeat it with the same arguments.
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
		suspect   *SuspectError
		bad       *ArgumentError
	)
	return errors.As(err, &stale) || errors.As(err, &exhausted) || errors.As(err, &busy) || errors.As(err, &suspect) || errors.As(err, &bad)
}
