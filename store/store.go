package store

import (
	"context"
	"time"
)

// Store keeps the state of an issuer. See the package comment for what holds
// for every method.
type Store interface {
	Tokens
	Grants
	Tickets
	Records
}

// Tokens are the steps that concern tokens. Where a token is [Presented], the
// following holds for each of them:
//
//   - ErrNotFound if there is no such token; ErrRevoked if it is not live.
//   - If its generation is the current one and its sum is not, or if its
//     generation was never issued: ErrForged.
//   - If its generation is outdated: a step succeeds while the grace of the
//     rotation lasts, the sum is that of the outdated token, and no step yet
//     saw its successor; afterwards it fails with a *StaleError. Within the
//     grace StaleError.Reuse is false. If the sum is not that of the outdated
//     token, within the grace: ErrForged. The grace lasts until and including
//     its last instant.
//   - The first step that succeeds with the current generation of a rotated
//     token confirms it: the outdated one is not answered any more.
//
// ErrRevoked takes precedence over StaleError. All of these take precedence
// over what else is in the way of a step (an id, a budget, a ticket), except
// that arguments which make no sense may be reported first.
type Tokens interface {
	// CreateRoot stores a grant and its first token, at the instant
	// token.Created. It fails with ErrExists if the ids are taken by something
	// else, and as TicketChanges says. The same again, told by the ids, the
	// owner and the sum: success, no change. It fails with *ArgumentError if
	// grant or owner are not the same in both.
	CreateRoot(ctx context.Context, grant Grant, token Token, tickets TicketChanges) error

	// CreateChild charges the parent with the use and stores the child below
	// it, or neither. It fails as Spend does, with ErrExists if the child's id
	// is taken by something else, with ErrDepth, and with *ArgumentError if
	// the child's clauses draw on clauses that the parent does not have or if
	// grant or owner are not the parent's. A child that is created while its
	// parent or an ancestor is being revoked is either refused, or created and
	// not live as the tombstone demands. Repeated with the same id of the use
	// it behaves as Spend does, and for another child it fails with ErrExists.
	CreateChild(ctx context.Context, parent Presented, use Use, child Token) (Spent, error)

	// Lookup tells the state of a token. It spends nothing and writes nothing
	// but the confirmation of a rotation.
	Lookup(ctx context.Context, token Presented, now Micros) (State, error)

	// Spend charges a use: it takes the first candidate clause all of whose
	// counters have budget left, spends each of them, appends the event, makes
	// the ticket changes, and tells which clause it was. If there is none it
	// fails with an *ExhaustedError and changes nothing. Repeated with the
	// same id it returns the same clause and changes nothing; after Refund it
	// fails with ErrRefunded. An id that was used for another token fails with
	// ErrExists.
	Spend(ctx context.Context, token Presented, use Use) (Spent, error)

	// Refund gives back what the use charged, once, and withdraws its event.
	// The child and the tickets that the use made stay. A use that is not
	// known, or was refunded before, changes nothing; an unknown one stays
	// refused from then on, so that a Spend whose answer was lost, or that is
	// still on its way, can be called off.
	Refund(ctx context.Context, use UseID, now Micros) error

	// Rotate replaces the presented generation by the next. If that already
	// happened and the grace lasts, nothing changes and the stored successor
	// is returned, whether it was confirmed or not: every repeat and every
	// parallel holder of the same token gets the same successor. The caller's
	// own rotation again, told by To.Sum, is a success without change as long
	// as To is the current generation, whatever the grace. Otherwise an
	// outdated generation fails with a *StaleError.
	Rotate(ctx context.Context, rotation Rotation) (Rotated, error)

	// Revoke puts a tombstone on a token. When it has returned, the token, and
	// with Recursive each of its descendants, created before or after, is not
	// live on any node. Without Recursive the children live on, still below
	// the token's ancestors. A tombstone can be raised to recursive and is
	// never lowered; revoking again is a success, appends no event, and
	// reports afresh. The token's short tokens and codes are erased. It fails
	// with ErrNotFound. By is not checked for liveness here.
	Revoke(ctx context.Context, revocation Revocation) (Revoked, error)
}

// Grants are the steps that concern refresh tokens. Each fails with
// ErrNotFound if there is no such grant.
type Grants interface {
	// BeginRefresh takes the lease on a grant for ttl. It fails with a
	// *BusyError while another lease is in force, and with ErrDead. The holder
	// may call it again with its id: that prolongs the lease to now+ttl and
	// tells the present state, in which the doubt may have been resolved.
	// A lease is in force until and including Until.
	BeginRefresh(ctx context.Context, grant GrantID, lease LeaseID, now Micros, ttl time.Duration) (Refresh, error)

	// CommitRefresh stores a new refresh token. It succeeds whether or not the
	// lease is still in force and whether or not tokens were revoked: the
	// provider has forgotten the old one. If the generation is the current
	// one, the token becomes the current one of the next generation, and a
	// doubt that this lease left is resolved. If another lease has moved the
	// grant on, the token is kept as a spare and revives a dead grant; it
	// never overwrites. The same lease and token again: success, no change.
	// A generation that the grant has not reached fails with ErrConflict.
	CommitRefresh(ctx context.Context, commit Commit) error

	// EndRefresh ends the lease with an outcome. RefreshDone and RefreshRefused
	// also end the doubt that it found; after the other outcomes the next
	// holder still finds it. generation is the one that BeginRefresh last
	// returned. A lease that another one has followed is ended without any
	// effect; one that merely lapsed is ended as if it were in force.
	EndRefresh(ctx context.Context, grant GrantID, lease LeaseID, generation uint64, outcome Outcome, now Micros) error

	// Grant tells the refresh token without taking the lease, dead or not.
	Grant(ctx context.Context, grant GrantID) (RefreshState, error)

	// ReplaceGrant puts the refresh token of a new login of the same owner in
	// place, as the next generation; spares are dropped, a dead grant is alive
	// again, and there is no doubt left. It fails with ErrConflict if the
	// generation is not the current one, with *ArgumentError if the owner is
	// another, and as TicketChanges says. The same lease and token again:
	// success, no change.
	ReplaceGrant(ctx context.Context, replacement Replacement) error
}

// Tickets are the steps that concern codes and short tokens.
type Tickets interface {
	// ChangeTickets makes the changes, all or none.
	ChangeTickets(ctx context.Context, changes TicketChanges, now Micros) error

	// ResolveTicket returns the first of the named tickets that is known,
	// whatever its status. It fails with ErrTicketNotFound, ErrTicketExpired
	// or ErrTicketTaken. It changes nothing. Several ids stand for one code
	// under several look-up keys.
	ResolveTicket(ctx context.Context, kind TicketKind, ids []TicketID, now Micros) (Ticket, error)

	// TakeTicket redeems a ticket that is not pending: exactly one taker
	// succeeds. Key and payload are erased, so read them before with
	// ResolveTicket; they do not change once the ticket is not pending. The
	// event, if it has a name, is appended to the history of the ticket's
	// token. The same taker again: success. Otherwise ErrTicketTaken,
	// ErrTicketNotFound, ErrTicketExpired; for a pending ticket ErrConflict,
	// for a short token *ArgumentError.
	TakeTicket(ctx context.Context, ref TicketRef, taker UseID, event Event, now Micros) error
}

// Records are lists, histories and housekeeping.
type Records interface {
	// Token tells of one token, live or not. It fails with ErrNotFound.
	Token(ctx context.Context, id TokenID) (TokenInfo, error)

	// List tells of the owner's tokens, in order of creation. The cursor of
	// the next page is empty at the end.
	List(ctx context.Context, owner OwnerID, page Page) ([]TokenInfo, string, error)

	// Subtree tells of a token and its descendants, in order of creation,
	// parents before children. An unknown token has an empty subtree.
	Subtree(ctx context.Context, root TokenID, page Page) ([]TokenInfo, string, error)

	// Events returns the history of the tokens, newest first; events of one
	// instant in the reverse order of their recording.
	Events(ctx context.Context, tokens []TokenID, page Page) ([]EventRecord, string, error)

	// Sweep deletes, in bounded batches, what is not needed any more, and
	// never what a live token needs: counters and tombstones stay as long as a
	// descendant that is not itself deletable refers to them. Keys and
	// payloads of expired tickets are erased at once; that they expired is
	// remembered for a day.
	Sweep(ctx context.Context, cleaning Cleaning) (Cleaned, error)

	// Sealed walks over everything sealed, in bounded pages.
	Sealed(ctx context.Context, page Page) ([]SealedItem, string, error)

	// Reseal replaces sealed values that have not changed since and reports
	// how many it replaced. Values that changed or are gone are skipped. It
	// fails with *ArgumentError if Old or New is empty.
	Reseal(ctx context.Context, items []Reseal) (int, error)

	// DeleteOwner deletes everything about a user: tokens, grants, tickets of
	// these tokens, histories. When it has returned nil none of the tokens is
	// usable and nothing of them is left. Repeating it is a success.
	DeleteOwner(ctx context.Context, owner OwnerID) error
}
