package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// decision is everything that a batch of uses writes, in one transaction. The answers to
// the uses are right only if all of it is written.
type decision struct {
	read      map[store.GrantID]*grant // on which uses may take leases
	grants    []*grant                 // that have changed, in the order of their ids
	ends      []*member                // of leases on grants that were not read
	charges   []charge                 // in the order of their counters
	history   []entry
	confirmed []confirmation
	children  []creation
	tickets   *ticketPlan
}

// charge is what a batch takes from one counter.
type charge struct {
	counter int64
	n       int64
	// full says that the counter must have nothing left afterwards: the batch refused a
	// use, or charged a later clause, for that reason.
	full bool
	// touch says that the row must be written even if n is 0, where transactions write at
	// the same time. The counter has no limit.
	touch bool
	// at is when the counter's own token used it, or 0.
	at int64
}

// added returns how much a transaction adds that may have others beside it.
func (c *charge) added() int64 {
	if c.touch {
		return max(c.n, 1)
	}
	return c.n
}

// confirmation says that the current generation of a token was presented.
type confirmation struct {
	token int64
	seq   uint64
}

// creation is a token that a use creates.
type creation struct {
	parent *token
	child  *store.Token
}

// lag is how far the recorded instant of the last use may be behind, in microseconds.
const lag = 30_000_000

// add decides one use on top of the earlier ones. If the use cannot be granted, add
// returns the reason and charges nothing.
func (d *decision) add(m *member) error {
	if m.child != nil {
		if err := m.row.CheckDepth(); err != nil {
			return err
		}
	}
	if err := m.use.Check(m.row.Clauses); err != nil {
		return err
	}
	choice, err := d.choose(m)
	if err != nil {
		return err
	}
	if err := d.tickets.Add(&m.use.Tickets, m.use.Now); err != nil {
		return err
	}
	d.demandFull(choice.Full)
	own := choice.Charged[0]
	e := entry{token: m.row.row, event: m.use.Event, use: m.use.ID, used: m.use.Now, kind: own.kind, clause: own.clause}
	if m.child != nil {
		e.child = m.child.ID
		if own.clause != store.NoClause { // see createToken
			d.charge(m.row.chain(store.UseUncounted, store.NoClause)[0].counter).touch = true
		}
		d.children = append(d.children, creation{m.row, m.child})
		d.tickets.guarded[m.child.ID] = true
	}
	if own.clause == store.NoClause { // one statement may write a row only once
		d.tickets.guarded[m.row.ID] = true
	}
	d.history = append(d.history, e)
	for _, l := range choice.Charged {
		c := d.charge(l.counter)
		c.n++
		if l.depth == 0 && m.use.Kind != store.UseUncounted && m.use.Now > l.lastUsed+lag {
			c.at = max(c.at, int64(m.use.Now))
		}
	}
	d.confirm(m)
	m.spent.Clause = choice.Clause
	return nil
}

// choose finds the clause to charge for a use. A use without a clause writes the token's
// counter for no clause.
func (d *decision) choose(m *member) (rules.Choice[link], error) {
	certain := true // the batch itself has exhausted nothing
	choice, err := rules.Choose(m.use, func(clause int) []link {
		if clause == store.NoClause {
			return m.row.chain(store.UseUncounted, store.NoClause)
		}
		return m.row.chain(m.use.Kind, clause)
	}, func(l link) rules.Counter {
		pending := d.pending(l.counter)
		c := rules.Counter{Token: m.row.tokenOf(l), Clause: l.origin, Limit: l.limit, Used: l.used + pending}
		certain = certain && (pending == 0 || !c.Full())
		return c
	})
	if err != nil && !certain {
		d.demandFull(choice.Full)
	}
	return choice, err
}

// find returns the index of a counter among the charges, or where it belongs, and whether
// it is there.
func (d *decision) find(counter int64) (int, bool) {
	return slices.BinarySearchFunc(d.charges, counter, func(c charge, id int64) int { return cmp.Compare(c.counter, id) })
}

// charge returns the charge of a counter, for changing. It adds one if there is none.
func (d *decision) charge(counter int64) *charge {
	i, ok := d.find(counter)
	if !ok {
		d.charges = slices.Insert(d.charges, i, charge{counter: counter})
	}
	return &d.charges[i]
}

// pending returns how much the batch takes from a counter so far.
func (d *decision) pending(counter int64) int64 {
	if i, ok := d.find(counter); ok {
		return d.charges[i].n
	}
	return 0
}

// demandFull records that the answers are right only if these counters are full in the
// end.
func (d *decision) demandFull(counters []link) {
	for _, l := range counters {
		d.charge(l.counter).full = true
	}
}

// confirm records that the current generation was presented, unless that is recorded
// already.
func (d *decision) confirm(m *member) {
	c := confirmation{m.row.row, m.row.Seq}
	if m.confirms && !slices.Contains(d.confirmed, c) {
		d.confirmed = append(d.confirmed, c)
	}
}

// demands returns the statements that write grants, counters, the history, generations
// that were presented, and new tokens.
func (d *decision) demands(e engine) []demand {
	all := e.grants(d)
	if len(d.charges) > 0 {
		all = append(all, e.spend(d)...)
	}
	for _, c := range d.confirmed {
		all = append(all, confirm(c)...)
	}
	for _, c := range d.children {
		// The use has written a counter of the parent. So the parent exists, and stays
		// until this transaction has been committed.
		all = append(all, createToken(c.parent, c.child)...)
	}
	return all
}

// commit writes a decision, with a single statement if possible.
func (s *Store) commit(ctx context.Context, d *decision) error {
	if len(d.grants)+len(d.charges)+len(d.confirmed) == 0 {
		return s.commitEnds(ctx, d)
	}
	return s.writeAll(ctx, append(d.demands(s.engine), d.tickets.changes()...), len(d.children)+len(d.tickets.Rows) == 0)
}

// confirm returns the statements that record that a generation was presented, and erase
// what earlier ones open. If the token was rotated meanwhile, the rotation has done that
// already.
func confirm(c confirmation) []demand {
	return []demand{{
		text: `UPDATE {tokens} SET confirmed = ? WHERE id = ? AND seq = ? AND confirmed < ?`,
		args: []any{int64(c.seq), c.token, int64(c.seq), int64(c.seq)}, rows: anyRows,
	}, eraseGenerations(c)}
}
