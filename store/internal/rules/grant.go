package rules

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// Grant is the state of a grant: its refresh token, its spares, and the lease to refresh
// it. A store reads the state, calls one method, and writes what changed.
type Grant struct {
	Owner      store.OwnerID
	Generation uint64
	Token      store.Sealed
	Scope      string
	Audience   string
	Dead       bool

	Lease    Lease   // the newest one without an end, lapsed or not
	Arrivals int64   // how many spares ever arrived
	Spares   []Spare // newest first
	Doubts   []Doubt
}

// Lease is the lease on a grant. It is zero if there is none.
type Lease struct {
	ID    store.LeaseID
	Until store.Micros // last instant
	Shown int64        // Arrival of the newest spare that BeginRefresh returned
}

// Spare is a refresh token that arrived after the grant had moved to its next generation.
type Spare struct {
	Arrival    int64 // counts the spares of the grant, from 1
	Generation uint64
	Token      store.Sealed
}

// Doubt is a lease that lapsed without EndRefresh.
type Doubt struct {
	Lease  store.LeaseID
	Lapsed store.Micros
}

// Commit identifies a refresh token that a lease stored. It lets a store recognise a
// repeat without keeping the token.
type Commit struct {
	Lease  store.LeaseID
	Digest [sha256.Size]byte
}

// NewCommit returns the identity of the commit of a token by a lease.
func NewCommit(l store.LeaseID, token store.Sealed) Commit {
	return Commit{Lease: l, Digest: sha256.Sum256(token)}
}

// NewGrant returns the first state of a grant.
func NewGrant(g *store.Grant) *Grant {
	return &Grant{Owner: g.Owner, Generation: 1, Token: bytes.Clone(g.Refresh), Scope: g.Scope, Audience: g.Audience}
}

// State returns the refresh token and its spares.
func (g *Grant) State() store.RefreshState {
	st := store.RefreshState{Generation: g.Generation, Token: bytes.Clone(g.Token), Scope: g.Scope, Audience: g.Audience}
	for _, sp := range g.Spares {
		st.Spares = append(st.Spares, store.Spare{Generation: sp.Generation, Token: bytes.Clone(sp.Token)})
	}
	return st
}

// Begin takes the lease for ttl, or prolongs it for its holder. Begin turns an earlier
// lease that lapsed without an end into a doubt. It returns [store.ErrDead] if the grant
// is dead, and a [*store.BusyError] while another lease is in force.
func (g *Grant) Begin(l store.LeaseID, now store.Micros, ttl time.Duration) (store.Refresh, error) {
	switch {
	case g.Dead:
		return store.Refresh{}, store.ErrDead
	case g.Lease.ID == l:
		g.Lease.Until = max(g.Lease.Until, now.Add(ttl))
	case !g.Lease.ID.IsZero() && now <= g.Lease.Until:
		return store.Refresh{}, &store.BusyError{Until: g.Lease.Until}
	default:
		g.doubt()
		g.Lease = Lease{ID: l, Until: now.Add(ttl)}
	}
	g.Lease.Shown = g.Arrivals
	out := store.Refresh{RefreshState: g.State(), Until: g.Lease.Until}
	for _, d := range g.Doubts {
		out.InDoubt, out.Doubt = true, max(out.Doubt, d.Lapsed)
	}
	return out, nil
}

// doubt records the present lease, if there is one, as lapsed. A lease has at most one
// doubt.
func (g *Grant) doubt() {
	if g.Lease.ID.IsZero() {
		return
	}
	d := Doubt{Lease: g.Lease.ID, Lapsed: g.Lease.Until}
	i := slices.IndexFunc(g.Doubts, func(o Doubt) bool { return o.Lease == d.Lease })
	if i < 0 {
		g.Doubts = append(g.Doubts, d)
		return
	}
	g.Doubts[i].Lapsed = max(g.Doubts[i].Lapsed, d.Lapsed)
}

// Commit stores a new refresh token: as the current one of the next generation, or as a
// spare if the grant has moved on. It resolves the doubt of its lease and revives a dead
// grant. done says that an earlier call made this commit; then Commit changes nothing.
// Commit reports whether anything changed. It returns [store.ErrConflict] for a
// generation that the grant has not reached.
func (g *Grant) Commit(c *store.Commit, done bool) (bool, error) {
	switch {
	case done:
		return false, nil
	case c.Generation > g.Generation:
		return false, store.ErrConflict
	case c.Generation == g.Generation:
		g.Generation++
		g.Token = bytes.Clone(c.Token)
	default:
		g.Arrivals++
		sp := Spare{Arrival: g.Arrivals, Generation: c.Generation + 1, Token: bytes.Clone(c.Token)}
		g.Spares = slices.Insert(g.Spares, 0, sp)
		g.Spares = g.Spares[:min(len(g.Spares), store.MaxSpares)]
	}
	g.Doubts = slices.DeleteFunc(g.Doubts, func(d Doubt) bool { return d.Lease == c.Lease })
	g.Dead = false
	return true, nil
}

// End ends a lease with an outcome. It does nothing if another lease has followed. A
// refusal makes the grant dead, unless the grant has moved on or got another spare since
// BeginRefresh. End reports whether anything changed.
func (g *Grant) End(l store.LeaseID, generation uint64, outcome store.Outcome) bool {
	if g.Lease.ID != l {
		return false
	}
	shown := g.Lease.Shown
	g.Lease = Lease{}
	if outcome != store.RefreshDone && outcome != store.RefreshRefused {
		return true
	}
	g.Doubts = nil
	g.Spares = slices.DeleteFunc(g.Spares, func(sp Spare) bool { return sp.Arrival <= shown })
	if outcome == store.RefreshRefused && g.Generation == generation && len(g.Spares) == 0 {
		g.Dead = true
	}
	return true
}

// Replace makes the refresh token of a new login the current one. done says that an
// earlier call made this replacement; then Replace changes nothing. Replace reports
// whether anything changed. It returns [store.ErrConflict] for an outdated generation and
// a [*store.ArgumentError] for another owner.
func (g *Grant) Replace(r *store.Replacement, done bool) (bool, error) {
	switch {
	case g.Owner != r.Owner:
		return false, argument("the replacement names another owner than the grant has")
	case done:
		return false, nil
	case r.Generation != g.Generation:
		return false, store.ErrConflict
	}
	g.Generation++
	g.Token = bytes.Clone(r.Token)
	g.Scope, g.Audience = r.Scope, r.Audience
	g.Spares, g.Doubts = nil, nil
	g.Dead = false
	return true, nil
}
