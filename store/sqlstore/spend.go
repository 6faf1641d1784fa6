package sqlstore

import (
	"context"
	"database/sql"
	"math"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Spend implements [store.Tokens]. It may commit calls that wait at the same time in one
// transaction, and may outlive its context by up to [Options.BatchTimeout].
func (s *Store) Spend(ctx context.Context, presented store.Presented, u store.Use) (store.Spent, error) {
	return s.spend(ctx, &member{token: presented, use: &u})
}

// CreateChild implements [store.Tokens]. It may commit calls that wait at the same time
// in one transaction, and may outlive its context by up to [Options.BatchTimeout].
func (s *Store) CreateChild(ctx context.Context, parent store.Presented, u store.Use, child store.Token) (store.Spent, error) {
	if err := store.CheckCreation(&u); err != nil {
		return store.Spent{}, err
	}
	child.Key, child.About = slices.Clone(child.Key), slices.Clone(child.About)
	child.Clauses, child.Events = slices.Clone(child.Clauses), slices.Clone(child.Events)
	return s.spend(ctx, &member{token: parent, use: &u, child: &child})
}

// spend makes every use. A batch may outlive the call of a member, so spend copies the
// slices of the use.
func (s *Store) spend(ctx context.Context, m *member) (store.Spent, error) {
	if err := ctx.Err(); err != nil {
		return store.Spent{}, s.explain("spend", err, false)
	}
	if len(m.use.Candidates) > 0 {
		if err := m.use.Check(maxClauses); err != nil {
			return store.Spent{}, err
		}
	}
	m.use.Candidates = slices.Clone(m.use.Candidates)
	m.use.Tickets = cloneTickets(m.use.Tickets)
	if m.plain() {
		return s.spendTogether(ctx, s.uses, m)
	}
	return s.spendTogether(ctx, s.creations, m)
}

// maxClauses is more clauses than any token has. Columns for their indices hold no more.
const maxClauses = math.MaxInt32

func cloneTickets(c store.TicketChanges) store.TicketChanges {
	c.Consume, c.Drop = slices.Clone(c.Consume), slices.Clone(c.Drop)
	c.Complete, c.Put = slices.Clone(c.Complete), slices.Clone(c.Put)
	for i := range c.Complete {
		c.Complete[i].Payload = slices.Clone(c.Complete[i].Payload)
	}
	for i := range c.Put {
		c.Put[i].Key, c.Put[i].Payload = slices.Clone(c.Put[i].Key), slices.Clone(c.Put[i].Payload)
	}
	return c
}

// spendAll decides members and writes them, as one step.
func (s *Store) spendAll(ctx context.Context, members []*member) error {
	attempt, careful := 0, false
	return s.step(ctx, stepOf(members...), func() error {
		var err error
		if attempt++; attempt == 1 {
			err = s.spendAtOnce(ctx, members)
		}
		if err == nil {
			err = s.spendRest(ctx, members, careful, attempt <= lastLease)
		}
		careful = careful || s.engine.fault(err) == faultDuplicate
		return err
	})
}

// lastLease is the attempt after which a batch takes no leases any more: others change the
// grant all the time, so its lease is hardly ever free.
const lastLease = 4

// spendRest decides and writes the members that are not done.
func (s *Store) spendRest(ctx context.Context, members []*member, careful, leases bool) error {
	rest := slices.DeleteFunc(slices.Clone(members), func(m *member) bool { return m.done })
	if len(rest) == 0 {
		return nil
	}
	d, err := s.decide(ctx, rest, careful, leases)
	if err == nil {
		err = s.commit(ctx, d)
	}
	if err != nil {
		return err
	}
	for _, m := range rest {
		m.done = m.end == nil || m.ended
	}
	return nil
}

// decide reads what the members need and decides about each. It writes nothing. careful
// says that the store may know one of the uses already, because an earlier attempt found
// its id taken. Without leases, no use takes one.
func (s *Store) decide(ctx context.Context, members []*member, careful, leases bool) (*decision, error) {
	d, err := s.readDecision(ctx, members, leases)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.end != nil {
			d.end(m)
		}
	}
	var doubtful []*member
	for _, m := range members {
		if m.end != nil {
			continue
		}
		answer, err := s.present(ctx, m.row, m.token, m.use.Now)
		if err != nil && !store.IsDefinite(err) {
			return nil, err
		}
		if m.err = err; err != nil {
			continue
		}
		m.confirms = answer.Confirms
		m.spent = store.Spent{Grant: m.row.Grant, Owner: m.row.Owner, Key: answer.Key, Clause: store.NoClause, Outdated: answer.Outdated}
		if m.child != nil {
			if m.err = m.row.CheckChild(m.child); m.err != nil {
				continue
			}
		}
		if !careful {
			if m.err = d.add(m); m.err == nil {
				d.attach(m)
				continue
			}
		}
		doubtful = append(doubtful, m)
	}
	return d, s.recall(ctx, d, doubtful)
}

// recall takes uses that could not be granted, or that may be known already. If an
// earlier attempt recorded the use, recall returns its outcome. Otherwise it decides the
// use again.
func (s *Store) recall(ctx context.Context, d *decision, members []*member) error {
	if len(members) == 0 {
		return nil
	}
	known, err := s.readUses(ctx, members)
	if err != nil {
		return err
	}
	for _, m := range members {
		u := known[m.use.ID]
		if u == nil {
			if m.err = s.checkNewChild(ctx, m); m.err == nil {
				if m.err = d.add(m); m.err == nil {
					d.attach(m)
				}
			} else if !store.IsDefinite(m.err) {
				return m.err
			}
			continue
		}
		var child store.TokenID
		if m.child != nil {
			child = m.child.ID
		}
		if m.err = u.Repeat(m.row.row, child); m.err == nil {
			m.spent.Clause, m.spent.Repeated = u.Clause, true
			d.confirm(m)
			d.attach(m)
		}
	}
	return nil
}

// checkNewChild checks whether a use that the store does not know can create its token.
func (s *Store) checkNewChild(ctx context.Context, m *member) error {
	if m.child == nil {
		return nil
	}
	if err := m.row.CheckDepth(); err != nil {
		return err
	}
	taken, err := column[int64](ctx, s, s.db, `SELECT id FROM {tokens} WHERE token_id = ?`, m.child.ID[:])
	if err == nil && len(taken) > 0 {
		return store.ErrExists
	}
	return err
}

// use is what the history remembers about a use.
type use = rules.Use[int64]

// readUses reads the uses that the store knows.
func (s *Store) readUses(ctx context.Context, members []*member) (map[store.UseID]*use, error) {
	var l blobs
	for _, m := range members {
		l = append(l, m.use.ID[:])
	}
	known := make(map[store.UseID]*use)
	err := s.each(ctx, s.db, func(r *sql.Rows) error {
		var id store.UseID
		var u use
		err := r.Scan(scan(id[:]), &u.Token, &u.Clause, scan(u.Child[:]), &u.Refunded)
		known[id] = &u
		return err
	}, `SELECT use_id, COALESCE(token, 0), clause, child_id, refunded FROM {history} WHERE use_id IN ?`, l)
	return known, err
}
