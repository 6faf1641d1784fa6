package store

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/terms"
)

// Presented is a token as its holder presented it. Above the store its
// signature and times were already verified.
type Presented struct {
	ID  TokenID
	Seq uint64 // generation, 1 for a new token
	Sum Sum    // of the compact token
}

// Limit is how often a counter may be spent. The zero Limit admits no use.
type Limit = terms.Limit

// Unlimited is the limit of a counter that only counts.
const Unlimited = terms.Unlimited

// NoClause is the index that stands for "no clause": of a clause that draws on
// none, and of a use of a token that has no clauses.
const NoClause = -1

// Clause is what the store knows of one clause of a token: its two limits,
// and the clause of the parent that it draws on.
//
// The store follows Draws upwards when the token is created and records, for
// each clause, its chain: its own counters and the limited counters of every
// ancestor clause on the way. The chain never changes. A use spends the
// counters of its kind (AT or other) of the whole chain.
type Clause struct {
	AT, Other Limit
	// Draws is the index of the parent's clause, or NoClause: for a root, for
	// a child of a token without clauses, and with independent budgets.
	Draws int
}

// Token is a mytoken that is created, as its first generation (seq_no 1).
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
	Events  []Event  // first entries of its history
}

// Kind tells which counters a use spends.
type Kind = terms.Kind

// The kinds of uses (protocol section 2.5).
const (
	UseAT        = terms.AT        // obtaining an access token
	UseOther     = terms.Other     // every other counted operation
	UseUncounted = terms.Uncounted // spends nothing, but needs a live token
)

// Event is one entry of a token's history (protocol section 7). The texts are
// stored as they are.
type Event struct {
	Name      string // empty: no event
	Comment   string
	Address   string // IP address of the client
	UserAgent string
	Time      Micros
}

// Use is one use of a presented token.
type Use struct {
	ID   UseID
	Kind Kind
	// Candidates are the indices of the clauses that admit the use, in
	// ascending order. The first one with budget left is charged. Empty
	// exactly if the token has no clauses or the use is not counted.
	Candidates []int
	Event      Event         // appended to the token's history in the same step
	Tickets    TicketChanges // made in the same step
	Now        Micros
}

// Spent tells what a use charged.
type Spent struct {
	Grant  GrantID
	Owner  OwnerID
	Key    Sealed // the grant's key, wrapped for the presented generation
	Clause int    // index of the charged clause, or NoClause
	// Outdated says that the presented generation was already rotated and is
	// answered within its grace: Rotate will return the stored successor.
	Outdated bool
	// Repeated says that this use had been charged before and nothing was
	// charged now.
	Repeated bool
}

// Counter is the state of one clause.
type Counter = terms.Counter

// TokenInfo is what lists and look-ups tell of a token.
type TokenInfo struct {
	ID        TokenID
	Grant     GrantID
	Owner     OwnerID
	Ancestors []TokenID // parent first, root last; empty for a root
	Seq       uint64
	About     Sealed
	Created   Micros
	Expires   Micros
	LastUsed  Micros    // instant of the newest charged use; 0 = none. May lag behind by one minute.
	Counters  []Counter // one per clause
	// Revoked is the instant of the token's own tombstone, 0 if it has none.
	Revoked Micros
	// Live says that neither the token nor an ancestor's recursive tombstone
	// ends it. Expiry is not considered.
	Live bool
}

// State is what Lookup knows of a presented token.
type State struct {
	TokenInfo
	Key      Sealed // wrapped for the presented generation
	Outdated bool   // see Spent.Outdated
	Dead     bool   // the provider refused the grant's refresh token for good
}

// Rotation replaces one generation of a token by the next.
type Rotation struct {
	From Presented
	To   Presented // To.Seq = From.Seq + 1
	Key  Sealed    // the grant's key, wrapped for To
	// Successor is the complete response, sealed so that only the holder of
	// From opens it. It is handed out again while the grace lasts.
	Successor Sealed
	Expires   Micros // of To; 0 = never
	Event     Event
	Tickets   TicketChanges
	Now       Micros
	// Grace is how long From is still answered, with the stored successor:
	// until and including Now+Grace. Zero: not at all.
	Grace time.Duration
}

// Rotated is the outcome of a rotation.
type Rotated struct {
	// Successor is the stored response: the caller's own, or that of the
	// rotation that came first.
	Successor Sealed
	// Fresh says that the caller's rotation is the one that is stored.
	Fresh bool
}

// Revocation puts a tombstone on a token.
type Revocation struct {
	Token     TokenID
	Recursive bool
	// By is the token that authorises the revocation; zero if the embedding
	// service does.
	By    Presented
	Event Event // on the revoked token
	Now   Micros
}

// Revoked is the outcome of a revocation.
type Revoked struct {
	Grant GrantID
	// LiveLeft says that a live, unexpired token of the grant may be left. Of
	// revocations that together leave none, at least one reports false. True
	// is also returned where finding out would mean to look at more than a
	// hundred tokens.
	LiveLeft bool
	// Refresh holds the sealed refresh token and its spares, for revocation
	// at the provider.
	Refresh RefreshState
	// Key is the grant's key wrapped for By; empty if By is zero, outdated,
	// forged or of another grant: the refresh token cannot be opened then.
	Key Sealed
}

// Check reports whether the token may be stored below a parent with the given
// number of clauses; parentClauses is 0 for a root. It returns an
// *ArgumentError. Drivers call it first.
func (t *Token) Check(parentClauses int) error {
	switch {
	case t.ID.IsZero():
		return argument("token without id")
	case t.Grant.IsZero():
		return argument("token without grant")
	case t.Owner.IsZero():
		return argument("token without owner")
	case t.Sum.IsZero():
		return argument("token without sum")
	case len(t.Key) == 0:
		return argument("token without wrapped key")
	}
	for i, c := range t.Clauses {
		if c.AT < Unlimited || c.Other < Unlimited {
			return argument(fmt.Sprintf("clause %d: negative limit", i))
		}
		if c.Draws < NoClause || c.Draws >= max(parentClauses, 0) {
			return argument(fmt.Sprintf("clause %d: draws on clause %d of %d", i, c.Draws, parentClauses))
		}
	}
	return nil
}

// Check reports whether the use is well formed for a token with the given
// number of clauses. It returns an *ArgumentError. Drivers call it before
// they charge.
func (u *Use) Check(clauses int) error {
	if u.ID.IsZero() {
		return argument("use without id")
	}
	switch u.Kind {
	case UseAT, UseOther:
		if (len(u.Candidates) == 0) != (clauses == 0) {
			return argument(fmt.Sprintf("%d candidates for %d clauses", len(u.Candidates), clauses))
		}
	case UseUncounted:
		if len(u.Candidates) != 0 {
			return argument("candidates for an uncounted use")
		}
	default:
		return argument("unknown kind of use")
	}
	last := -1
	for _, c := range u.Candidates {
		if c <= last || c >= clauses {
			return argument(fmt.Sprintf("candidate %d of %d clauses", c, clauses))
		}
		last = c
	}
	return u.Tickets.Check()
}

// Check reports whether the revocation is well formed. It returns an
// *ArgumentError.
func (r *Revocation) Check() error {
	if r.Token.IsZero() || r.Now <= 0 {
		return argument("revocation without token or instant")
	}
	return nil
}

// Check reports whether the rotation is well formed. It returns an
// *ArgumentError.
func (r *Rotation) Check() error {
	switch {
	case r.From.ID.IsZero() || r.From.Seq == 0 || r.From.Sum.IsZero():
		return argument("rotation of no token")
	case r.To.ID != r.From.ID || r.To.Seq != r.From.Seq+1:
		return argument("rotation to another token or generation")
	case r.To.Sum.IsZero() || r.To.Sum == r.From.Sum:
		return argument("rotation to the same token")
	case len(r.Key) == 0 || len(r.Successor) == 0:
		return argument("rotation without key or successor")
	case r.Grace < 0:
		return argument("negative grace")
	}
	return r.Tickets.Check()
}
