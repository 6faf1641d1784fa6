package memstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// token is one row: a token in all its generations.
type token struct {
	id        store.TokenID
	grant     store.GrantID
	owner     store.OwnerID
	serial    uint64 // order of creation
	ancestors []store.TokenID
	first     store.Sum // of generation 1: tells a repeated creation
	about     store.Sealed
	created   store.Micros
	lastUsed  store.Micros
	clauses   []*clause
	history   []*entry // in order of recording

	seq      uint64
	current  generation
	outdated map[uint64]*generation // within their grace

	// grave is the token's tombstone, above those of its ancestors. A grave
	// is shared by the token and its descendants, and so outlives the row as
	// long as a descendant refers to it.
	grave *grave
	above []*grave
}

// grave is the place for a tombstone; zero means that there is none.
type grave struct {
	revoked   store.Micros
	recursive store.Micros
}

type entry struct {
	serial uint64
	event  store.Event
}

func (t *token) live() bool {
	return t.grave.revoked == 0 && !slices.ContainsFunc(t.above, (*grave).endsDescendants)
}

func (g *grave) endsDescendants() bool { return g.recursive != 0 }

// CreateRoot implements [store.Tokens].
func (s *Store) CreateRoot(ctx context.Context, g store.Grant, t store.Token, tickets store.TicketChanges) error {
	if err := store.CheckRoot(&g, &t, &tickets); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	existing, taken := s.tokens[t.ID]
	_, grantTaken := s.grants[g.ID]
	if taken && grantTaken && existing.is(&t) && len(existing.ancestors) == 0 {
		return nil // repeated
	}
	if taken || grantTaken {
		return store.ErrExists
	}
	plan, err := s.planTickets(&tickets, t.Created)
	if err != nil {
		return err
	}
	s.grants[g.ID] = newGrant(&g)
	s.insert(&t, nil)
	plan.apply()
	return nil
}

// CreateChild implements [store.Tokens].
func (s *Store) CreateChild(ctx context.Context, parent store.Presented, u store.Use, child store.Token) (store.Spent, error) {
	if err := s.lock(ctx); err != nil {
		return store.Spent{}, err
	}
	defer s.mu.Unlock()

	p, gen, err := s.present(parent, u.Now)
	if err != nil {
		return store.Spent{}, err
	}
	if err := child.Check(len(p.clauses)); err != nil {
		return store.Spent{}, err
	}
	if child.Grant != p.grant || child.Owner != p.owner {
		return store.Spent{}, argument("child of another grant or owner than its parent's")
	}
	if done := s.uses[u.ID]; done != nil {
		if done.token == p.id && !done.refunded && done.child != child.ID {
			return store.Spent{}, store.ErrExists
		}
		return s.repeat(p, gen, done)
	}
	if len(p.ancestors) >= store.MaxDepth {
		return store.Spent{}, store.ErrDepth
	}
	if s.tokens[child.ID] != nil {
		return store.Spent{}, store.ErrExists
	}
	spent, err := s.charge(p, gen, &u)
	if err != nil {
		return store.Spent{}, err
	}
	s.uses[u.ID].child = child.ID
	s.insert(&child, p)
	return spent, nil
}

// Lookup implements [store.Tokens].
func (s *Store) Lookup(ctx context.Context, presented store.Presented, now store.Micros) (store.State, error) {
	if err := s.lock(ctx); err != nil {
		return store.State{}, err
	}
	defer s.mu.Unlock()

	t, gen, err := s.present(presented, now)
	if err != nil {
		return store.State{}, err
	}
	t.confirm(gen)
	return store.State{
		TokenInfo: t.info(),
		Key:       clone(gen.key),
		Outdated:  gen != &t.current,
		Dead:      s.grants[t.grant].dead,
	}, nil
}

// is tells whether the row was created with these arguments.
func (t *token) is(other *store.Token) bool {
	return t.id == other.ID && t.grant == other.Grant && t.owner == other.Owner && t.first == other.Sum
}

// insert adds a row; parent is nil for a root.
func (s *Store) insert(n *store.Token, parent *token) {
	t := &token{
		id:       n.ID,
		grant:    n.Grant,
		owner:    n.Owner,
		serial:   s.nextSerial(),
		first:    n.Sum,
		about:    clone(n.About),
		created:  n.Created,
		seq:      1,
		current:  generation{sum: n.Sum, key: clone(n.Key), expires: n.Expires},
		outdated: make(map[uint64]*generation),
		grave:    new(grave),
	}
	if parent != nil {
		t.ancestors = append([]store.TokenID{parent.id}, parent.ancestors...)
		t.above = append([]*grave{parent.grave}, parent.above...)
	}
	for i, c := range n.Clauses {
		t.clauses = append(t.clauses, newClause(n.ID, i, c, parent))
	}
	for _, e := range n.Events {
		s.record(t, e)
	}
	s.tokens[t.id] = t
	s.byOwner[t.owner] = append(s.byOwner[t.owner], t)
	s.byGrant[t.grant] = append(s.byGrant[t.grant], t)
}

// record appends to the history. It returns nil if there is no event.
func (s *Store) record(t *token, e store.Event) *entry {
	if e.Name == "" {
		return nil
	}
	n := &entry{serial: s.nextSerial(), event: e}
	t.history = append(t.history, n)
	return n
}

// remove deletes the row. Counters and tombstones that descendants refer to
// live on with them.
func (s *Store) remove(t *token) {
	delete(s.tokens, t.id)
	unlist(s.byOwner, t.owner, t)
	unlist(s.byGrant, t.grant, t)
}

func unlist[K comparable](index map[K][]*token, key K, t *token) {
	rest := slices.DeleteFunc(index[key], func(o *token) bool { return o == t })
	if len(rest) == 0 {
		delete(index, key)
		return
	}
	index[key] = rest
}

func (t *token) info() store.TokenInfo {
	i := store.TokenInfo{
		ID:        t.id,
		Grant:     t.grant,
		Owner:     t.owner,
		Ancestors: slices.Clone(t.ancestors),
		Seq:       t.seq,
		About:     clone(t.about),
		Created:   t.created,
		Expires:   t.current.expires,
		LastUsed:  t.lastUsed,
		Revoked:   t.grave.revoked,
		Live:      t.live(),
	}
	for _, c := range t.clauses {
		i.Counters = append(i.Counters, c.info())
	}
	return i
}
