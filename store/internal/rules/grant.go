package rules

import (
	"bytes"
	"crypto/sha256"
	"slices"

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
	Login      uint64 // the generation that the present login brought
	Worked     string
	Suspicion  Suspicion

	Lease    Lease   // the newest one without an end, lapsed or not
	Arrivals int64   // how many spares ever arrived
	Spares   []Spare // newest first
	Doubts   []Doubt
}

// Lease is the lease on a grant. It is zero if there is none.
type Lease struct {
	ID      store.LeaseID
	Process store.ProcessID // zero: unknown
	Until   store.Micros    // last instant
	Shown   int64           // Arrival of the newest spare that BeginRefresh returned
}

// Spare is a refresh token that arrived after the grant had moved to its next generation.
type Spare struct {
	Arrival    int64 // counts the spares of the grant, from 1
	Generation uint64
	Token      store.Sealed
}

// Suspicion is what the provider has refused. It is void once the grant has another
// generation or another spare, so whatever brings one need not end it.
type Suspicion struct {
	store.Suspicion
	Generation uint64 // the current one when the provider refused
	Arrivals   int64  // the spares that had arrived by then
}

// Doubt is a lease that ended without EndRefresh.
type Doubt struct {
	Lease   store.LeaseID
	Process store.ProcessID
	Lapsed  store.Micros
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
	return &Grant{Owner: g.Owner, Generation: 1, Login: 1, Token: bytes.Clone(g.Refresh), Scope: g.Scope, Audience: g.Audience}
}

// State returns the refresh token and its spares.
func (g *Grant) State() store.RefreshState {
	st := store.RefreshState{
		Generation: g.Generation, Token: bytes.Clone(g.Token), Scope: g.Scope, Audience: g.Audience,
		Worked: g.Worked, Suspect: g.suspect(),
	}
	for _, sp := range g.Spares {
		st.Spares = append(st.Spares, store.Spare{Generation: sp.Generation, Token: bytes.Clone(sp.Token)})
	}
	return st
}

// suspect returns the suspicion, unless it is void.
func (g *Grant) suspect() store.Suspicion {
	if g.Suspicion.Generation != g.Generation || g.Suspicion.Arrivals != g.Arrivals {
		return store.Suspicion{}
	}
	return g.Suspicion.Suspicion
}

// Begin takes the lease, or prolongs it for its holder. Begin turns an earlier lease that
// ended without EndRefresh into a doubt. known holds the caller's process, that of the
// lease, and those of the doubts, as far as they are known. Begin returns the errors that
// [store.Grants] names.
func (g *Grant) Begin(b *store.Begin, known Processes) (store.Refresh, error) {
	switch suspect := g.suspect(); {
	case g.Dead:
		return store.Refresh{}, store.ErrDead
	case known[b.Process].Settled != 0:
		return store.Refresh{}, store.ErrConflict
	case g.Lease.ID == b.Lease:
		g.Lease.Process, g.Lease.Until = b.Process, max(g.Lease.Until, b.Now.Add(b.TTL))
	case g.Lease.lasts(b.Now) && !known.gone(g.Lease.Process, b.Now):
		return store.Refresh{}, &store.BusyError{Until: g.Lease.Until}
	case suspect.Refusals > 0 && b.Now <= suspect.AskAfter:
		return store.Refresh{}, &store.SuspectError{Until: suspect.AskAfter}
	default:
		g.doubt(b.Now)
		g.Lease = Lease{ID: b.Lease, Process: b.Process, Until: b.Now.Add(b.TTL)}
	}
	g.Lease.Shown = g.Arrivals
	out := store.Refresh{RefreshState: g.State(), Until: g.Lease.Until}
	for _, d := range g.Doubts {
		out.Doubts = append(out.Doubts, store.Doubt{
			Lease: d.Lease, Process: d.Process, Node: known[d.Process].Node, Lapsed: d.Lapsed, Settled: known.recovered(d.Process, b.Now),
		})
	}
	return out, nil
}

// BeginWithUse takes the lease, or prolongs it for its holder, if nothing is in the way
// of a use that asks for it. It reports whether the caller holds the lease now. If not,
// nothing has changed.
func (g *Grant) BeginWithUse(b *store.Begin, known Processes) (*store.Refresh, bool) {
	switch {
	case !g.Lease.ID.IsZero() && g.Lease.ID != b.Lease, g.Dead, len(g.Doubts) > 0, len(g.Spares) > 0, g.suspect().Refusals > 0:
		return nil, false
	}
	out, err := g.Begin(b, known)
	if err != nil { // the process of the caller is settled
		return nil, false
	}
	return &out, true
}

// lasts reports whether the lease is in force as far as its own time goes.
func (l *Lease) lasts(now store.Micros) bool { return !l.ID.IsZero() && now <= l.Until }

// doubt records the present lease, if there is one, as a doubt. A lease has at most one
// doubt.
func (g *Grant) doubt(now store.Micros) {
	if g.Lease.ID.IsZero() {
		return
	}
	d := Doubt{Lease: g.Lease.ID, Process: g.Lease.Process, Lapsed: min(g.Lease.Until, now)}
	i := slices.IndexFunc(g.Doubts, func(o Doubt) bool { return o.Lease == d.Lease })
	if i < 0 {
		g.Doubts = append(g.Doubts, d)
		return
	}
	d.Lapsed = max(d.Lapsed, g.Doubts[i].Lapsed)
	g.Doubts[i] = d
}

// resolve drops the doubt that a lease has left. It reports whether there was one.
func (g *Grant) resolve(l store.LeaseID) bool {
	n := len(g.Doubts)
	g.Doubts = slices.DeleteFunc(g.Doubts, func(d Doubt) bool { return d.Lease == l })
	return len(g.Doubts) < n
}

// Commit stores a new refresh token: as the current one of the next generation, or as a
// spare if the grant has moved on. It resolves the doubt of its lease and revives a dead
// grant. With c.Ends it also ends the lease. done says that an earlier call made this
// commit; then Commit does no more than end the lease. Commit reports whether anything
// changed. It returns [store.ErrConflict] for a
// generation that the grant has not reached.
func (g *Grant) Commit(c *store.Commit, done bool) (bool, error) {
	switch {
	case done:
		return g.endCommitted(c), nil
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
	g.resolve(c.Lease)
	g.Dead = false
	g.endCommitted(c)
	return true, nil
}

// endCommitted ends the lease of a commit that says so. It reports whether anything
// changed.
func (g *Grant) endCommitted(c *store.Commit) bool {
	return c.Ends && g.Lease.ID == c.Lease &&
		g.End(&store.End{Lease: c.Lease, Generation: c.Generation, Outcome: store.RefreshDone, Worked: c.Worked})
}

// End ends a lease with an outcome. If another lease has followed, End only resolves the
// doubt of this one. End reports whether anything changed.
func (g *Grant) End(e *store.End) bool {
	resolved := g.resolve(e.Lease)
	if g.Lease.ID != e.Lease {
		return resolved
	}
	shown := g.Lease.Shown
	g.Lease = Lease{}
	switch e.Outcome {
	case store.RefreshDone:
		g.Suspicion = Suspicion{}
		g.settle(shown)
		if e.Generation >= g.Login { // or else an earlier login worked
			g.Worked = e.Worked
		}
	case store.RefreshUnknown:
		if e.AskAfter > 0 && g.suspect().Refusals > 0 {
			g.Suspicion.Refusals++
			g.Suspicion.AskAfter = max(g.Suspicion.AskAfter, e.AskAfter)
		}
	case store.RefreshRefused:
		switch {
		case g.Generation != e.Generation || g.Arrivals != shown: // the provider was not asked for everything
		case g.suspect().Refusals == 0:
			g.Suspicion = Suspicion{store.Suspicion{Refusals: 1, AskAfter: e.AskAfter}, g.Generation, g.Arrivals}
		default:
			g.Dead, g.Suspicion = true, Suspicion{}
			g.settle(shown)
		}
	}
	return true
}

// settle drops every doubt, and the spares that the lease was shown.
func (g *Grant) settle(shown int64) {
	g.Doubts = nil
	g.Spares = slices.DeleteFunc(g.Spares, func(sp Spare) bool { return sp.Arrival <= shown })
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
	g.Login = g.Generation
	g.Token = bytes.Clone(r.Token)
	g.Scope, g.Audience, g.Worked = r.Scope, r.Audience, ""
	g.Spares, g.Doubts = nil, nil
	g.Dead = false
	return true, nil
}
