package sqlstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// ChangeTickets implements [store.Tickets].
func (s *Store) ChangeTickets(ctx context.Context, changes store.TicketChanges, now store.Micros) error {
	blind := blindChanges(&changes, now)
	return s.step(ctx, "change tickets", func() error {
		if len(blind) > 0 {
			err := s.writeAll(ctx, blind, false)
			if blind = nil; !s.unmet(err) {
				return err
			}
		}
		plan, err := s.planChanges(ctx, &changes, now)
		if err != nil || len(plan.Rows) == 0 {
			return err
		}
		return s.writeAll(ctx, plan.changes(), false)
	})
}

// blindChanges returns statements that make changes without reading the tickets. Each
// fails unless it finds what the usual call finds: a pending ticket of no token to
// complete, and no ticket where it puts one. It returns nil for changes that need more.
func blindChanges(c *store.TicketChanges, now store.Micros) []demand {
	if len(c.Consume)+len(c.Drop) > 0 || len(c.Complete) == 0 || c.Check() != nil {
		return nil
	}
	p := &ticketPlan{TicketPlan: rules.TicketPlan{Rows: make(map[store.TicketRef]*rules.Ticket)}}
	completions := make(map[store.TicketRef]demand)
	for i := range c.Complete {
		t := &c.Complete[i]
		if _, twice := completions[t.TicketRef]; twice || !t.Token.IsZero() {
			return nil
		}
		completions[t.TicketRef] = completePending(t, now)
		p.Rows[t.TicketRef] = nil // for its place in the order
	}
	for _, t := range c.Put {
		if _, twice := p.Rows[t.TicketRef]; twice {
			return nil
		}
		p.Rows[t.TicketRef] = rules.NewTicket(t)
	}
	all := touchTokens(p.tokens())
	for _, ref := range p.order() {
		if d, ok := completions[ref]; ok {
			all = append(all, d)
		} else {
			all = append(all, writeTicket(nil, p.Rows[ref])...)
		}
	}
	return all
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
		return s.writeAll(ctx, writeTicket(was, taken), true)
	}
	touch := demand{text: touchToken, args: []any{was.owner, int64(store.NoClause), int64(store.UseUncounted)}, rows: 1}
	return s.writeAll(ctx, slices.Concat([]demand{touch}, writeTicket(was, taken), events(was.owner, event)), false)
}
