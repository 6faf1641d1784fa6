package store

// Grant is a new grant with generation 1 of its refresh token.
type Grant struct {
	ID      GrantID
	Owner   OwnerID
	Refresh Sealed // the refresh token
	// Scope is what the provider granted, in its own words, separated by spaces.
	Scope string
	// Audience is what the login asked for, separated by spaces. A store keeps Scope and
	// Audience byte for byte.
	Audience string
	Created  Micros
}

// MaxSpares is how many spare refresh tokens of a grant a store keeps at least. It may
// drop the oldest beyond that.
const MaxSpares = 8

// Spare is a refresh token that was committed after another lease had moved the grant on.
// The caller tries it when the provider refuses the current one.
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

// Refresh is a lease. Only its holder refreshes the grant.
type Refresh struct {
	RefreshState
	// Until is when the lease lapses. The provider must answer before that.
	Until Micros
	// InDoubt says that an earlier lease lapsed without EndRefresh, and that its new
	// refresh token, if it got one, has not arrived. Doubt is when that lease lapsed. If
	// there are several, it is the last one.
	InDoubt bool
	Doubt   Micros
}

// Commit stores the refresh token that a provider answered with.
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
	// RefreshNotSent: no request reached the provider. Nothing changes, and a doubt
	// stays.
	RefreshNotSent Outcome = 2
	// RefreshUnknown: a request was sent. Either no answer was understood, or the answer
	// was a refusal that says nothing about the refresh token. Nothing changes, and a
	// doubt stays.
	RefreshUnknown Outcome = 3
	// RefreshRefused: the provider refused the refresh token and every spare that the
	// lease was shown (invalid_grant). The store drops those spares. The grant is dead
	// until a refresh token arrives. It does not die if it has left the generation that
	// the lease was shown, or has got another spare meanwhile.
	RefreshRefused Outcome = 4
)

// Replacement puts the refresh token of a new login into an existing grant.
type Replacement struct {
	Grant GrantID
	Owner OwnerID // must be the grant's
	// Lease names this replacement, so that the caller can repeat it.
	Lease LeaseID
	// Generation is the current one. Token is sealed at [RefreshTokenPlace](Grant,
	// Generation+1).
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
