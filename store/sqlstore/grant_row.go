package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// grant is a row of {grants} with its spares and doubts. A step that changes any of them
// checks that the version is still the one that it read, and increments it.
type grant struct {
	id      store.GrantID
	version int64
	rules.Grant
	was struct { // the stored rows
		lease  rules.Lease
		holder process // of the lease, if it is known
		heldBy []byte  // also of an earlier lease
		spares []rules.Spare
		doubts []rules.Doubt

		nSpares, nDoubts int // how many rows there are
	}
	known rules.Processes // of the lease, the doubts, and the caller
	ended bool            // the batch has ended a lease
}

const (
	// The first argument is the process of the caller. The text after it names the rows g
	// of {grants} to read.
	grantColumns = `
		SELECT g.grant_id, g.owner_id, g.version, g.generation, g.refresh, g.scope, g.audience, g.dead, g.login, g.worked,
			g.refusals, g.ask_after, g.refused_generation, g.refused_arrivals,
			g.lease_id, g.lease_until, g.lease_shown, g.held_by, CASE WHEN g.held_lease = g.lease_id THEN g.held_by END,
			g.arrivals, g.spares, g.doubts, COALESCE(me.settled_at, 0), ` + processColumns + `
		FROM {grants} g
		LEFT JOIN {processes} p ON p.process_id = g.held_by AND g.held_lease = g.lease_id
		LEFT JOIN {processes} me ON me.process_id = ?`
	grantQuery = grantColumns + ` WHERE g.grant_id = ?`
	// grantsOfQuery reads the grants of tokens.
	grantsOfQuery = grantColumns + ` WHERE g.grant_id IN (SELECT t.grant_id FROM {tokens} t WHERE t.token_id IN ? AND t.buried = 0)`
	updateGrant   = `
		UPDATE {grants} SET version = version + 1, generation = ?, refresh = ?, scope = ?, audience = ?, dead = ?, login = ?, worked = ?,
			refusals = ?, ask_after = ?, refused_generation = ?, refused_arrivals = ?,
			lease_id = ?, lease_until = ?, lease_shown = ?, held_by = ?, held_lease = ?, arrivals = ?, spares = ?, doubts = ?
		WHERE grant_id = ? AND version = ?`
	// updateLease writes what a lease changes that begins or ends in a grant without spares
	// and doubts. It does not write the refresh token again.
	updateLease = `
		UPDATE {grants} SET version = version + 1, worked = ?, refusals = ?, ask_after = ?, refused_generation = ?, refused_arrivals = ?,
			lease_id = ?, lease_until = ?, lease_shown = ?, held_by = ?, held_lease = ?
		WHERE grant_id = ? AND version = ?`
	touchGrant   = `UPDATE {grants} SET version = version + 1 WHERE grant_id = ?`
	commitQuery  = `SELECT committed FROM {commits} WHERE grant_id = ? AND lease_id = ? AND digest = ?`
	insertCommit = `INSERT INTO {commits} (grant_id, lease_id, digest, committed) VALUES (?, ?, ?, ?)`
)

// noCaller is the caller of a step for which no process matters.
var noCaller store.ProcessID

// readGrant reads a grant, and what Begin needs to know about processes. It returns
// [store.ErrNotFound] if there is none. It may run several statements; where that
// matters, the version tells whether their results belong together.
func (s *Store) readGrant(ctx context.Context, on runner, id store.GrantID, caller store.ProcessID) (*grant, error) {
	var g *grant
	err := s.each(ctx, on, func(r *sql.Rows) (err error) {
		g, err = scanGrant(r, caller)
		return err
	}, grantQuery, orNull(caller, caller[:]), id[:])
	if err == nil && g == nil {
		err = store.ErrNotFound
	}
	if err == nil && g.was.nSpares > 0 {
		err = s.readSpares(ctx, on, g)
	}
	if err == nil && g.was.nDoubts > 0 {
		err = s.readDoubts(ctx, on, g)
	}
	return g, err
}

// scanGrant scans a row of grantColumns: a grant without its spares and doubts.
func scanGrant(r *sql.Rows, caller store.ProcessID) (*grant, error) {
	g := &grant{known: make(rules.Processes)}
	var settled int64
	fields := []any{
		scan(g.id[:]), scan(g.Owner[:]), &g.version, &g.Generation, (*[]byte)(&g.Token), &g.Scope, &g.Audience, &g.Dead, &g.Login, orZero[string]{&g.Worked},
		&g.Suspicion.Refusals, (*int64)(&g.Suspicion.AskAfter), &g.Suspicion.Generation, &g.Suspicion.Arrivals,
		scan(g.Lease.ID[:]), (*int64)(&g.Lease.Until), &g.Lease.Shown, &g.was.heldBy, scan(g.Lease.Process[:]),
		&g.Arrivals, &g.was.nSpares, &g.was.nDoubts, &settled,
	}
	err := r.Scan(append(fields, g.was.holder.fields()...)...)
	g.was.lease = g.Lease
	g.knows(g.was.holder)
	if settled != 0 {
		g.known[caller] = store.ProcessInfo{Settled: store.Micros(settled)}
	}
	return g, err
}

func (g *grant) knows(p process) {
	if p.version.Valid {
		g.known[p.ID] = p.ProcessInfo
	}
}

func (s *Store) readSpares(ctx context.Context, on runner, g *grant) error {
	err := s.each(ctx, on, func(r *sql.Rows) error {
		var sp rules.Spare
		err := r.Scan(&sp.Arrival, &sp.Generation, (*[]byte)(&sp.Token))
		g.Spares = append(g.Spares, sp)
		return err
	}, `SELECT arrival, generation, refresh FROM {spares} WHERE grant_id = ? ORDER BY arrival DESC`, g.id[:])
	g.was.spares = slices.Clone(g.Spares)
	return err
}

func (s *Store) readDoubts(ctx context.Context, on runner, g *grant) error {
	err := s.each(ctx, on, func(r *sql.Rows) error {
		var d rules.Doubt
		var p process
		err := r.Scan(append([]any{scan(d.Lease[:]), (*int64)(&d.Lapsed), scan(d.Process[:])}, p.fields()...)...)
		g.Doubts = append(g.Doubts, d)
		g.knows(p)
		return err
	}, `
		SELECT d.lease_id, d.lapsed, d.process_id, `+processColumns+`
		FROM {doubts} d LEFT JOIN {processes} p ON p.process_id = d.process_id
		WHERE d.grant_id = ?`, g.id[:])
	g.was.doubts = slices.Clone(g.Doubts)
	return err
}

// changes returns the statements that write the grant back. They fail if another step has
// changed it meanwhile.
func (g *grant) changes() []demand {
	all := []demand{{text: updateGrant, rows: 1, args: []any{
		int64(g.Generation), []byte(g.Token), []byte(g.Scope), []byte(g.Audience), flag(g.Dead), int64(g.Login), textOrNull(g.Worked),
		g.Suspicion.Refusals, int64(g.Suspicion.AskAfter), int64(g.Suspicion.Generation), g.Suspicion.Arrivals,
		orNull(g.Lease.ID, g.Lease.ID[:]), int64(g.Lease.Until), g.Lease.Shown, g.heldBy(), orNull(g.Lease.Process, g.Lease.ID[:]),
		g.Arrivals, len(g.Spares), len(g.Doubts),
		g.id[:], g.version,
	}}}
	var dropped ids
	for _, sp := range g.was.spares {
		if !slices.ContainsFunc(g.Spares, func(o rules.Spare) bool { return o.Arrival == sp.Arrival }) {
			dropped = append(dropped, sp.Arrival)
		}
	}
	if len(dropped) > 0 {
		all = append(all, demand{text: `DELETE FROM {spares} WHERE grant_id = ? AND arrival IN ?`, args: []any{g.id[:], dropped}, rows: len(dropped)})
	}
	for _, sp := range g.Spares {
		if !slices.ContainsFunc(g.was.spares, func(o rules.Spare) bool { return o.Arrival == sp.Arrival }) {
			all = append(all, demand{
				text: `INSERT INTO {spares} (grant_id, arrival, generation, refresh) VALUES (?, ?, ?, ?)`,
				args: []any{g.id[:], sp.Arrival, int64(sp.Generation), []byte(sp.Token)}, rows: 1,
			})
		}
	}
	return append(all, g.changedDoubts()...)
}

// leaseChange returns the statement that writes the grant back, if nothing but its lease
// and what its end says has changed. It fails if another step has changed the grant
// meanwhile.
func (g *grant) leaseChange() demand {
	return demand{text: updateLease, rows: 1, args: []any{
		textOrNull(g.Worked), g.Suspicion.Refusals, int64(g.Suspicion.AskAfter), int64(g.Suspicion.Generation), g.Suspicion.Arrivals,
		orNull(g.Lease.ID, g.Lease.ID[:]), int64(g.Lease.Until), g.Lease.Shown, g.heldBy(), orNull(g.Lease.Process, g.Lease.ID[:]),
		g.id[:], g.version,
	}}
}

// heldBy returns the process that holds the lease. It stays when the lease ends, because
// most grants have the same holder again: then no index changes.
func (g *grant) heldBy() []byte {
	if g.Lease.Process.IsZero() {
		return g.was.heldBy
	}
	return g.Lease.Process[:]
}

// tookOver reports whether a lease that has not lapsed was taken over because its process
// is silent. That process may send a heartbeat before the grant is written.
func (g *grant) tookOver(now store.Micros) bool {
	return g.Lease.ID != g.was.lease.ID && now <= g.was.lease.Until && g.was.holder.version.Valid && g.was.holder.Settled == 0
}

func (g *grant) changedDoubts() []demand {
	var all []demand
	var resolved blobs
	for _, d := range g.was.doubts {
		if !slices.ContainsFunc(g.Doubts, func(o rules.Doubt) bool { return o.Lease == d.Lease }) {
			resolved = append(resolved, d.Lease[:])
		}
	}
	if len(resolved) > 0 {
		all = append(all, demand{text: `DELETE FROM {doubts} WHERE grant_id = ? AND lease_id IN ?`, args: []any{g.id[:], resolved}, rows: len(resolved)})
	}
	for _, d := range g.Doubts {
		i := slices.IndexFunc(g.was.doubts, func(o rules.Doubt) bool { return o.Lease == d.Lease })
		switch {
		case i < 0:
			all = append(all, demand{
				text: `INSERT INTO {doubts} (grant_id, lease_id, lapsed, process_id) VALUES (?, ?, ?, ?)`,
				args: []any{g.id[:], d.Lease[:], int64(d.Lapsed), orNull(d.Process, d.Process[:])}, rows: 1,
			})
		case g.was.doubts[i] != d:
			all = append(all, demand{
				text: `UPDATE {doubts} SET lapsed = ?, process_id = ? WHERE grant_id = ? AND lease_id = ?`,
				args: []any{int64(d.Lapsed), orNull(d.Process, d.Process[:]), g.id[:], d.Lease[:]}, rows: 1,
			})
		}
	}
	return all
}

// saveGrant writes a grant back, and then meets more demands in the same transaction.
func (s *Store) saveGrant(ctx context.Context, g *grant, more ...demand) error {
	return s.writeAll(ctx, append(g.changes(), more...), false)
}

// committed reports whether a lease has stored a refresh token.
func (s *Store) committed(ctx context.Context, id store.GrantID, c rules.Commit) (bool, error) {
	found, err := column[int64](ctx, s, s.db, commitQuery, id[:], c.Lease[:], c.Digest[:])
	return len(found) > 0, err
}

// addCommit returns the statement that records that a lease stored a refresh token. The
// primary key refuses a second row.
func addCommit(id store.GrantID, c rules.Commit, now store.Micros) demand {
	return demand{text: insertCommit, args: []any{id[:], c.Lease[:], c.Digest[:], int64(now)}, rows: 1}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
