package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// charge is what is taken from one counter, for one use or for several.
type charge struct {
	counter int64
	n       int64
	// full says that nothing must be left afterwards: some use was told so, or
	// took a later clause because of it.
	full bool
	// at is when the counter's own token used it, or 0.
	at int64
}

// entry is a row of the history: an event, the identity of a use, or both.
type entry struct {
	token  int64
	event  store.Event
	use    store.UseID // zero: none
	kind   store.Kind
	clause int
	child  store.TokenID // zero: none
	used   store.Micros
}

const (
	historyColumns = `token, named, event_time, name, comment, address, user_agent, use_id, kind, clause, child_id, used_at`
	historyWidth   = 12
)

func (e *entry) columns() []any {
	named := int64(0)
	event := e.event
	if event.Name != "" {
		named = 1
	} else {
		event = store.Event{}
	}
	var used any
	if !e.use.IsZero() {
		used = int64(e.used)
	}
	return []any{
		e.token, named, int64(event.Time),
		[]byte(event.Name), []byte(event.Comment), []byte(event.Address), []byte(event.UserAgent),
		orNull(e.use, e.use[:]), int64(e.kind), int64(e.clause), orNull(e.child, e.child[:]), used,
	}
}

// addHistory adds rows to the history.
func (s *Store) addHistory(ctx context.Context, on runner, rows []entry) error {
	if len(rows) == 0 {
		return nil
	}
	args := make([]any, 0, len(rows)*historyWidth)
	for i := range rows {
		args = append(args, rows[i].columns()...)
	}
	_, err := s.exec(ctx, s.varied(on), `INSERT INTO {history} (`+historyColumns+`) VALUES `+values(len(rows), historyWidth), args...)
	return err
}

// decision is what a batch of uses writes. Whether its answers are right
// depends on that it is written entirely.
type decision struct {
	charges   []charge // in the order of their counters
	history   []entry
	confirmed []confirmation
}

// confirmation says that a generation was seen.
type confirmation struct {
	token int64
	seq   uint64
}

func (d *decision) empty() bool { return len(d.charges) == 0 }

// charge returns the row for a counter, to be changed.
func (d *decision) charge(counter int64) *charge {
	i, ok := slices.BinarySearchFunc(d.charges, counter, func(c charge, id int64) int { return cmp.Compare(c.counter, id) })
	if !ok {
		d.charges = slices.Insert(d.charges, i, charge{counter: counter})
	}
	return &d.charges[i]
}

// pending is what the batch takes from a counter so far.
func (d *decision) pending(counter int64) int64 {
	i, ok := slices.BinarySearchFunc(d.charges, counter, func(c charge, id int64) int { return cmp.Compare(c.counter, id) })
	if !ok {
		return 0
	}
	return d.charges[i].n
}

// demandFull says that the answers hold only if the counters are full in the
// end.
func (d *decision) demandFull(counters []int64) {
	for _, c := range counters {
		d.charge(c).full = true
	}
}

func (d *decision) confirm(token int64, seq uint64) {
	c := confirmation{token, seq}
	if !slices.Contains(d.confirmed, c) {
		d.confirmed = append(d.confirmed, c)
	}
}

// apply writes a decision within a transaction.
func (s *Store) apply(ctx context.Context, tx runner, d *decision) error {
	if !d.empty() {
		if err := s.engine.spend(ctx, s, tx, d); err != nil {
			return err
		}
	}
	for _, c := range d.confirmed {
		if err := s.confirm(ctx, tx, c); err != nil {
			return err
		}
	}
	return nil
}

// commit writes a decision, in one statement where that is possible.
func (s *Store) commit(ctx context.Context, d *decision) error {
	switch {
	case d.empty() && len(d.confirmed) == 0:
		return nil
	case s.engine.oneStatement() && len(d.confirmed) == 0:
		return s.engine.spend(ctx, s, s.db, d)
	}
	return s.writeBlind(ctx, func(tx runner) error { return s.apply(ctx, tx, d) })
}

// confirm notes that a generation was seen, unless it was rotated meanwhile:
// then it has been noted.
func (s *Store) confirm(ctx context.Context, on runner, c confirmation) error {
	_, err := s.exec(ctx, on, `UPDATE {tokens} SET confirmed = ? WHERE id = ? AND seq = ? AND confirmed < ?`,
		int64(c.seq), c.token, int64(c.seq), int64(c.seq))
	return err
}
