package memstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// use is what the store remembers about a use.
type use struct {
	rules.Use[store.TokenID]
	at      store.Micros // the store may forget the use store.Remembered after this
	charged chain
	event   *entry
}

// Spend implements [store.Tokens].
func (s *Store) Spend(ctx context.Context, presented store.Presented, u store.Use) (store.Spent, error) {
	return s.spend(ctx, presented, &u, nil)
}

// CreateChild implements [store.Tokens].
func (s *Store) CreateChild(ctx context.Context, parent store.Presented, u store.Use, child store.Token) (store.Spent, error) {
	if err := store.CheckCreation(&u); err != nil {
		return store.Spent{}, err
	}
	return s.spend(ctx, parent, &u, &child)
}

// spend charges a use and stores the token that it creates; child is nil for a use that
// creates none.
func (s *Store) spend(ctx context.Context, p store.Presented, u *store.Use, child *store.Token) (store.Spent, error) {
	if err := s.lock(ctx); err != nil {
		return store.Spent{}, err
	}
	defer s.mu.Unlock()

	d, err := s.decide(p, u, child)
	if err != nil {
		return store.Spent{}, err
	}
	if d.spent, err = s.settle(d, u, child); err != nil {
		return store.Spent{}, err
	}
	s.attach(&d, u)
	return d.spent, nil
}

// attach adds what a charged use asks for besides: the lease and the state.
func (s *Store) attach(d *decided, u *store.Use) {
	if !u.Lease.ID.IsZero() && d.spent.Ticket == nil {
		b := u.Lease.Begin(d.token.Grant, u.Now)
		d.spent.Refresh, _ = s.grants[d.token.Grant].BeginWithUse(&b, s.processes)
	}
	if u.State {
		d.spent.State = s.state(d.token, d.answer)
	}
}

// decided is a use that can be granted, or that was granted before.
type decided struct {
	token  *token
	answer rules.Answer
	choice rules.Choice[*counter]
	spent  store.Spent
}

// decide finds out whether a use can be granted and what it charges. It changes nothing.
func (s *Store) decide(p store.Presented, u *store.Use, child *store.Token) (decided, error) {
	t, answer, err := s.present(p, u.Now)
	if err != nil {
		return decided{}, err
	}
	d := decided{token: t, answer: answer}
	d.spent = store.Spent{Grant: t.Grant, Owner: t.Owner, Key: answer.Key, Outdated: answer.Outdated}
	var childID store.TokenID
	if child != nil {
		childID = child.ID
		if err := t.CheckChild(child); err != nil {
			return d, err
		}
	}
	if known := s.uses[u.ID]; known != nil {
		d.spent.Clause, d.spent.Repeated = known.Clause, true
		return d, known.Repeat(t.ID, childID)
	}
	if child != nil {
		if err := t.CheckDepth(); err != nil {
			return d, err
		}
		if s.tokens[child.ID] != nil {
			return d, store.ErrExists
		}
	}
	d.choice, err = t.choose(u)
	d.spent.Clause = d.choice.Clause
	return d, err
}

// choose finds the clause to charge for a use.
func (t *token) choose(u *store.Use) (rules.Choice[*counter], error) {
	if err := u.Check(t.Clauses); err != nil {
		return rules.Choice[*counter]{}, err
	}
	return rules.Choose(u, func(clause int) []*counter {
		if clause == store.NoClause {
			return nil
		}
		return t.clauses[clause].of(u.Kind)
	}, func(c *counter) rules.Counter { return c.Counter })
}

// settle makes all changes of a use, or none of them.
func (s *Store) settle(d decided, u *store.Use, child *store.Token) (store.Spent, error) {
	if d.spent.Repeated {
		d.token.confirm(d.answer)
		d.spent.Ticket = s.ticket(u.Fetch).Fetched(u.Now)
		return d.spent, nil
	}
	plan, err := s.planTickets(&u.Tickets, u.Now)
	if err != nil {
		return store.Spent{}, err
	}
	for _, c := range d.choice.Charged {
		c.Used++
	}
	s.applyTickets(plan)
	d.spent.Ticket = s.ticket(u.Fetch).Fetched(u.Now)
	d.token.confirm(d.answer)
	if u.Kind != store.UseUncounted {
		d.token.lastUsed = max(d.token.lastUsed, u.Now)
	}
	known := &use{at: u.Now, charged: d.choice.Charged, event: s.record(d.token, u.EventWith(d.spent.Ticket))}
	known.Token, known.Clause = d.token.ID, d.choice.Clause
	if child != nil {
		known.Child = child.ID
		s.insert(child, d.token)
	}
	s.uses[u.ID] = known
	return d.spent, nil
}

// Refund implements [store.Tokens].
func (s *Store) Refund(ctx context.Context, id store.UseID, now store.Micros) error {
	if err := store.CheckRefund(id); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	u := s.uses[id]
	if u == nil {
		s.uses[id] = &use{Use: rules.Use[store.TokenID]{Refunded: true}, at: now}
		return nil
	}
	if !u.Refunded {
		s.giveBack(u)
	}
	return nil
}

// giveBack returns the charges of a use and withdraws its event.
func (s *Store) giveBack(u *use) {
	u.Refunded = true
	for _, c := range u.charged {
		c.Used--
	}
	if t := s.tokens[u.Token]; t != nil && u.event != nil {
		t.withdraw(u.event)
	}
}
