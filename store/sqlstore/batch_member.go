package sqlstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// member is one use in a batch, or one end of a lease. The batch may have no other.
type member struct {
	token store.Presented
	use   *store.Use
	child *store.Token // what the use creates, or nil
	end   *store.End   // if set, the member is no use but ends a lease; see ordinaryEnd

	row      *token // of the presented token
	confirms bool   // the presented generation is not recorded as confirmed yet
	spent    store.Spent
	err      error // why the use was not granted: an error of package store, or nil
	ended    bool  // the transaction has ended the lease
	done     bool  // committed: the use has its answer. An end that needs to read the grant is never done
}

// plain reports whether the member costs a batch few statements: it creates nothing, and
// changes no tickets that have to be read.
func (m *member) plain() bool { return m.end != nil || m.child == nil && onlyPuts(&m.use.Tickets) }

// stepOf names what the members do, for errors.
func stepOf(members ...*member) string {
	if slices.ContainsFunc(members, func(m *member) bool { return m.end == nil }) {
		return "spend"
	}
	return endStep
}

// readDecision reads what a batch needs: tokens, grants and tickets. It returns a decision
// that writes nothing yet.
func (s *Store) readDecision(ctx context.Context, members []*member, leases bool) (*decision, error) {
	d := &decision{}
	tokens, err := s.readMembers(ctx, members)
	if err == nil && leases {
		d.read, err = s.readGrantsOf(ctx, members)
	}
	if err == nil {
		d.tickets, err = s.readTicketsOf(ctx, members)
	}
	for _, m := range members {
		*m = member{token: m.token, use: m.use, child: m.child, end: m.end, row: tokens[m.token.ID]}
	}
	return d, err
}

// readMembers reads the presented tokens.
func (s *Store) readMembers(ctx context.Context, members []*member) (map[store.TokenID]*token, error) {
	var spending, whole blobs // with the counters that the uses spend; with all of them
	kinds, clauses := ids{int64(store.UseUncounted)}, ids{store.NoClause}
	wanted := make(map[store.TokenID]bool, len(members)) // whole
	for _, m := range members {
		if m.end == nil {
			wanted[m.token.ID] = wanted[m.token.ID] || m.use.State
		}
	}
	for _, m := range members {
		if m.end != nil {
			continue
		}
		switch all, first := wanted[m.token.ID]; {
		case !first: // it is on its list
		case all:
			whole = append(whole, m.token.ID[:])
		default:
			spending = append(spending, m.token.ID[:])
		}
		delete(wanted, m.token.ID)
		kinds = append(kinds, int64(m.use.Kind))
		for _, c := range m.use.Candidates {
			clauses = append(clauses, int64(c))
		}
	}
	found := make(map[store.TokenID]*token, len(members))
	if len(spending) > 0 {
		var err error
		if found, err = s.readPresented(ctx, spending, unique(kinds), unique(clauses)); err != nil {
			return nil, err
		}
	}
	if len(whole) == 0 {
		return found, nil
	}
	all, err := s.readInfos(ctx, oneQuery, whole)
	for _, t := range all {
		found[t.ID] = t
	}
	return found, err
}

// readTicketsOf reads the tickets that the uses change and return.
func (s *Store) readTicketsOf(ctx context.Context, members []*member) (*ticketPlan, error) {
	var refs []store.TicketRef
	for _, m := range members {
		if m.end != nil {
			continue
		}
		refs = append(refs, ticketsOf(&m.use.Tickets)...)
		if m.use.Fetch != (store.TicketRef{}) {
			refs = append(refs, m.use.Fetch)
		}
	}
	return s.planTickets(ctx, refs)
}
