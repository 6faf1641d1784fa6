package memstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// orphaned reports whether the ticket's token is gone or not live.
func (s *Store) orphaned(t *rules.Ticket) bool {
	if t.Token.IsZero() {
		return false
	}
	owner := s.tokens[t.Token]
	return owner == nil || !owner.live()
}

// ticket returns a copy of the row, or nil.
func (s *Store) ticket(ref store.TicketRef) *rules.Ticket {
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

// dropAccessOf deletes the kept access tokens of a grant.
func (s *Store) dropAccessOf(grant store.GrantID) {
	for ref, t := range s.tickets {
		if owner := s.tokens[t.Token]; ref.Kind == store.TicketAccess && owner != nil && owner.Grant == grant {
			delete(s.tickets, ref)
		}
	}
}

// planTickets decides whether changes can be made. It changes nothing.
func (s *Store) planTickets(c *store.TicketChanges, now store.Micros) (*rules.TicketPlan, error) {
	plan := &rules.TicketPlan{Read: s.ticket}
	return plan, plan.Add(c, now)
}

func (s *Store) applyTickets(plan *rules.TicketPlan) {
	for ref, t := range plan.Rows {
		if t == nil {
			delete(s.tickets, ref)
			continue
		}
		s.tickets[ref] = t
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
	s.applyTickets(plan)
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
		return *t.Contents(), nil
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
