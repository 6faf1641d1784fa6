package store

// Grant is a new grant with generation 1 of its refresh token.
type Grant struct {
	ID      GrantID
	Owner   OwnerID
	Refresh Sealed // the refresh token
	// Scope lists the scopes that the provider granted, as it named them, separated by
	// spaces.
	Scope string
	// Audience lists the audiences that the login asked for, separated by spaces. A store
	// keeps Scope and Audience byte for byte.
	Audience string
	Created  Micros
}

// MaxSpares is the least number of spare refresh tokens that a store keeps for a grant.
// It may drop the oldest beyond that.
const MaxSpares = 8

// Spare is a refresh token that arrived late: another commit or a replacement had already
// given the grant its next generation. The caller tries the spare if the provider refuses
// the current refresh token.
type Spare struct {
	Generation uint64 // of the place where Token is sealed; see RefreshTokenPlace
	Token      Sealed
}

// RefreshState is the current refresh token of a grant and its spares.
type RefreshState struct {
	Generation uint64
	Token      Sealed
	Spares     []Spare // newest first
	Scope      string
	Audience   string
}

// Refresh is a lease on a grant, with what its holder needs to refresh it. Nobody else
// refreshes the grant while the lease is in force.
type Refresh struct {
	RefreshState
	// Until is the last instant of the lease. The caller must have the provider's answer
	// by then.
	Until Micros
	// InDoubt says that an earlier lease lapsed without EndRefresh. Its holder may have
	// got a new refresh token that has not arrived here. Doubt is when that lease lapsed;
	// of several such leases, it is the latest instant.
	InDoubt bool
	Doubt   Micros
}

// Commit says which new refresh token the provider returned, for CommitRefresh.
type Commit struct {
	Grant GrantID
	Lease LeaseID
	// Generation is the one that BeginRefresh returned. Token is sealed at
	// [RefreshTokenPlace](Grant, Generation+1).
	Generation uint64
	Token      Sealed
	Now        Micros
}

// Outcome is how a refresh ended.
type Outcome uint8

// The outcomes of a refresh.
const (
	// RefreshDone: the provider answered with tokens. If a new refresh token was among
	// them, it is committed. The store drops the spares that the lease was shown.
	RefreshDone Outcome = 1
	// RefreshNotSent: no request reached the provider. The lease ends and nothing else
	// changes: a doubt stays.
	RefreshNotSent Outcome = 2
	// RefreshUnknown: the caller sent a request. Either it got no usable answer, or the
	// answer was a refusal that says nothing about the refresh token. The lease ends and
	// nothing else changes: a doubt stays.
	RefreshUnknown Outcome = 3
	// RefreshRefused: the provider refused the refresh token and every spare that the
	// lease was shown (invalid_grant). The store drops those spares, and the grant is
	// dead until a new refresh token arrives. But the grant stays alive if it has moved
	// to another generation meanwhile, or has got another spare.
	RefreshRefused Outcome = 4
)

// Replacement says which refresh token of a new login replaces that of a grant, for
// ReplaceGrant.
type Replacement struct {
	Grant GrantID
	Owner OwnerID // must be the owner of the grant
	// Lease names this replacement, so that the caller can repeat it.
	Lease LeaseID
	// Generation is the grant's current one. Token is sealed at
	// [RefreshTokenPlace](Grant, Generation+1).
	Generation uint64
	Token      Sealed
	Scope      string // replaces the grant's, as Audience does
	Audience   string
	Tickets    TicketChanges
	Now        Micros
}

// Check returns an [*ArgumentError] if the grant is not complete.
func (g *Grant) Check() error {
	switch {
	case g.ID.IsZero():
		return argument("a grant needs an id")
	case g.Owner.IsZero():
		return argument("a grant needs an owner")
	case len(g.Refresh) == 0:
		return argument("a grant needs a refresh token")
	}
	return nil
}

// Check returns an [*ArgumentError] if the commit is not complete.
func (c *Commit) Check() error {
	if c.Grant.IsZero() || c.Lease.IsZero() || c.Generation == 0 || len(c.Token) == 0 {
		return argument("a commit needs a grant, a lease, a generation and a token")
	}
	return nil
}

// Check returns an [*ArgumentError] if the replacement is not complete.
func (r *Replacement) Check() error {
	if r.Grant.IsZero() || r.Owner.IsZero() || r.Lease.IsZero() || r.Generation == 0 || len(r.Token) == 0 {
		return argument("a replacement needs a grant, an owner, a lease, a generation and a token")
	}
	return r.Tickets.Check()
}
