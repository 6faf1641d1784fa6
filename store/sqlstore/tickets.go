package sqlstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// ChangeTickets implements [store.Tickets].
func (s *Store) ChangeTickets(ctx context.Context, changes store.TicketChanges, now store.Micros) error {
	return s.step(ctx, "change tickets", func() error {
		plan, err := s.planChanges(ctx, &changes, now)
		if err != nil || len(plan.Rows) == 0 {
			return err
		}
		return s.write(ctx, func(tx runner) error { return s.applyTickets(ctx, tx, plan) })
	})
}

// ResolveTicket implements [store.Tickets].
func (s *Store) ResolveTicket(ctx context.Context, kind store.TicketKind, names []store.TicketID, now store.Micros) (store.Ticket, error) {
	refs := make([]store.TicketRef, len(names))
	for i, id := range names {
		refs[i] = store.TicketRef{Kind: kind, ID: id}
	}
	var found map[store.TicketRef]*ticketRow
	err := s.step(ctx, "read a ticket", func() (err error) {
		found, err = s.readTickets(ctx, refs)
		return err
	})
	if err != nil {
		return store.Ticket{}, err
	}
	for _, ref := range refs {
		t := found[ref]
		if t == nil || !t.Found() {
			continue
		}
		if err := t.Resolvable(now); err != nil {
			return store.Ticket{}, err
		}
		return t.Ticket.Ticket, nil
	}
	return store.Ticket{}, store.ErrTicketNotFound
}

// TakeTicket implements [store.Tickets].
func (s *Store) TakeTicket(ctx context.Context, ref store.TicketRef, taker store.UseID, event store.Event, now store.Micros) error {
	if err := store.CheckTakeTicket(ref, taker); err != nil {
		return err
	}
	return s.step(ctx, "take a ticket", func() error {
		found, err := s.readTickets(ctx, []store.TicketRef{ref})
		if err != nil {
			return err
		}
		was := found[ref]
		if was == nil {
			return store.ErrTicketNotFound
		}
		taken, err := was.Taken(taker, now)
		if err != nil || taken == nil {
			return err
		}
		return s.takeTicket(ctx, was, taken, event)
	})
}

// takeTicket writes a taken ticket, and adds the event to the history of its token.
func (s *Store) takeTicket(ctx context.Context, was *ticketRow, taken *rules.Ticket, event store.Event) error {
	if event.Name == "" || was.owner == 0 {
		return s.writeOne(ctx, func(on runner) error { return s.applyTicket(ctx, on, was, taken) })
	}
	return s.write(ctx, func(tx runner) error {
		err := s.must(ctx, tx, 1, touchToken, was.owner, int64(store.NoClause), int64(store.UseUncounted))
		if err != nil {
			return err
		}
		if err := s.applyTicket(ctx, tx, was, taken); err != nil {
			return err
		}
		return s.addEvents(ctx, tx, was.owner, event)
	})
}
