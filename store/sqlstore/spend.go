package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// member is one use in a batch. The batch may have no other.
type member struct {
	token store.Presented
	use   *store.Use
	child *store.Token // what the use creates, or nil

	row      *token // of the presented token
	confirms bool   // the presented generation is not recorded as confirmed yet
	spent    store.Spent
	err      error // why the use was not granted: an error of package store, or nil
}

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
	m.use.Candidates = slices.Clone(m.use.Candidates)
	m.use.Tickets = cloneTickets(m.use.Tickets)
	if m.plain() {
		return s.spendTogether(ctx, s.uses, m)
	}
	return s.spendTogether(ctx, s.creations, m)
}

// plain reports whether the use writes nothing but counters and the history.
func (m *member) plain() bool { return m.child == nil && m.use.Tickets.IsZero() }

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

// spendAll decides uses and writes them, as one step.
func (s *Store) spendAll(ctx context.Context, members []*member) error {
	careful := false
	atOnce := len(members) == 1 && members[0].plain()
	return s.step(ctx, "spend", func() error {
		var err error
		if atOnce {
			atOnce = false
			var done bool
			if done, err = s.spendAtOnce(ctx, members[0]); done {
				return nil
			}
		}
		if err == nil {
			var d *decision
			if d, err = s.decide(ctx, members, careful); err == nil {
				err = s.commit(ctx, d)
			}
		}
		careful = careful || s.engine.fault(err) == faultDuplicate
		return err
	})
}

// spendAtOnce tries to grant a use with one statement. If the engine has no such
// statement or the use is not an ordinary one, it changes nothing and returns false.
func (s *Store) spendAtOnce(ctx context.Context, m *member) (bool, error) {
	text, args := s.engine.spendAtOnce(m)
	if text == "" {
		return false, nil
	}
	done := false
	spent := store.Spent{Clause: store.NoClause}
	if len(m.use.Candidates) > 0 {
		spent.Clause = m.use.Candidates[0]
	}
	err := s.writeOne(ctx, func(on runner) error {
		return s.each(ctx, on, func(r *sql.Rows) error {
			done = true
			return r.Scan(scan(spent.Grant[:]), scan(spent.Owner[:]), (*[]byte)(&spent.Key))
		}, text, args...)
	})
	if err != nil || !done {
		return false, err
	}
	m.spent, m.err = spent, nil // a batch that failed may have left an error
	return true, nil
}

// decide reads the tokens and tickets of the uses and decides each use. It writes
// nothing. careful says that the store may know one of the uses already, because an
// earlier attempt found its id taken.
func (s *Store) decide(ctx context.Context, members []*member, careful bool) (*decision, error) {
	tokens, err := s.readMembers(ctx, members)
	if err != nil {
		return nil, err
	}
	d := new(decision)
	if d.tickets, err = s.readTicketsOf(ctx, members); err != nil {
		return nil, err
	}
	var doubtful []*member
	for _, m := range members {
		*m = member{token: m.token, use: m.use, child: m.child, row: tokens[m.token.ID]}
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
				continue
			}
		}
		doubtful = append(doubtful, m)
	}
	return d, s.recall(ctx, d, doubtful)
}

// readMembers reads the presented tokens.
func (s *Store) readMembers(ctx context.Context, members []*member) (map[store.TokenID]*token, error) {
	var tokens blobs
	kinds, clauses := ids{int64(store.UseUncounted)}, ids{store.NoClause}
	seen := make(map[store.TokenID]bool, len(members))
	for _, m := range members {
		if !seen[m.token.ID] {
			seen[m.token.ID] = true
			tokens = append(tokens, m.token.ID[:])
		}
		kinds = append(kinds, int64(m.use.Kind))
		for _, c := range m.use.Candidates {
			clauses = append(clauses, int64(c))
		}
	}
	return s.readPresented(ctx, tokens, unique(kinds), unique(clauses))
}

// readTicketsOf reads the tickets that the uses change.
func (s *Store) readTicketsOf(ctx context.Context, members []*member) (*ticketPlan, error) {
	var refs []store.TicketRef
	for _, m := range members {
		refs = append(refs, ticketsOf(&m.use.Tickets)...)
	}
	return s.planTickets(ctx, refs)
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
				m.err = d.add(m)
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
