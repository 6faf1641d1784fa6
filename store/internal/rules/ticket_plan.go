package rules

import (
	"bytes"
	"maps"

	"github.com/mytoken-go/sdk/store"
)

// TicketPlan collects changes to tickets that a store can make together. It changes
// nothing itself: the store writes its Rows.
type TicketPlan struct {
	// Read returns a stored ticket, or nil. The plan reads only tickets that the changes
	// name.
	Read func(store.TicketRef) *Ticket
	// Rows are the tickets as they will be. The store deletes those that are nil.
	Rows map[store.TicketRef]*Ticket
}

// Add plans one set of changes on top of the earlier ones. If the changes are not
// possible, Add returns an error that [store.TicketChanges] names and leaves the plan as
// it was.
func (p *TicketPlan) Add(c *store.TicketChanges, now store.Micros) error {
	if c.IsZero() {
		return nil
	}
	if err := c.Check(); err != nil {
		return err
	}
	next := TicketPlan{Read: p.Read, Rows: maps.Clone(p.Rows)}
	if next.Rows == nil {
		next.Rows = make(map[store.TicketRef]*Ticket)
	}
	if err := next.change(c, now); err != nil {
		return err
	}
	p.Rows = next.Rows
	return nil
}

func (p *TicketPlan) change(c *store.TicketChanges, now store.Micros) error {
	for _, ref := range c.Consume {
		if err := p.consume(ref, c.By, now); err != nil {
			return err
		}
	}
	for i := range c.Complete {
		if err := p.complete(&c.Complete[i], now); err != nil {
			return err
		}
	}
	for _, ref := range c.Drop {
		p.Rows[ref] = nil
	}
	for _, t := range c.Put {
		if err := p.put(NewTicket(t)); err != nil {
			return err
		}
	}
	return nil
}

// get returns the ticket as planned so far, or nil.
func (p *TicketPlan) get(ref store.TicketRef) *Ticket {
	if t, ok := p.Rows[ref]; ok {
		return t
	}
	return p.Read(ref)
}

// edit calls change with a copy of a ticket and plans the result. change reports false if
// an earlier call did its work already.
func (p *TicketPlan) edit(ref store.TicketRef, now store.Micros, change func(*Ticket) (bool, error)) error {
	t := p.get(ref)
	if !t.Found() {
		return store.ErrTicketNotFound
	}
	n := *t
	changed, err := change(&n)
	switch {
	case err != nil || !changed:
		return err
	case t.Expired(now):
		return store.ErrTicketExpired
	}
	p.Rows[ref] = &n
	return nil
}

func (p *TicketPlan) consume(ref store.TicketRef, by store.UseID, now store.Micros) error {
	return p.edit(ref, now, func(t *Ticket) (bool, error) {
		switch {
		case t.Taker == by:
			return false, nil
		case !t.Taker.IsZero():
			return false, store.ErrTicketTaken
		}
		t.take(by)
		return true, nil
	})
}

func (p *TicketPlan) complete(c *store.Completion, now store.Micros) error {
	return p.edit(c.TicketRef, now, func(t *Ticket) (bool, error) {
		sum := DoneSum(c)
		switch {
		case t.Done == sum:
			return false, nil
		case t.Status != store.TicketPending || !t.Taker.IsZero():
			return false, store.ErrTicketTaken
		}
		t.Status, t.Payload, t.Done = c.Status, bytes.Clone(c.Payload), sum
		if !c.Token.IsZero() {
			t.Token = c.Token
		}
		return true, nil
	})
}

func (p *TicketPlan) put(n *Ticket) error {
	old := p.get(n.TicketRef)
	switch {
	case old == nil:
		p.Rows[n.TicketRef] = n
		return nil
	case old.Put == n.Put:
		return nil
	}
	return store.ErrExists
}
