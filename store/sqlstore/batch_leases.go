package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// A batch may take leases for its uses, and end leases for others. All ends come before
// all leases, so that a use finds the lease free that a call before it has ended.

// readGrantsOf reads the grants of the tokens whose uses ask for a lease. It leaves out
// those that have spares or doubts, because these are in the way.
func (s *Store) readGrantsOf(ctx context.Context, members []*member) (map[store.GrantID]*grant, error) {
	var tokens blobs
	var callers []store.ProcessID
	for _, m := range members {
		if m.end != nil || m.use.Lease.ID.IsZero() {
			continue
		}
		tokens = append(tokens, m.token.ID[:])
		if p := m.use.Lease.Process; !p.IsZero() && !slices.Contains(callers, p) {
			callers = append(callers, p)
		}
	}
	if len(tokens) == 0 {
		return nil, nil
	}
	var caller store.ProcessID
	if len(callers) > 0 {
		caller = callers[0]
	}
	slices.SortFunc(tokens, bytes.Compare)
	found := make(map[store.GrantID]*grant)
	err := s.each(ctx, s.db, func(r *sql.Rows) error {
		g, err := scanGrant(r, caller)
		if g.was.nSpares == 0 && g.was.nDoubts == 0 {
			found[g.id] = g
		}
		return err
	}, grantsOfQuery, orNull(caller, caller[:]), slices.CompactFunc(tokens, bytes.Equal))
	if err != nil || len(callers) < 2 {
		return found, err
	}
	known, err := s.readNamed(ctx, callers)
	for _, g := range found {
		for id, p := range known {
			g.known[id] = p.ProcessInfo
		}
	}
	return found, err
}

// end ends a lease on a grant that was read, or plans to end it without reading.
func (d *decision) end(m *member) {
	g := d.read[m.end.Grant]
	if g == nil {
		d.ends = append(d.ends, m)
		return
	}
	if g.End(m.end) {
		g.ended = true
		d.change(g)
	}
	m.ended = true
}

// attach adds what a charged use asks for besides: a ticket, the lease, the state.
func (d *decision) attach(m *member) {
	if ref := m.use.Fetch; ref != (store.TicketRef{}) {
		t, planned := d.tickets.Rows[ref]
		if !planned {
			t = d.tickets.Read(ref)
		}
		m.spent.Ticket = t.Fetched(m.use.Now)
		if !m.spent.Repeated { // then add has recorded the use just now
			d.history[len(d.history)-1].event = m.use.EventWith(m.spent.Ticket)
		}
	}
	if g := d.read[m.row.Grant]; g != nil && !m.use.Lease.ID.IsZero() && m.spent.Ticket == nil {
		b := m.use.Lease.Begin(g.id, m.use.Now)
		var taken bool
		if m.spent.Refresh, taken = g.BeginWithUse(&b, g.known); taken {
			d.change(g)
		}
	}
	if m.use.State {
		m.spent.State = d.stateOf(m)
	}
}

// stateOf returns the state of the token of a use after the uses that were decided so far.
// It counts from what the step has read. So uses that other transactions charge before this
// one commits may be missing, as Spend in [store.Tokens] says.
func (d *decision) stateOf(m *member) *store.State {
	t := *m.row
	t.links = slices.Clone(t.links)
	for i := range t.links {
		l := &t.links[i]
		if at, charged := d.find(l.counter); charged {
			l.used += d.charges[at].n
			l.lastUsed = max(l.lastUsed, store.Micros(d.charges[at].at))
		}
	}
	return &store.State{TokenInfo: t.info(), Key: slices.Clone(m.spent.Key), Outdated: m.spent.Outdated, Dead: t.refused}
}

// change records that a grant has to be written.
func (d *decision) change(g *grant) {
	i, found := slices.BinarySearchFunc(d.grants, g, func(a, b *grant) int { return bytes.Compare(a.id[:], b.id[:]) })
	if !found {
		d.grants = slices.Insert(d.grants, i, g)
	}
}

// writeGrants returns the statements that write the grants of a decision, in the order of
// their ids.
func (d *decision) writeGrants() []demand {
	var all []demand
	ends := slices.SortedStableFunc(slices.Values(d.ends), func(a, b *member) int { return bytes.Compare(a.end.Grant[:], b.end.Grant[:]) })
	for _, g := range d.grants {
		for len(ends) > 0 && bytes.Compare(ends[0].end.Grant[:], g.id[:]) < 0 {
			all = append(all, ends[0].tryEnd())
			ends = ends[1:]
		}
		all = append(all, g.leaseChange())
	}
	for _, m := range ends {
		all = append(all, m.tryEnd())
	}
	return all
}

// tryEnd returns the statement that ends a lease, unless the end needs to read the grant.
func (m *member) tryEnd() demand {
	one := endLease(m.end)
	one.rows, one.did = anyRows, func() { m.ended = true }
	return one
}

// commitEnds ends leases without uses. Nobody waits until these ends are durable.
func (s *Store) commitEnds(ctx context.Context, d *decision) error {
	for _, m := range d.ends {
		one, relaxed := s.engine.relaxed(m.tryEnd())
		if !relaxed && len(d.ends) > 1 {
			return s.writeAll(ctx, s.engine.grants(d), true)
		}
		if err := s.writeAll(ctx, []demand{one}, true); err != nil {
			return err
		}
	}
	return nil
}
