package store

import "time"

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
	// Worked lists the scopes that were sent when the provider last gave tokens, separated
	// by spaces. It is empty if no refresh has worked since the login, or if none were
	// sent: the provider then gives everything that the login was granted.
	Worked  string
	Suspect Suspicion
}

// Suspicion says that the provider has refused every refresh token of a grant once. That
// may pass, so the grant is asked for again after a pause. The zero Suspicion is none.
//
// A suspicion is over once the provider gives tokens, or a refresh token arrives.
type Suspicion struct {
	// Refusals counts the refusals so far: the one that began the suspicion, and those
	// that EndRefresh reported with [RefreshUnknown] and AskAfter.
	Refusals int
	// AskAfter is the last instant of the pause. Until then BeginRefresh returns a
	// [*SuspectError].
	AskAfter Micros
}

// Begin asks for the lease on a grant, for BeginRefresh.
type Begin struct {
	Grant GrantID
	Lease LeaseID
	// Process is the caller. If it is zero, or has no heartbeat, the lease lapses by time
	// alone.
	Process ProcessID
	Now     Micros
	TTL     time.Duration
}

// LeaseRequest asks for the lease on the grant of a token, along with a use. The fields
// mean the same as in [Begin]; the instant is that of the use.
type LeaseRequest struct {
	ID      LeaseID
	Process ProcessID
	TTL     time.Duration
}

// Begin returns the request for BeginRefresh that asks for the same lease.
func (l LeaseRequest) Begin(grant GrantID, now Micros) Begin {
	return Begin{Grant: grant, Lease: l.ID, Process: l.Process, Now: now, TTL: l.TTL}
}

// Refresh is a lease on a grant, with what its holder needs to refresh it. Nobody else
// refreshes the grant while the lease is in force.
type Refresh struct {
	RefreshState
	// Until is the last instant of the lease. The caller must have the provider's answer
	// by then.
	Until Micros
	// Doubts are the earlier leases whose holders may still have a new refresh token, in
	// no particular order.
	Doubts []Doubt
}

// Commit says which new refresh token the provider returned, for CommitRefresh.
type Commit struct {
	Grant GrantID
	Lease LeaseID
	// Generation is the one that BeginRefresh returned. Token is sealed at
	// [RefreshTokenPlace](Grant, Generation+1).
	Generation uint64
	Token      Sealed
	// Ends says that the refresh is done: the same step ends the lease, as EndRefresh does
	// with [RefreshDone], this Generation and Worked.
	Ends   bool
	Worked string // only with Ends
	Now    Micros
}

// Outcome is how a refresh ended.
type Outcome uint8

// The outcomes of a refresh.
const (
	// RefreshDone: the provider answered with tokens. If a new refresh token was among
	// them, it is committed. The store drops the spares that the lease was shown and every
	// doubt, ends a suspicion, and keeps Worked.
	RefreshDone Outcome = 1
	// RefreshNotSent: no request reached the provider. The lease ends and nothing else
	// changes: a doubt stays.
	RefreshNotSent Outcome = 2
	// RefreshUnknown: the caller sent a request. Either it got no usable answer, or the
	// answer was a refusal that says nothing about the refresh token. The lease ends and
	// nothing else changes: a doubt stays. But with AskAfter it prolongs the pause of a
	// suspect grant.
	RefreshUnknown Outcome = 3
	// RefreshRefused: the provider refused the refresh token and every spare that the
	// lease was shown (invalid_grant), each with the scopes that worked last and without
	// scopes.
	//
	// The first time, the grant becomes suspect until AskAfter, and keeps its spares and
	// doubts. If it is suspect already, it is dead until a new refresh token arrives, and
	// the store drops its spares and doubts. But if the grant has moved to another
	// generation meanwhile, or has got another spare, the refusal changes nothing.
	RefreshRefused Outcome = 4
)

// End says how a refresh ended, for EndRefresh.
type End struct {
	Grant GrantID
	Lease LeaseID
	// Generation is the one that BeginRefresh last returned.
	Generation uint64
	Outcome    Outcome
	// Worked lists the scopes that were sent, separated by spaces. Only [RefreshDone] has
	// them. A store keeps Worked byte for byte.
	Worked string
	// AskAfter is the last instant at which nobody should ask the provider again. Only
	// [RefreshRefused] and [RefreshUnknown] have it.
	AskAfter Micros
	// Relaxed says that nobody waits until the end is durable. EndRefresh may then return
	// before the end survives a crash. A crash may leave the lease as if EndRefresh had not
	// been called: it lapses, and the next holder finds a doubt. The process that held the
	// lease resolves that, or somebody settles it; see Doubts in [Nodes].
	Relaxed bool
	Now     Micros
}

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

// Check returns an [*ArgumentError] if the lease is zero or TTL is not positive.
func (b *Begin) Check() error {
	if b.Lease.IsZero() || b.TTL <= 0 {
		return argument("BeginRefresh needs the id of the lease and a positive duration")
	}
	return nil
}

// Check returns an [*ArgumentError] if the lease or the generation is zero, if the
// outcome is unknown, or if Worked or AskAfter does not go with the outcome.
func (e *End) Check() error {
	switch {
	case e.Lease.IsZero() || e.Generation == 0 || e.Outcome < RefreshDone || e.Outcome > RefreshRefused:
		return argument("EndRefresh needs a lease, a generation and a known outcome")
	case e.Worked != "" && e.Outcome != RefreshDone:
		return argument("only a refresh that is done has scopes that worked")
	case e.AskAfter < 0, e.AskAfter > 0 && e.Outcome != RefreshRefused && e.Outcome != RefreshUnknown:
		return argument("a pause needs an instant, and goes only with a refusal or an unknown outcome")
	}
	return nil
}

// Check returns an [*ArgumentError] if the commit is not complete.
func (c *Commit) Check() error {
	if c.Grant.IsZero() || c.Lease.IsZero() || c.Generation == 0 || len(c.Token) == 0 {
		return argument("a commit needs a grant, a lease, a generation and a token")
	}
	if c.Worked != "" && !c.Ends {
		return argument("only a commit that ends the lease has scopes that worked")
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
