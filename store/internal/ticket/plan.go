package ticket

import (
	"bytes"

	"github.com/mytoken-go/sdk/store"
)

// Plan finds out whether changes can be made, and changes nothing. read
// returns a row, or nil; it is asked for those that the changes name. The
// result are the rows as they shall be; nil: deleted.
func Plan(c *store.TicketChanges, now store.Micros, read func(store.TicketRef) *Row) (map[store.TicketRef]*Row, error) {
	if c.IsZero() {
		return nil, nil
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	p := plan{read: read, rows: make(map[store.TicketRef]*Row)}
	if err := p.change(c, now); err != nil {
		return nil, err
	}
	return p.rows, nil
}

type plan struct {
	read func(store.TicketRef) *Row
	rows map[store.TicketRef]*Row
}

func (p *plan) change(c *store.TicketChanges, now store.Micros) error {
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
		p.rows[ref] = nil
	}
	for _, t := range c.Put {
		if err := p.put(New(t)); err != nil {
			return err
		}
	}
	return nil
}

// get returns the row as planned so far, or nil.
func (p *plan) get(ref store.TicketRef) *Row {
	if r, ok := p.rows[ref]; ok {
		return r
	}
	return p.read(ref)
}

// edit lets change see a copy of the row, if the ticket is found, and plans
// what it made of it. A change that reports false has found its work done.
func (p *plan) edit(ref store.TicketRef, now store.Micros, change func(*Row) (bool, error)) error {
	r := p.get(ref)
	if !r.Found() {
		return store.ErrTicketNotFound
	}
	n := *r
	changed, err := change(&n)
	switch {
	case err != nil || !changed:
		return err
	case r.Expired(now):
		return store.ErrTicketExpired
	}
	p.rows[ref] = &n
	return nil
}

func (p *plan) consume(ref store.TicketRef, by store.UseID, now store.Micros) error {
	return p.edit(ref, now, func(r *Row) (bool, error) {
		switch {
		case r.Taker == by:
			return false, nil
		case !r.Taker.IsZero():
			return false, store.ErrTicketTaken
		}
		r.take(by)
		return true, nil
	})
}

func (p *plan) complete(c *store.Completion, now store.Micros) error {
	return p.edit(c.TicketRef, now, func(r *Row) (bool, error) {
		sum := doneSum(c)
		switch {
		case r.Done == sum:
			return false, nil
		case r.Status != store.TicketPending || !r.Taker.IsZero():
			return false, store.ErrTicketTaken
		}
		r.Status, r.Payload, r.Done = c.Status, bytes.Clone(c.Payload), sum
		if !c.Token.IsZero() {
			r.Token = c.Token
		}
		return true, nil
	})
}

func (p *plan) put(n *Row) error {
	old := p.get(n.TicketRef)
	switch {
	case old == nil:
		p.rows[n.TicketRef] = n
		return nil
	case old.Put == n.Put:
		return nil
	}
	return store.ErrExists
}
