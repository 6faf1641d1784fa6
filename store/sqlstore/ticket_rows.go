package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// ticketRow is a ticket with the version of its row and the key of its token.
type ticketRow struct {
	rules.Ticket
	version int64
	owner   int64 // key of its token, or 0
}

// readTickets reads tickets and whether their tokens are live. It finds tickets of all
// kinds with these ids.
func (s *Store) readTickets(ctx context.Context, refs []store.TicketRef) (map[store.TicketRef]*ticketRow, error) {
	found := make(map[store.TicketRef]*ticketRow)
	if len(refs) == 0 {
		return found, nil
	}
	var l blobs
	for _, r := range refs {
		l = append(l, r.ID[:])
	}
	err := s.each(ctx, s.db, func(r *sql.Rows) error {
		t := new(ticketRow)
		err := r.Scan(scan(t.ID[:]), &t.Kind, &t.version, &t.Status, (*[]byte)(&t.Key), (*[]byte)(&t.Payload),
			scan(t.Token[:]), &t.OwnsToken, (*int64)(&t.Expires), scan(t.Put[:]), scan(t.Done[:]), scan(t.Taker[:]), &t.owner, verdict{&t.Orphaned, true})
		t.Key, t.Payload = orNil(t.Key), orNil(t.Payload)
		found[t.TicketRef] = t
		return err
	}, `
		SELECT k.ticket_id, k.kind, k.version, k.status, k.sealed_key, k.payload, k.token_id, k.owns_token, k.expires,
			k.put_sum, k.done_sum, k.taker_id, COALESCE(t.id, 0),
			CASE WHEN k.token_id IS NULL THEN 0 WHEN t.id IS NULL THEN 1 ELSE `+death+` END
		FROM {tickets} k LEFT JOIN {tokens} t ON t.token_id = k.token_id AND t.buried = 0
		WHERE k.ticket_id IN ?`, l)
	return found, err
}

func orNil(b store.Sealed) store.Sealed {
	if len(b) == 0 {
		return nil
	}
	return b
}

// ticketPlan collects changes to tickets, and knows the rows before the changes.
type ticketPlan struct {
	rules.TicketPlan
	was map[store.TicketRef]*ticketRow
	// guarded are tokens that need no touchTokens: the same step creates them, or charges
	// their counter for no clause.
	guarded map[store.TokenID]bool
}

// ticketsOf lists the tickets that changes name.
func ticketsOf(c *store.TicketChanges) []store.TicketRef {
	refs := slices.Concat(c.Consume, c.Drop)
	for i := range c.Complete {
		refs = append(refs, c.Complete[i].TicketRef)
	}
	for i := range c.Put {
		refs = append(refs, c.Put[i].TicketRef)
	}
	return refs
}

// planTickets reads tickets and returns a plan that changes none of them yet.
func (s *Store) planTickets(ctx context.Context, refs []store.TicketRef) (*ticketPlan, error) {
	p := &ticketPlan{guarded: make(map[store.TokenID]bool)}
	p.Read = func(ref store.TicketRef) *rules.Ticket {
		if t := p.was[ref]; t != nil {
			return &t.Ticket
		}
		return nil
	}
	var err error
	p.was, err = s.readTickets(ctx, refs)
	return p, err
}

// planChanges reads tickets and plans one set of changes.
func (s *Store) planChanges(ctx context.Context, c *store.TicketChanges, now store.Micros) (*ticketPlan, error) {
	p, err := s.planTickets(ctx, ticketsOf(c))
	if err != nil {
		return nil, err
	}
	return p, p.Add(c, now)
}

// order returns the tickets to write in the order of their keys.
func (p *ticketPlan) order() []store.TicketRef {
	var refs []store.TicketRef
	for ref := range p.Rows {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b store.TicketRef) int {
		return cmp.Or(bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Kind, b.Kind))
	})
	return refs
}

// tokens returns the tokens that get a ticket by the changes, except guarded ones.
func (p *ticketPlan) tokens() blobs {
	var l blobs
	for ref, t := range p.Rows {
		if t == nil || t.Token.IsZero() || p.guarded[t.Token] {
			continue
		}
		if was := p.was[ref]; was == nil || was.Token != t.Token {
			l = append(l, t.Token[:])
		}
	}
	slices.SortFunc(l, bytes.Compare)
	return l
}

// changes returns the statements that make the changes. Each fails if its row is no longer
// as it was read.
func (p *ticketPlan) changes() []demand { return append(touchTokens(p.tokens()), p.writes()...) }

// writes returns the statements that make the changes, after those of touchTokens.
func (p *ticketPlan) writes() []demand {
	var all []demand
	for _, ref := range p.order() {
		all = append(all, writeTicket(p.was[ref], p.Rows[ref])...)
	}
	return all
}

// touchTokens returns statements that write a counter of each token. So nobody deletes or
// revokes these tokens until the transaction has been committed.
func touchTokens(tokens blobs) []demand {
	var all []demand
	for _, id := range tokens {
		all = append(all, demand{
			text: `
				UPDATE {counters} SET used = used + 1
				WHERE token = (SELECT t.id FROM {tokens} t WHERE t.token_id = ? AND t.buried = 0) AND clause = ? AND kind = ?`,
			args: []any{id, int64(store.NoClause), int64(store.UseUncounted)}, rows: anyRows,
		})
	}
	return all
}

const insertTicket = `
	INSERT INTO {tickets} (ticket_id, kind, version, status, sealed_key, payload, token_id, owns_token, expires,
		put_sum, done_sum, taker_id, sweep_at)
	VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// ticketColumns returns the columns of insertTicket.
func ticketColumns(t *rules.Ticket) []any {
	return []any{
		t.ID[:], int64(t.Kind), int64(t.Status), filled(t.Key), filled(t.Payload), orNull(t.Token, t.Token[:]),
		flag(t.OwnsToken), int64(t.Expires), t.Put[:], orNull(t.Done, t.Done[:]), orNull(t.Taker, t.Taker[:]), ticketSweepAt(t),
	}
}

// writeTicket returns the statement that writes one ticket, if there is anything to
// write. was is nil if the ticket is new. is is nil if the ticket is to be deleted.
func writeTicket(was *ticketRow, is *rules.Ticket) []demand {
	const key = ` WHERE ticket_id = ? AND kind = ? AND version = ? AND put_sum = ?`
	switch {
	case was == nil && is == nil:
		return nil
	case was == nil:
		return []demand{{text: insertTicket, args: ticketColumns(is), rows: 1}}
	}
	row := []any{was.ID[:], int64(was.Kind), was.version, was.Put[:]}
	if is == nil {
		return []demand{{text: `DELETE FROM {tickets}` + key, args: row, rows: 1}}
	}
	return []demand{{
		text: `
			UPDATE {tickets} SET version = version + 1, status = ?, sealed_key = ?, payload = ?, token_id = ?, owns_token = ?, expires = ?,
				put_sum = ?, done_sum = ?, taker_id = ?, sweep_at = ?` + key,
		args: append(ticketColumns(is)[2:], row...), rows: 1,
	}}
}

// completePending returns the statement that completes a pending ticket of no token.
func completePending(c *store.Completion, now store.Micros) demand {
	sum := rules.DoneSum(c)
	return demand{
		text: `
			UPDATE {tickets} SET version = version + 1, status = ?, payload = ?, done_sum = ?,
				sweep_at = CASE WHEN expires = 0 THEN NULL WHEN LENGTH(sealed_key) + ? = 0 THEN -(expires + ?) ELSE expires END
			WHERE ticket_id = ? AND kind = ? AND status = ? AND taker_id IS NULL AND token_id IS NULL AND (expires = 0 OR expires >= ?)`,
		args: []any{
			int64(c.Status), filled(c.Payload), sum[:], int64(len(c.Payload)), rules.ExpiredTicketsKept.Microseconds(),
			c.ID[:], int64(c.Kind), int64(store.TicketPending), int64(now),
		},
		rows: 1,
	}
}

// ticketSweepAt returns when Sweep has to erase the ticket, or NULL for never. A negative
// instant says that the ticket is empty, and when Sweep deletes it.
func ticketSweepAt(t *rules.Ticket) any {
	switch {
	case t.Expires == 0:
		return nil
	case len(t.Key)+len(t.Payload) == 0:
		return -int64(t.Expires.Add(rules.ExpiredTicketsKept))
	}
	return int64(t.Expires)
}
