package store

// Grant is a grant that is created: generation 1 of its refresh token.
type Grant struct {
	ID      GrantID
	Owner   OwnerID
	Refresh Sealed // the refresh token
	// Scope is what the provider granted, space separated, as it said it.
	Scope string
	// Audience is what the login asked for, space separated. A store keeps it,
	// like Scope, byte by byte.
	Audience string
	Created  Micros
}

// MaxSpares is how many spare refresh tokens of a grant are kept at least;
// beyond that the oldest may be dropped.
const MaxSpares = 8

// Spare is a refresh token that was committed after another lease had moved
// the grant on. It is tried when the current one is refused.
type Spare struct {
	Generation uint64 // of its place
	Token      Sealed
}

// RefreshState is the refresh token of a grant.
type RefreshState struct {
	Generation uint64
	Token      Sealed
	Spares     []Spare // newest first
	Scope      string
	Audience   string
}

// Refresh is a lease: its holder, and nobody else, refreshes the grant.
type Refresh struct {
	RefreshState
	// Until is when the lease lapses. The provider must have answered before.
	Until Micros
	// InDoubt says that an earlier lease lapsed without EndRefresh and that
	// its new refresh token, if it got one, has not arrived. Doubt is when
	// that lease lapsed; of several, the last one.
	InDoubt bool
	Doubt   Micros
}

// Commit stores the refresh token that a provider answered with.
type Commit struct {
	Grant GrantID
	Lease LeaseID
	// Generation is the one that BeginRefresh returned. Token is sealed at
	// RefreshTokenPlace(Grant, Generation+1).
	Generation uint64
	Token      Sealed
	Now        Micros
}

// Outcome is how a refresh ended.
type Outcome uint8

// The outcomes of a refresh.
const (
	// RefreshDone: the provider answered with tokens, and a new refresh token,
	// if there was one, is committed. Spares that the lease was shown are
	// dropped.
	RefreshDone Outcome = 1
	// RefreshNotSent: the provider was not reached. Nothing changes, a doubt
	// included.
	RefreshNotSent Outcome = 2
	// RefreshUnknown: a request was sent and no answer understood, or a
	// refusal that says nothing about the refresh token. Nothing changes, a
	// doubt included.
	RefreshUnknown Outcome = 3
	// RefreshRefused: the provider refused the refresh token and every spare
	// that the lease was shown (invalid_grant). Those spares are dropped. The
	// grant is dead until a refresh token arrives, and not at all if it left
	// the generation that the lease was shown, or got another spare, meanwhile.
	RefreshRefused Outcome = 4
)

// Replacement puts the refresh token of a new login into an existing grant.
type Replacement struct {
	Grant GrantID
	Owner OwnerID // must be the grant's
	// Lease names this replacement, so that it can be repeated.
	Lease LeaseID
	// Generation is the current one. Token is sealed at
	// RefreshTokenPlace(Grant, Generation+1).
	Generation uint64
	Token      Sealed
	Scope      string // takes the place of the grant's, as Audience does
	Audience   string
	Tickets    TicketChanges
	Now        Micros
}

// Check reports whether the grant is complete. It returns an *ArgumentError.
func (g *Grant) Check() error {
	switch {
	case g.ID.IsZero():
		return argument("grant without id")
	case g.Owner.IsZero():
		return argument("grant without owner")
	case len(g.Refresh) == 0:
		return argument("grant without refresh token")
	}
	return nil
}

// Check reports whether the commit is complete. It returns an *ArgumentError.
func (c *Commit) Check() error {
	if c.Grant.IsZero() || c.Lease.IsZero() || c.Generation == 0 || len(c.Token) == 0 {
		return argument("incomplete commit of a refresh token")
	}
	return nil
}

// Check reports whether the replacement is complete. It returns an
// *ArgumentError.
func (r *Replacement) Check() error {
	if r.Grant.IsZero() || r.Owner.IsZero() || r.Lease.IsZero() || r.Generation == 0 || len(r.Token) == 0 {
		return argument("incomplete replacement of a refresh token")
	}
	return r.Tickets.Check()
}
