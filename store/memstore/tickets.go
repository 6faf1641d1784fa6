package memstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/ticket"
)

// orphaned tells whether the ticket's token is gone or not live.
func (s *Store) orphaned(t *ticket.Row) bool {
	if t.Token.IsZero() {
		return false
	}
	owner := s.tokens[t.Token]
	return owner == nil || !owner.live()
}

// ticket returns a copy of the row, or nil.
func (s *Store) ticket(ref store.TicketRef) *ticket.Row {
	t := s.tickets[ref]
	if t == nil {
		return nil
	}
	out := *t
	out.Orphaned = s.orphaned(t)
	return &out
}

func (s *Store) dropTicketsOf(id store.TokenID) {
	for ref, t := range s.tickets {
		if t.Token == id {
			delete(s.tickets, ref)
		}
	}
}

// ticketPlan is a set of changes that were found to be possible.
type ticketPlan struct {
	s    *Store
	rows map[store.TicketRef]*ticket.Row
}

// planTickets finds out whether the changes can be made, and changes nothing.
func (s *Store) planTickets(c *store.TicketChanges, now store.Micros) (*ticketPlan, error) {
	rows, err := ticket.Plan(c, now, s.ticket)
	if err != nil {
		return nil, err
	}
	return &ticketPlan{s, rows}, nil
}

func (p *ticketPlan) apply() {
	for ref, t := range p.rows {
		if t == nil {
			delete(p.s.tickets, ref)
			continue
		}
		p.s.tickets[ref] = t
	}
}

// ChangeTickets implements [store.Tickets].
func (s *Store) ChangeTickets(ctx context.Context, changes store.TicketChanges, now store.Micros) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	plan, err := s.planTickets(&changes, now)
	if err != nil {
		return err
	}
	plan.apply()
	return nil
}

// ResolveTicket implements [store.Tickets].
func (s *Store) ResolveTicket(ctx context.Context, kind store.TicketKind, ids []store.TicketID, now store.Micros) (store.Ticket, error) {
	if err := s.lock(ctx); err != nil {
		return store.Ticket{}, err
	}
	defer s.mu.Unlock()

	for _, id := range ids {
		t := s.ticket(store.TicketRef{Kind: kind, ID: id})
		if !t.Found() {
			continue
		}
		if err := t.Resolvable(now); err != nil {
			return store.Ticket{}, err
		}
		out := t.Ticket
		out.Key, out.Payload = clone(out.Key), clone(out.Payload)
		return out, nil
	}
	return store.Ticket{}, store.ErrTicketNotFound
}

// TakeTicket implements [store.Tickets].
func (s *Store) TakeTicket(ctx context.Context, ref store.TicketRef, taker store.UseID, event store.Event, now store.Micros) error {
	if err := store.CheckTakeTicket(ref, taker); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	taken, err := s.ticket(ref).Taken(taker, now)
	if err != nil || taken == nil {
		return err
	}
	s.tickets[ref] = taken
	if owner := s.tokens[taken.Token]; owner != nil {
		s.record(owner, event)
	}
	return nil
}
