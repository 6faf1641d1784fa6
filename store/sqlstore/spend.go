package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// member is one use that is decided, alone or together with others.
type member struct {
	token store.Presented
	use   *store.Use
	child *store.Token // what the use creates, or nil

	row   *token // of the presented token
	spent store.Spent
	err   error // of the contract
	// repeated says that the use had been charged before.
	repeated bool
	// charged says that the answer depends on the decision being written.
	charged bool
}

// decide reads what the uses concern and finds out what becomes of each. It
// writes nothing. careful says that one of them may be known already: an
// attempt before has found that its identity is taken.
func (s *Store) decide(ctx context.Context, members []*member, careful bool) (*decision, error) {
	tokens, err := s.readMembers(ctx, members)
	if err != nil {
		return nil, err
	}
	d := new(decision)
	var doubtful []*member
	for _, m := range members {
		*m = member{token: m.token, use: m.use, child: m.child, row: tokens[m.token.ID]}
		a, err := s.present(ctx, s.db, m.row, m.token, m.use.Now)
		if err != nil && !store.IsDefinite(err) {
			return nil, err
		}
		if m.err = err; err != nil {
			continue
		}
		m.spent = store.Spent{Grant: m.row.grant, Owner: m.row.owner, Key: a.key, Clause: store.NoClause, Outdated: a.outdated}
		if m.err = m.checkChild(); m.err != nil {
			continue
		}
		if careful {
			doubtful = append(doubtful, m)
			continue
		}
		if m.err = s.choose(d, m); m.err != nil {
			doubtful = append(doubtful, m)
		}
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
	return s.readPresented(ctx, s.db, tokens, unique(kinds), unique(clauses))
}

// recall looks whether uses are known that could not be granted, or that were
// found to be taken, before that is their answer.
func (s *Store) recall(ctx context.Context, d *decision, members []*member) error {
	if len(members) == 0 {
		return nil
	}
	known, err := s.readUses(ctx, s.db, members)
	if err != nil {
		return err
	}
	for _, m := range members {
		if u := known[m.use.ID]; u != nil {
			if m.err = m.repeat(u); m.err == nil {
				m.confirm(d)
			}
			continue
		}
		if m.err = s.checkNewChild(ctx, m); m.err != nil {
			if !store.IsDefinite(m.err) {
				return m.err
			}
			continue
		}
		m.err = s.choose(d, m)
	}
	return nil
}

// choose finds the clause that a use is charged to, and charges it.
func (s *Store) choose(d *decision, m *member) error {
	if err := s.checkDepth(m); err != nil {
		return err
	}
	if err := m.use.Check(m.row.clauses); err != nil {
		return err
	}
	chain, err := m.row.choose(d, m.use)
	if err != nil {
		return err
	}
	e := entry{token: m.row.id, event: m.use.Event, use: m.use.ID, used: m.use.Now}
	e.kind, e.clause = chain[0].kind, chain[0].clause
	if m.child != nil {
		e.child = m.child.ID
	}
	d.history = append(d.history, e)
	for _, l := range chain {
		c := d.charge(l.counter)
		c.n++
		if l.depth == 0 && m.use.Kind != store.UseUncounted && m.use.Now > l.lastUsed.Add(lag) {
			c.at = max(c.at, int64(m.use.Now))
		}
	}
	m.confirm(d)
	m.spent.Clause = e.clause
	m.charged = true
	return nil
}

// lag is how far the recorded instant of the last use may be behind.
const lag = 30 * time.Second

// choose returns the counters that the use spends: those of the first
// candidate that has something left of each. A use without a clause writes the
// token's counter of no clause.
func (t *token) choose(d *decision, u *store.Use) ([]link, error) {
	if len(u.Candidates) == 0 {
		return t.chain(store.UseUncounted, store.NoClause), nil
	}
	var exhausted []store.Exhausted
	var full []int64
	certain := true // nothing was exhausted by the batch itself
	for _, i := range u.Candidates {
		chain := t.chain(u.Kind, i)
		fits := true
		for _, l := range chain {
			pending := d.pending(l.counter)
			if l.limit == store.Unlimited || l.used+pending < int64(l.limit) {
				continue
			}
			fits = false
			certain = certain && pending == 0
			full = append(full, l.counter)
			exhausted = append(exhausted, store.Exhausted{
				Candidate: i, Token: t.tokenOf(l), Clause: l.origin, Limit: l.limit, Used: l.used + pending,
			})
		}
		if fits {
			d.demandFull(full)
			return chain, nil
		}
	}
	if !certain {
		d.demandFull(full)
	}
	return nil, &store.ExhaustedError{Kind: u.Kind, Counters: exhausted}
}

// use is what is remembered of one.
type use struct {
	token    int64 // 0 if it was refunded before it was known
	kind     store.Kind
	clause   int
	child    store.TokenID
	refunded bool
}

// readUses reads what is known of the uses.
func (s *Store) readUses(ctx context.Context, on runner, members []*member) (map[store.UseID]*use, error) {
	var l blobs
	for _, m := range members {
		l = append(l, m.use.ID[:])
	}
	known := make(map[store.UseID]*use)
	err := s.each(ctx, on, func(r *sql.Rows) error {
		var id store.UseID
		var u use
		if err := r.Scan(scan(id[:]), &u.token, &u.kind, &u.clause, scan(u.child[:]), &u.refunded); err != nil {
			return err
		}
		known[id] = &u
		return nil
	}, `
		SELECT use_id, COALESCE(token, 0), kind, clause, child_id, refunded
		FROM {history} WHERE use_id IN ?`, l)
	return known, err
}

// confirm notes that the generation was seen, if that is news.
func (m *member) confirm(d *decision) {
	if !m.spent.Outdated && m.row.confirmed < m.row.seq {
		d.confirm(m.row.id, m.row.seq)
	}
}

// repeat answers a use that is known.
func (m *member) repeat(u *use) error {
	switch {
	case u.refunded:
		return store.ErrRefunded
	case u.token != m.row.id, m.child != nil && u.child != m.child.ID:
		return store.ErrExists
	}
	m.repeated = true
	m.spent.Clause, m.spent.Repeated = u.clause, true
	return nil
}

// Spend implements [store.Tokens]. Calls that wait at once are committed
// together, unless they change tickets.
func (s *Store) Spend(ctx context.Context, presented store.Presented, u store.Use) (store.Spent, error) {
	if err := ctx.Err(); err != nil {
		return store.Spent{}, err
	}
	m := &member{token: presented, use: &u}
	if u.Tickets.IsZero() {
		u.Candidates = slices.Clone(u.Candidates) // the batch may outlive this call
		return s.spendTogether(ctx, s.uses, m)
	}
	return s.spendAlone(ctx, m)
}

// spendAll decides uses and writes them, as one step.
func (s *Store) spendAll(ctx context.Context, members []*member) error {
	careful := false
	atOnce := len(members) == 1 && members[0].child == nil
	return s.step(ctx, "spend", func() error {
		if atOnce {
			atOnce = false
			done, err := s.engine.spendAtOnce(ctx, s, members[0])
			if done || err != nil {
				careful = s.engine.fault(err) == faultDuplicate
				return err
			}
		}
		d, err := s.decide(ctx, members, careful)
		if err == nil {
			err = s.commitAll(ctx, members, d)
		}
		careful = careful || s.engine.fault(err) == faultDuplicate
		return err
	})
}

// commitAll writes what was decided, with the tokens that uses create.
func (s *Store) commitAll(ctx context.Context, members []*member, d *decision) error {
	creates := func(m *member) bool { return m.charged && m.child != nil }
	if !slices.ContainsFunc(members, creates) {
		return s.commit(ctx, d)
	}
	return s.write(ctx, func(tx runner) error {
		if err := s.apply(ctx, tx, d); err != nil {
			return err
		}
		for _, m := range members {
			if !creates(m) {
				continue
			}
			if err := s.insertChild(ctx, tx, m.row, m.child); err != nil {
				return err
			}
		}
		return nil
	})
}

// spendAlone is a use with what it creates and which tickets it changes.
func (s *Store) spendAlone(ctx context.Context, m *member) (store.Spent, error) {
	careful := false
	err := s.step(ctx, "spend", func() error {
		d, err := s.decide(ctx, []*member{m}, careful)
		if err != nil || m.err != nil {
			return cmp.Or(err, m.err)
		}
		err = s.spendWith(ctx, m, d)
		if !careful && store.IsDefinite(err) {
			// A use that is known is answered whatever has become of its
			// tickets.
			careful, err = true, errChanged
		}
		careful = careful || s.engine.fault(err) == faultDuplicate
		return err
	})
	if err != nil {
		return store.Spent{}, err
	}
	return m.spent, nil
}

// spendWith writes a use that is granted with everything that belongs to it.
func (s *Store) spendWith(ctx context.Context, m *member, d *decision) error {
	if m.repeated {
		return s.commit(ctx, d)
	}
	plan, err := s.planTickets(ctx, &m.use.Tickets, m.use.Now, nil)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx runner) error {
		if err := s.apply(ctx, tx, d); err != nil {
			return err
		}
		if m.child != nil {
			if err := s.insertChild(ctx, tx, m.row, m.child); err != nil {
				return err
			}
		}
		return s.applyTickets(ctx, tx, plan)
	})
}
