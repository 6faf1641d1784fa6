package memstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// token is one row: a token in all its generations.
type token struct {
	rules.Token
	serial   int64     // order of creation
	first    store.Sum // of generation 1; a repeated creation is recognised by it
	about    store.Sealed
	created  store.Micros
	expires  store.Micros // of the current generation
	lastUsed store.Micros
	clauses  []*clause
	history  []*entry // in order of recording
	outdated map[uint64]*rules.Generation
	// keptUntil is how long the key of a revoked token is kept, or 0.
	keptUntil store.Micros

	// grave is the token's place for a tombstone, and above are those of its ancestors. A
	// token shares its grave with its descendants, so the grave outlives the row.
	grave *grave
	above []*grave
}

// grave is the place for a tombstone: when the token was revoked, and when it was revoked
// recursively. Zero means that it was not.
type grave struct {
	revoked   store.Micros
	recursive store.Micros
}

type entry struct {
	serial int64
	event  store.Event
}

func (t *token) live() bool {
	return t.grave.revoked == 0 && !slices.ContainsFunc(t.above, (*grave).endsDescendants)
}

// erase removes everything that a generation of the token opens.
func (t *token) erase() {
	t.Key = nil
	clear(t.outdated)
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
	if taken && grantTaken && existing.isRoot(&t) {
		return nil // repeated
	}
	if taken || grantTaken {
		return store.ErrExists
	}
	plan, err := s.planTickets(&tickets, t.Created)
	if err != nil {
		return err
	}
	s.grants[g.ID] = &grant{Grant: rules.NewGrant(&g), commits: make(map[rules.Commit]store.Micros)}
	s.insert(&t, nil)
	s.applyTickets(plan)
	return nil
}

// isRoot reports whether the row was created as this root.
func (t *token) isRoot(root *store.Token) bool {
	return t.Grant == root.Grant && t.Owner == root.Owner && t.first == root.Sum && len(t.Ancestors) == 0
}

// Lookup implements [store.Tokens].
func (s *Store) Lookup(ctx context.Context, presented store.Presented, now store.Micros) (store.State, error) {
	if err := s.lock(ctx); err != nil {
		return store.State{}, err
	}
	defer s.mu.Unlock()

	t, answer, err := s.present(presented, now)
	if err != nil {
		return store.State{}, err
	}
	t.confirm(answer)
	return *s.state(t, answer), nil
}

func (s *Store) state(t *token, answer rules.Answer) *store.State {
	return &store.State{TokenInfo: t.info(), Key: clone(answer.Key), Outdated: answer.Outdated, Dead: s.grants[t.Grant].Dead}
}

// insert adds a row; parent is nil for a root.
func (s *Store) insert(n *store.Token, parent *token) {
	t := &token{
		Token: rules.Token{
			ID: n.ID, Grant: n.Grant, Owner: n.Owner, Clauses: len(n.Clauses),
			Seq: 1, Confirmed: 1, Sum: n.Sum, Key: clone(n.Key),
		},
		serial:   s.nextSerial(),
		first:    n.Sum,
		about:    clone(n.About),
		created:  n.Created,
		expires:  n.Expires,
		outdated: make(map[uint64]*rules.Generation),
		grave:    new(grave),
	}
	if parent != nil {
		t.Ancestors = append([]store.TokenID{parent.ID}, parent.Ancestors...)
		t.above = append([]*grave{parent.grave}, parent.above...)
	}
	for i, c := range n.Clauses {
		t.clauses = append(t.clauses, newClause(n.ID, i, c, parent))
	}
	for _, e := range n.Events {
		s.record(t, e)
	}
	s.tokens[t.ID] = t
	s.byOwner[t.Owner] = append(s.byOwner[t.Owner], t)
	s.byGrant[t.Grant] = append(s.byGrant[t.Grant], t)
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

// withdraw removes an entry from the history.
func (t *token) withdraw(e *entry) {
	t.history = slices.DeleteFunc(t.history, func(o *entry) bool { return o == e })
}

// remove deletes the row. Descendants keep the counters and tombstones that they refer
// to.
func (s *Store) remove(t *token) {
	delete(s.tokens, t.ID)
	unlist(s.byOwner, t.Owner, t)
	unlist(s.byGrant, t.Grant, t)
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
		ID:        t.ID,
		Grant:     t.Grant,
		Owner:     t.Owner,
		Ancestors: slices.Clone(t.Ancestors),
		Seq:       t.Seq,
		About:     clone(t.about),
		Created:   t.created,
		Expires:   t.expires,
		LastUsed:  t.lastUsed,
		Revoked:   t.grave.revoked,
		Live:      t.live(),
	}
	for _, c := range t.clauses {
		i.Counters = append(i.Counters, c.info())
	}
	return i
}
