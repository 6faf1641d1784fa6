package memstore

import (
	"context"

	"github.com/mytoken-go/sdk/store"
)

// counter counts the uses of one kind of one clause. It is shared by its
// token and the descendants that draw on it, and so outlives the token's row
// as long as one of them refers to it.
type counter struct {
	token  store.TokenID
	clause int
	limit  store.Limit
	used   int64
}

func (c *counter) limited() bool { return c.limit != store.Unlimited }

func (c *counter) spendable() bool { return !c.limited() || c.used < int64(c.limit) }

// chain is what a use of one kind of one clause spends: the clause's own
// counter first, then the limited ones of its ancestors.
type chain []*counter

// clause is one clause's two chains.
type clause struct{ at, other chain }

func newClause(id store.TokenID, index int, c store.Clause, parent *token) *clause {
	n := &clause{
		at:    chain{{token: id, clause: index, limit: c.AT}},
		other: chain{{token: id, clause: index, limit: c.Other}},
	}
	if parent != nil && c.Draws != store.NoClause {
		above := parent.clauses[c.Draws]
		n.at = n.at.below(above.at)
		n.other = n.other.below(above.other)
	}
	return n
}

func (c chain) below(parent chain) chain {
	for _, p := range parent {
		if p.limited() {
			c = append(c, p)
		}
	}
	return c
}

func (c *clause) of(k store.Kind) chain {
	if k == store.UseAT {
		return c.at
	}
	return c.other
}

// left is the least that any counter of the chain has left.
func (c chain) left() store.Limit {
	least := store.Unlimited
	for _, n := range c {
		if !n.limited() {
			continue
		}
		if l := max(0, n.limit-store.Limit(n.used)); least == store.Unlimited || l < least {
			least = l
		}
	}
	return least
}

// exhausted tells which counters have nothing left.
func (c chain) exhausted(candidate int) []store.Exhausted {
	var all []store.Exhausted
	for _, n := range c {
		if !n.spendable() {
			all = append(all, store.Exhausted{
				Candidate: candidate, Token: n.token, Clause: n.clause, Limit: n.limit, Used: n.used,
			})
		}
	}
	return all
}

func (c *clause) info() store.Counter {
	return store.Counter{
		AT: c.at[0].limit, Other: c.other[0].limit,
		ATUsed: c.at[0].used, OtherUsed: c.other[0].used,
		ATLeft: c.at.left(), OtherLeft: c.other.left(),
	}
}

// use remembers the identity of a use, and what it did.
type use struct {
	at       store.Micros  // until when it is remembered depends on this
	token    store.TokenID // zero if it was refunded before it was known
	clause   int
	charged  chain
	event    *entry
	child    store.TokenID // what CreateChild made, or zero
	refunded bool
}

// Spend implements [store.Tokens].
func (s *Store) Spend(ctx context.Context, presented store.Presented, u store.Use) (store.Spent, error) {
	if err := s.lock(ctx); err != nil {
		return store.Spent{}, err
	}
	defer s.mu.Unlock()

	t, gen, err := s.present(presented, u.Now)
	if err != nil {
		return store.Spent{}, err
	}
	if done := s.uses[u.ID]; done != nil {
		return s.repeat(t, gen, done)
	}
	return s.charge(t, gen, &u)
}

// repeat answers a use whose identity is known.
func (s *Store) repeat(t *token, gen *generation, done *use) (store.Spent, error) {
	if done.refunded {
		return store.Spent{}, store.ErrRefunded
	}
	if done.token != t.id {
		return store.Spent{}, store.ErrExists
	}
	t.confirm(gen)
	spent := t.spent(gen, done.clause)
	spent.Repeated = true
	return spent, nil
}

// charge spends the first candidate whose counters all have budget left, and
// makes everything else that the use asks for, or nothing.
func (s *Store) charge(t *token, gen *generation, u *store.Use) (store.Spent, error) {
	if err := u.Check(len(t.clauses)); err != nil {
		return store.Spent{}, err
	}
	index, charges, err := t.choose(u)
	if err != nil {
		return store.Spent{}, err
	}
	return s.settle(t, gen, u, index, charges)
}

// settle makes the changes of a use whose clause is chosen, or none.
func (s *Store) settle(t *token, gen *generation, u *store.Use, index int, charges chain) (store.Spent, error) {
	plan, err := s.planTickets(&u.Tickets, u.Now)
	if err != nil {
		return store.Spent{}, err
	}
	for _, c := range charges {
		c.used++
	}
	plan.apply()
	t.confirm(gen)
	if u.Kind != store.UseUncounted {
		t.lastUsed = max(t.lastUsed, u.Now)
	}
	s.uses[u.ID] = &use{at: u.Now, token: t.id, clause: index, charged: charges, event: s.record(t, u.Event)}
	return t.spent(gen, index), nil
}

// choose finds the clause that the use charges.
func (t *token) choose(u *store.Use) (int, chain, error) {
	if len(u.Candidates) == 0 {
		return store.NoClause, nil, nil
	}
	var exhausted []store.Exhausted
	for _, i := range u.Candidates {
		charges := t.clauses[i].of(u.Kind)
		out := charges.exhausted(i)
		if len(out) == 0 {
			return i, charges, nil
		}
		exhausted = append(exhausted, out...)
	}
	return 0, nil, &store.ExhaustedError{Kind: u.Kind, Counters: exhausted}
}

func (t *token) spent(gen *generation, clause int) store.Spent {
	return store.Spent{
		Grant:    t.grant,
		Owner:    t.owner,
		Key:      clone(gen.key),
		Clause:   clause,
		Outdated: gen != &t.current,
	}
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
		s.uses[id] = &use{at: now, refunded: true}
		return nil
	}
	if !u.refunded {
		s.giveBack(u)
	}
	return nil
}

// giveBack undoes a use.
func (s *Store) giveBack(u *use) {
	u.refunded = true
	for _, c := range u.charged {
		c.used--
	}
	if t := s.tokens[u.token]; t != nil && u.event != nil {
		t.withdraw(u.event)
	}
}
