package sqlstore

import (
	"context"
	"database/sql"

	"github.com/mytoken-go/sdk/store"
)

// grant is a row. Whoever decided on it demands its version.
type grant struct {
	id         store.GrantID
	owner      store.OwnerID
	version    int64
	generation uint64
	refresh    store.Sealed
	scope      string
	audience   string
	dead       bool
	lease      store.LeaseID
	leaseUntil store.Micros // inclusive
	leaseShown int64        // the newest spare that its holder knows
	arrivals   int64        // number of spares ever
	spares     int          // rows
	doubts     int          // rows
}

// readGrant returns nil if there is no such grant.
func (s *Store) readGrant(ctx context.Context, on runner, id store.GrantID) (*grant, error) {
	var g *grant
	err := s.each(ctx, s.often(on), func(r *sql.Rows) error {
		g = &grant{id: id}
		return r.Scan(scan(g.owner[:]), &g.version, &g.generation, (*[]byte)(&g.refresh), &g.scope, &g.audience, &g.dead,
			scan(g.lease[:]), (*int64)(&g.leaseUntil), &g.leaseShown, &g.arrivals, &g.spares, &g.doubts)
	}, `
		SELECT owner_id, version, generation, refresh, scope, audience, dead,
			lease_id, lease_until, lease_shown, arrivals, spares, doubts
		FROM {grants} WHERE grant_id = ?`, id[:])
	return g, err
}

// refreshState adds the spares to what the row says. The two were read at
// different instants; where that matters, the version of the grant tells.
func (s *Store) refreshState(ctx context.Context, on runner, g *grant) (store.RefreshState, error) {
	state := store.RefreshState{Generation: g.generation, Token: g.refresh, Scope: g.scope, Audience: g.audience}
	if g.spares == 0 {
		return state, nil
	}
	err := s.each(ctx, on, func(r *sql.Rows) error {
		var sp store.Spare
		if err := r.Scan(&sp.Generation, (*[]byte)(&sp.Token)); err != nil {
			return err
		}
		state.Spares = append(state.Spares, sp)
		return nil
	}, `SELECT generation, refresh FROM {spares} WHERE grant_id = ? ORDER BY arrival DESC`, g.id[:])
	return state, err
}

// doubt is a lease that lapsed without an end.
type doubt struct {
	lease  store.LeaseID
	lapsed store.Micros
}

func (s *Store) readDoubts(ctx context.Context, g *grant) ([]doubt, error) {
	if g.doubts == 0 {
		return nil, nil
	}
	var all []doubt
	err := s.each(ctx, s.db, func(r *sql.Rows) error {
		var d doubt
		if err := r.Scan(scan(d.lease[:]), (*int64)(&d.lapsed)); err != nil {
			return err
		}
		all = append(all, d)
		return nil
	}, `SELECT lease_id, lapsed FROM {doubts} WHERE grant_id = ?`, g.id[:])
	return all, err
}

// updateGrant writes the row back if nobody else has.
func (s *Store) updateGrant(ctx context.Context, on runner, g *grant) error {
	return s.must(ctx, s.often(on), 1, `
		UPDATE {grants} SET version = version + 1, generation = ?, refresh = ?, scope = ?, audience = ?, dead = ?,
			lease_id = ?, lease_until = ?, lease_shown = ?, arrivals = ?, spares = ?, doubts = ?
		WHERE grant_id = ? AND version = ?`,
		int64(g.generation), []byte(g.refresh), []byte(g.scope), []byte(g.audience), flag(g.dead),
		orNull(g.lease, g.lease[:]), int64(g.leaseUntil), g.leaseShown, g.arrivals, g.spares, g.doubts,
		g.id[:], g.version)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Grant implements [store.Grants].
func (s *Store) Grant(ctx context.Context, id store.GrantID) (store.RefreshState, error) {
	var state store.RefreshState
	err := s.step(ctx, "read a grant", func() error {
		g, err := s.readGrant(ctx, s.db, id)
		if err != nil {
			return err
		}
		if g == nil {
			return store.ErrNotFound
		}
		if state, err = s.refreshState(ctx, s.db, g); err != nil || g.spares == 0 {
			return err
		}
		return s.unchanged(ctx, g)
	})
	return state, err
}

// unchanged makes sure that what was read of a grant in several statements
// belongs together.
func (s *Store) unchanged(ctx context.Context, g *grant) error {
	same := 0
	err := s.each(ctx, s.db, func(r *sql.Rows) error { return r.Scan(&same) },
		`SELECT COUNT(*) FROM {grants} WHERE grant_id = ? AND version = ?`, g.id[:], g.version)
	if err == nil && same == 0 {
		return errChanged
	}
	return err
}
