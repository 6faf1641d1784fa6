package store

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/terms"
)

// Presented is a token as its holder presents it. The caller verifies the signature and
// the times first.
type Presented struct {
	ID  TokenID
	Seq uint64 // generation, 1 for a new token
	Sum Sum    // of the compact token
}

// Limit is how often a counter may be spent. It is an int64. The zero Limit admits no
// use.
type Limit = terms.Limit

// Unlimited is the limit (-1) of a counter that counts uses without bounding them.
const Unlimited = terms.Unlimited

// NoClause stands for "no clause" where an index is expected: in Clause.Draws if a clause
// draws on none, and in Spent.Clause if a use charged none.
const NoClause = -1

// Clause is what the store knows about one clause of a token: its two limits, and the
// clause of the parent whose budget it shares.
//
// When the token is created, the store follows Draws upwards and records the chain of
// each clause. The chain holds the clause's own counters and the limited counters of
// every ancestor clause on the way. It never changes. A use spends the counters of its
// kind (AT or other) of the whole chain.
type Clause struct {
	AT, Other Limit // for uses of the kinds UseAT and UseOther
	// Draws is the index of the parent's clause that this clause draws on. It is
	// [NoClause] for a root, for a child of a token without clauses, and if the budgets
	// are independent.
	Draws int
}

// Token is a new mytoken in its first generation (seq_no 1).
type Token struct {
	ID      TokenID
	Grant   GrantID
	Owner   OwnerID
	Sum     Sum
	Key     Sealed // the grant's key, wrapped for this token
	About   Sealed // description for lists; may be empty
	Created Micros
	Expires Micros   // of the current generation; 0 = never
	Clauses []Clause // nil for an unrestricted token
	Events  []Event  // the first entries of its history, in order
}

// Kind tells which counters a use spends. The method String returns "AT", "other",
// "uncounted" or "invalid". The zero Kind is not valid.
type Kind = terms.Kind

// The kinds of uses (protocol section 2.5).
const (
	UseAT        = terms.AT        // obtaining an access token
	UseOther     = terms.Other     // every other counted operation
	UseUncounted = terms.Uncounted // spends nothing, but needs a live token
)

// Event is one entry of a token's history (protocol section 7). The store keeps its texts
// unsealed.
type Event struct {
	Name      string // empty: no event
	Comment   string
	Address   string // IP address of the client
	UserAgent string
	Time      Micros
}

// Use says what one use of a presented token charges and changes.
type Use struct {
	ID   UseID
	Kind Kind
	// Candidates are the indices of the clauses that admit the use, in ascending order.
	// The store charges the first one with budget left. Candidates must be empty if the
	// token has no clauses or the use is uncounted. Otherwise it must not be empty.
	Candidates []int
	Event      Event         // appended to the token's history in the same step
	Tickets    TicketChanges // made in the same step
	// Lease asks for the lease on the token's grant in the same step; see Spend. Zero: none.
	Lease LeaseRequest
	// Fetch names a ticket that Spend returns. Zero: none.
	Fetch TicketRef
	// FetchedComment replaces the comment of the event if Spend returns that ticket.
	// Empty: it does not. It needs Fetch.
	FetchedComment string
	// State says that Spend returns the state of the token after the use; see Spend.
	State bool
	Now   Micros
}

// Spent says what a use charged, and on which grant.
type Spent struct {
	Grant  GrantID
	Owner  OwnerID
	Key    Sealed // the grant's key, wrapped for the presented generation
	Clause int    // index of the charged clause, or NoClause
	// Outdated says that the presented generation was already replaced, but its grace
	// lasts. Rotate will return the stored successor.
	Outdated bool
	// Repeated says that an earlier call with the same id charged this use. This call
	// charged nothing.
	Repeated bool
	// Refresh is the lease that Use.Lease asked for. Nil: the step did not take it, and
	// BeginRefresh says why.
	Refresh *Refresh
	// Ticket is the one that Use.Fetch names, as it is after the use. Nil: ResolveTicket
	// would return an error.
	Ticket *Ticket
	// State is set if Use.State is.
	State *State
}

// Counter is the state of one clause, with a pair of fields for the kinds of uses AT and
// Other:
//
//   - AT and Other, of type Limit, are the limits as created.
//   - ATUsed and OtherUsed, of type int64, count the uses charged to the clause: those of
//     its own token and, if the counter is limited, those of descendants that draw on it.
//   - ATLeft and OtherLeft, of type Limit, are how many uses are left: the least over the
//     clause and the ancestors' clauses that it draws on. They are Unlimited if none of
//     these has a limit.
type Counter = terms.Counter

// TokenInfo is what lists and look-ups say about a token.
type TokenInfo struct {
	ID        TokenID
	Grant     GrantID
	Owner     OwnerID
	Ancestors []TokenID // parent first, root last; empty for a root
	Seq       uint64
	About     Sealed
	Created   Micros
	Expires   Micros
	LastUsed  Micros    // instant of the last charged use, or up to one minute before it; 0 = none
	Counters  []Counter // one per clause
	// Revoked is when the token itself was revoked, or 0.
	Revoked Micros
	// Live says that the token has no tombstone and no ancestor has a recursive one. Live
	// does not consider expiry.
	Live bool
}

// State is what Lookup returns about a presented token.
type State struct {
	TokenInfo
	Key      Sealed // wrapped for the presented generation
	Outdated bool   // see Spent.Outdated
	Dead     bool   // the provider refused the grant's refresh token for good
}

// Rotation says which generation of a token replaces which, for Rotate.
type Rotation struct {
	From Presented
	To   Presented // To.Seq = From.Seq + 1
	Key  Sealed    // the grant's key, wrapped for To
	// Successor is the complete response, sealed so that only the holder of From can open
	// it. The store returns it again while the grace lasts.
	Successor Sealed
	Expires   Micros // of To; 0 = never
	Event     Event
	Tickets   TicketChanges
	Now       Micros
	// Grace is how long steps still accept From: until and including Now+Grace. Zero
	// means not at all.
	Grace time.Duration
}

// Rotated is the outcome of a rotation.
type Rotated struct {
	// Successor is the stored response: the caller's own, or that of the rotation that
	// came first.
	Successor Sealed
	// Fresh says that the caller's own rotation is the stored one.
	Fresh bool
}

// Revocation says which token to revoke, for Revoke.
type Revocation struct {
	Token     TokenID
	Recursive bool // also end all descendants
	// By is the token that authorises the revocation. It is zero if the embedding service
	// authorises it.
	By Presented
	// Settled says that the caller needs Revoked.Key no more: it has revoked the refresh
	// token at the provider, or never will. Then Revoke keeps no key.
	Settled bool
	Event   Event // on the revoked token
	Now     Micros
}

// Revoked is the outcome of a revocation.
type Revoked struct {
	Grant GrantID
	// LiveLeft says that a live, unexpired token of the grant may be left. If several
	// revocations together leave none, at least one of them reports false. LiveLeft may
	// also be true if the grant has more than a hundred tokens, because a store need not
	// look at all of them.
	LiveLeft bool
	// Refresh holds the sealed refresh token and its spares. If LiveLeft is false, the
	// caller revokes them at the provider.
	Refresh RefreshState
	// Key is the grant's key wrapped for By. It is empty if By is zero, outdated, forged
	// or of another grant, or if its key is erased. Then the caller cannot open the
	// refresh token.
	Key Sealed
}

// Check returns an [*ArgumentError] if the token is not complete, or cannot be stored
// below a parent with that number of clauses. parentClauses is 0 for a root. Stores call
// Check first.
func (t *Token) Check(parentClauses int) error {
	switch {
	case t.ID.IsZero():
		return argument("a token needs an id")
	case t.Grant.IsZero():
		return argument("a token needs a grant")
	case t.Owner.IsZero():
		return argument("a token needs an owner")
	case t.Sum.IsZero():
		return argument("a token needs a sum")
	case len(t.Key) == 0:
		return argument("a token needs a wrapped key")
	}
	for i, c := range t.Clauses {
		if c.AT < Unlimited || c.Other < Unlimited {
			return argument(fmt.Sprintf("clause %d: limit %d or %d is negative and not Unlimited", i, c.AT, c.Other))
		}
		if c.Draws < NoClause || c.Draws >= max(parentClauses, 0) {
			return argument(fmt.Sprintf("clause %d draws on clause %d, but the parent has %d clauses", i, c.Draws, parentClauses))
		}
	}
	return nil
}

// Check returns an [*ArgumentError] if the use is not well formed for a token with that
// number of clauses. Stores call Check before they charge.
func (u *Use) Check(clauses int) error {
	if u.ID.IsZero() {
		return argument("a use needs an id")
	}
	switch u.Kind {
	case UseAT, UseOther:
		if (len(u.Candidates) == 0) != (clauses == 0) {
			return argument(fmt.Sprintf("a use with %d candidates of %d clauses: it needs candidates exactly if the token has clauses", len(u.Candidates), clauses))
		}
	case UseUncounted:
		if len(u.Candidates) != 0 {
			return argument("an uncounted use cannot have candidates")
		}
	default:
		return argument(fmt.Sprintf("unknown kind of use %d", u.Kind))
	}
	last := -1
	for _, c := range u.Candidates {
		if c <= last || c >= clauses {
			return argument(fmt.Sprintf("candidate %d of %d clauses: candidates must exist and ascend", c, clauses))
		}
		last = c
	}
	if u.Fetch != (TicketRef{}) {
		if err := u.Fetch.check(); err != nil {
			return err
		}
	}
	if u.FetchedComment != "" && u.Fetch == (TicketRef{}) {
		return argument("a use with a comment for a fetched ticket names no ticket")
	}
	if u.Lease != (LeaseRequest{}) && (u.Lease.ID.IsZero() || u.Lease.TTL <= 0) {
		return argument("a use that asks for a lease needs its id and a positive duration")
	}
	return u.Tickets.Check()
}

// EventWith returns the event of a use that returns the given ticket, or none.
func (u *Use) EventWith(fetched *Ticket) Event {
	event := u.Event
	if fetched != nil && u.FetchedComment != "" {
		event.Comment = u.FetchedComment
	}
	return event
}

// Check returns an [*ArgumentError] if the revocation is not well formed.
func (r *Revocation) Check() error {
	if r.Token.IsZero() || r.Now <= 0 {
		return argument("a revocation needs a token and an instant")
	}
	return nil
}

// Check returns an [*ArgumentError] if the rotation is not well formed.
func (r *Rotation) Check() error {
	switch {
	case r.From.ID.IsZero() || r.From.Seq == 0 || r.From.Sum.IsZero():
		return argument("a rotation needs the presented token")
	case r.To.ID != r.From.ID || r.To.Seq != r.From.Seq+1:
		return argument("a rotation must lead to the next generation of the same token")
	case r.To.Sum.IsZero() || r.To.Sum == r.From.Sum:
		return argument("a rotation needs another sum than that of the presented token")
	case len(r.Key) == 0 || len(r.Successor) == 0:
		return argument("a rotation needs a key and a successor")
	case r.Grace < 0:
		return argument(fmt.Sprintf("the grace of a rotation is negative: %v", r.Grace))
	}
	return r.Tickets.Check()
}
