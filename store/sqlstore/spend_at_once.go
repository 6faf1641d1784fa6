package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// atOnce is what one query decides and writes: ordinary uses, and ends of leases.
//
// The query grants each use as a whole or not at all, and grants one only if package
// rules would decide the same. It leaves everything else to the path that reads, decides
// and writes: outdated or unconfirmed generations, exhausted first candidates, known ids.
// A use whose id is known, and a ticket that exists, may make the whole query fail as a
// duplicate. Nothing has changed then.
//
// The query returns one row for each use that it has granted, and one for each end that
// it has made, in any order. It may return them in several result sets. The columns are:
//
//   - the index of the use; for an end, len(uses) and its index. All other columns of an
//     end are NULL.
//   - grant_id, owner_id, and sealed_key of the token
//   - with lease: lease_until, generation, refresh, scope, audience, worked of the grant.
//     All of them are NULL if the use did not take the lease.
//   - with ticket: status, sealed_key, payload, token_id, owns_token, expires of the
//     ticket. All of them are NULL if there is none to return.
//   - with state: path, about, created, expires, clauses of the token, dead of the grant,
//     and all counters in its chains as JSON, in any order: an array of
//     [kind, clause, depth, clause of the counter, max_uses, used, last_used].
//
// If the engine sets whole, it grants all uses or none, and returns one row for all of
// them, with index 0. Then the lease of the grant, lease_id, comes before lease_until. The
// uses that asked for this lease have taken it. If the engine sets wholeEnds, it returns
// one row for all ends, with the index of the first, if it has made all of them. It may
// have made some that it does not report.
//
// The query may take a lease for a process that somebody settles at the same time. Then the
// lease has ended when both have returned, as if the query had come first.
//
// No grant has two ends, and no two uses have the same id. Ends come before all leases.
// If only the lease is in the way of a use, the query grants the use without it. A query
// without uses may be relaxed; see engine.
type atOnce struct {
	uses []ordinary
	ends []*member // see ordinaryEnd

	// The columns that some use needs.
	lease, ticket, state bool
	creates              bool // a use creates a token
	puts                 bool // a use puts tickets

	whole     bool // one row answers all uses
	wholeEnds bool // one row answers all ends
}

// ordinary is a use that a query may be able to grant: it charges its first candidate,
// and puts no tickets but new ones.
type ordinary struct {
	*member
	kind        store.Kind // of the counters that it charges
	clause      int        // of the counters that it charges
	least, most int64      // the token must have at least and at most that many clauses
	at          int64      // of the last use, for the token's own counter; 0: it stays
}

// entry returns the row of the history.
func (o *ordinary) entry() *entry {
	e := &entry{event: o.use.Event, use: o.use.ID, used: o.use.Now, kind: o.kind, clause: o.clause}
	if o.child != nil {
		e.child = o.child.ID
	}
	return e
}

// fetched returns the comment of the event if the use returns the ticket.
func (o *ordinary) fetched() []byte {
	if o.use.Event.Name == "" {
		return []byte{}
	}
	return []byte(o.use.EventWith(new(store.Ticket)).Comment)
}

// ordinary returns the use as an ordinary one, and whether it is one.
func (m *member) ordinary() (ordinary, bool) {
	o := ordinary{member: m, kind: store.UseUncounted, clause: store.NoClause, most: maxClauses, at: int64(m.use.Now)}
	last := store.NoClause
	if n := len(m.use.Candidates); n > 0 {
		o.kind, o.clause, last = m.use.Kind, m.use.Candidates[0], m.use.Candidates[n-1]
	}
	switch {
	case !onlyPuts(&m.use.Tickets), m.use.Check(last+1) != nil, m.fetchesOwn():
		return o, false
	case m.use.Kind == store.UseUncounted:
		o.at = 0
	case last == store.NoClause:
		o.most = 0
	}
	o.least = int64(last + 1)
	return o, true
}

// onlyPuts reports whether changes to tickets do nothing but put some.
func onlyPuts(c *store.TicketChanges) bool { return len(c.Consume)+len(c.Complete)+len(c.Drop) == 0 }

// fetchesOwn reports whether the use returns a ticket that it puts itself.
func (m *member) fetchesOwn() bool {
	return slices.ContainsFunc(m.use.Tickets.Put, func(t store.Ticket) bool { return t.TicketRef == m.use.Fetch })
}

// newAtOnce returns the part of a batch that a query may be able to write.
func newAtOnce(members []*member) *atOnce {
	o := new(atOnce)
	ended := make(map[store.GrantID]bool)
	for _, m := range members {
		if m.end != nil {
			if !ended[m.end.Grant] && ordinaryEnd(m.end) {
				o.ends = append(o.ends, m)
			}
			ended[m.end.Grant] = true
			continue
		}
		u, ok := m.ordinary()
		if !ok {
			continue
		}
		o.uses = append(o.uses, u)
		o.lease = o.lease || !m.use.Lease.ID.IsZero()
		o.ticket = o.ticket || m.use.Fetch != (store.TicketRef{})
		o.state = o.state || m.use.State
		o.creates = o.creates || m.child != nil
		o.puts = o.puts || len(m.use.Tickets.Put) > 0
	}
	return o
}

// spendAtOnce tries to grant uses and to end leases with one query. It marks those that
// are done.
func (s *Store) spendAtOnce(ctx context.Context, members []*member) error {
	if !s.engine.decides() {
		return nil
	}
	o := newAtOnce(members)
	if len(o.uses) == 0 && len(o.ends) < 2 { // commitEnds needs less
		return nil
	}
	text, args := s.engine.spendAtOnce(o)
	if text == "" {
		return nil
	}
	rows := make([]atOnceRow, 0, len(o.uses)+len(o.ends))
	err := s.writeOne(ctx, func(on *single) error {
		rows = rows[:0]
		return on.each(ctx, func(r row) error {
			rows = append(rows, atOnceRow{})
			return r.Scan(rows[len(rows)-1].fields(o)...)
		}, text, args...)
	})
	if err != nil {
		return err
	}
	for i := range rows {
		switch r := &rows[i]; {
		case r.n < len(o.uses) && o.whole:
			for k := range o.uses {
				r.grants(&o.uses[k], r.lease == o.uses[k].use.Lease.ID)
			}
		case r.n < len(o.uses):
			r.grants(&o.uses[r.n], true)
		case o.wholeEnds:
			for _, m := range o.ends {
				m.ended, m.done = true, true
			}
		default:
			m := o.ends[r.n-len(o.uses)]
			m.ended, m.done = true, true
		}
	}
	return nil
}

// atOnceRow is what the query returns about one use.
type atOnceRow struct {
	n int
	store.Spent

	lease    store.LeaseID   // if one row answers all uses
	until    sql.Null[int64] // of the lease; NULL: not taken
	refresh  store.Refresh
	status   sql.Null[int64] // of the ticket; NULL: none
	ticket   store.Ticket
	state    store.State
	clauses  int
	counters counters
}

// counters scans the counters of a token as JSON; see atOnce.
type counters [][7]int64

// Scan implements [database/sql.Scanner].
func (c *counters) Scan(v any) error {
	switch v := v.(type) {
	case []byte:
		return json.Unmarshal(v, c)
	case string:
		return json.Unmarshal([]byte(v), c)
	}
	return nil
}

func (r *atOnceRow) fields(o *atOnce) []any {
	all := []any{&r.n, scan(r.Grant[:]), scan(r.Owner[:]), (*[]byte)(&r.Key)}
	if o.lease && o.whole {
		all = append(all, scan(r.lease[:]))
	}
	if o.lease {
		all = append(all, &r.until, orZero[uint64]{&r.refresh.Generation}, (*[]byte)(&r.refresh.Token),
			orZero[string]{&r.refresh.Scope}, orZero[string]{&r.refresh.Audience}, orZero[string]{&r.refresh.Worked})
	}
	if o.ticket {
		all = append(all, &r.status, (*[]byte)(&r.ticket.Key), (*[]byte)(&r.ticket.Payload), scan(r.ticket.Token[:]),
			orZero[bool]{&r.ticket.OwnsToken}, orZero[store.Micros]{&r.ticket.Expires})
	}
	if o.state {
		all = append(all, (*pathOf)(&r.state.Ancestors), (*[]byte)(&r.state.About), orZero[store.Micros]{&r.state.Created},
			orZero[store.Micros]{&r.state.Expires}, orZero[int]{&r.clauses}, orZero[bool]{&r.state.Dead}, &r.counters)
	}
	return all
}

// grants makes the row an answer to a use, which has taken the lease of the row or not.
// Answers share no memory.
func (r *atOnceRow) grants(o *ordinary, leased bool) {
	spent := r.Spent
	spent.Clause, spent.Key = o.clause, slices.Clone(r.Key)
	if leased && r.until.Valid {
		refresh := r.refresh
		refresh.Until, refresh.Token = store.Micros(r.until.V), slices.Clone(r.refresh.Token)
		spent.Refresh = &refresh
	}
	if r.status.Valid {
		ticket := r.ticket
		ticket.TicketRef, ticket.Status = o.use.Fetch, store.TicketStatus(r.status.V)
		ticket.Key, ticket.Payload = orNil(slices.Clone(r.ticket.Key)), orNil(slices.Clone(r.ticket.Payload))
		spent.Ticket = &ticket
	}
	if o.use.State {
		spent.State = r.stateOf(o)
	}
	o.spent, o.err, o.done = spent, nil, true // a batch that failed may have left an error
}

// stateOf returns the state of the token. The query grants uses of live tokens alone, and
// only if the current generation was presented.
func (r *atOnceRow) stateOf(o *ordinary) *store.State {
	t := token{about: slices.Clone(r.state.About), created: r.state.Created, expires: r.state.Expires}
	t.ID, t.Grant, t.Owner, t.Ancestors, t.Seq, t.Clauses, t.Live = o.token.ID, r.Grant, r.Owner, slices.Clone(r.state.Ancestors), o.token.Seq, r.clauses, true
	for _, c := range r.counters {
		t.links = append(t.links, link{
			kind: store.Kind(c[0]), clause: int(c[1]), depth: int(c[2]),
			origin: int(c[3]), limit: store.Limit(c[4]), used: c[5], lastUsed: store.Micros(c[6]),
		})
	}
	slices.SortFunc(t.links, func(a, b link) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.clause, b.clause), cmp.Compare(a.depth, b.depth))
	})
	return &store.State{TokenInfo: t.info(), Key: slices.Clone(r.Key), Dead: r.state.Dead}
}
