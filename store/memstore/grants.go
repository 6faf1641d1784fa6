package memstore

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// grant is one row: the refresh token of one login.
type grant struct {
	owner      store.OwnerID
	generation uint64
	token      store.Sealed
	scope      string
	audience   string
	spares     []spare // newest first
	arrivals   uint64  // of spares, ever
	dead       bool

	lease  lease // the newest one that was not ended, lapsed or not
	doubts []doubt
	// commits are remembered so that repeating one changes nothing.
	commits map[commit]store.Micros
}

type spare struct {
	arrival    uint64
	generation uint64
	token      store.Sealed
}

// lease is zero if there is none.
type lease struct {
	id    store.LeaseID
	until store.Micros // inclusive
	shown uint64       // the newest spare that its holder knows
}

// doubt is a lease that lapsed without an end.
type doubt struct {
	lease  store.LeaseID
	lapsed store.Micros
}

// commit identifies what a lease stored.
type commit struct {
	lease store.LeaseID
	token [sha256.Size]byte
}

func newGrant(g *store.Grant) *grant {
	return &grant{
		owner:      g.Owner,
		generation: 1,
		token:      clone(g.Refresh),
		scope:      g.Scope,
		audience:   g.Audience,
		commits:    make(map[commit]store.Micros),
	}
}

func (g *grant) state() store.RefreshState {
	st := store.RefreshState{Generation: g.generation, Token: clone(g.token), Scope: g.scope, Audience: g.audience}
	for _, sp := range g.spares {
		st.Spares = append(st.Spares, store.Spare{Generation: sp.generation, Token: clone(sp.token)})
	}
	return st
}

// BeginRefresh implements [store.Grants].
func (s *Store) BeginRefresh(ctx context.Context, id store.GrantID, l store.LeaseID, now store.Micros, ttl time.Duration) (store.Refresh, error) {
	if err := store.CheckBeginRefresh(l, ttl); err != nil {
		return store.Refresh{}, err
	}
	if err := s.lock(ctx); err != nil {
		return store.Refresh{}, err
	}
	defer s.mu.Unlock()

	g := s.grants[id]
	switch {
	case g == nil:
		return store.Refresh{}, store.ErrNotFound
	case g.dead:
		return store.Refresh{}, store.ErrDead
	case g.lease.id == l:
		g.lease.until = max(g.lease.until, now.Add(ttl))
	case !g.lease.id.IsZero() && now <= g.lease.until:
		return store.Refresh{}, &store.BusyError{Until: g.lease.until}
	default:
		if !g.lease.id.IsZero() {
			g.doubts = append(g.doubts, doubt{lease: g.lease.id, lapsed: g.lease.until})
		}
		g.lease = lease{id: l, until: now.Add(ttl)}
	}
	g.lease.shown = g.arrivals
	out := store.Refresh{RefreshState: g.state(), Until: g.lease.until}
	for _, d := range g.doubts {
		out.InDoubt, out.Doubt = true, max(out.Doubt, d.lapsed)
	}
	return out, nil
}

// CommitRefresh implements [store.Grants].
func (s *Store) CommitRefresh(ctx context.Context, c store.Commit) error {
	if err := c.Check(); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	g := s.grants[c.Grant]
	if g == nil {
		return store.ErrNotFound
	}
	this := commit{lease: c.Lease, token: sha256.Sum256(c.Token)}
	if _, done := g.commits[this]; done {
		return nil
	}
	if c.Generation > g.generation {
		return store.ErrConflict
	}
	if c.Generation == g.generation {
		g.generation++
		g.token = clone(c.Token)
	} else {
		g.arrivals++
		g.spares = slices.Insert(g.spares, 0, spare{arrival: g.arrivals, generation: c.Generation + 1, token: clone(c.Token)})
		g.spares = g.spares[:min(len(g.spares), store.MaxSpares)]
	}
	g.doubts = slices.DeleteFunc(g.doubts, func(d doubt) bool { return d.lease == c.Lease })
	g.dead = false
	g.commits[this] = c.Now
	return nil
}

// EndRefresh implements [store.Grants].
func (s *Store) EndRefresh(ctx context.Context, id store.GrantID, l store.LeaseID, generation uint64, outcome store.Outcome, _ store.Micros) error {
	if err := store.CheckEndRefresh(l, generation, outcome); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	g := s.grants[id]
	if g == nil {
		return store.ErrNotFound
	}
	if g.lease.id != l {
		return nil
	}
	ended := g.lease
	g.lease = lease{}
	if outcome != store.RefreshDone && outcome != store.RefreshRefused {
		return nil
	}
	g.doubts = nil
	g.spares = slices.DeleteFunc(g.spares, func(sp spare) bool { return sp.arrival <= ended.shown })
	if outcome == store.RefreshRefused && g.generation == generation && len(g.spares) == 0 {
		g.dead = true
	}
	return nil
}

// Grant implements [store.Grants].
func (s *Store) Grant(ctx context.Context, id store.GrantID) (store.RefreshState, error) {
	if err := s.lock(ctx); err != nil {
		return store.RefreshState{}, err
	}
	defer s.mu.Unlock()

	g := s.grants[id]
	if g == nil {
		return store.RefreshState{}, store.ErrNotFound
	}
	return g.state(), nil
}

// ReplaceGrant implements [store.Grants].
func (s *Store) ReplaceGrant(ctx context.Context, r store.Replacement) error {
	if err := r.Check(); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	g := s.grants[r.Grant]
	if g == nil {
		return store.ErrNotFound
	}
	if g.owner != r.Owner {
		return argument("replacement by the grant of another owner")
	}
	this := commit{lease: r.Lease, token: sha256.Sum256(r.Token)}
	if _, done := g.commits[this]; done {
		return nil
	}
	if r.Generation != g.generation {
		return store.ErrConflict
	}
	plan, err := s.planTickets(&r.Tickets, r.Now)
	if err != nil {
		return err
	}
	g.generation++
	g.token = clone(r.Token)
	g.scope, g.audience = r.Scope, r.Audience
	g.spares = nil
	g.doubts = nil
	g.dead = false
	g.commits[this] = r.Now
	plan.apply()
	return nil
}
