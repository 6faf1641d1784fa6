package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// token is a row with what hangs on it.
type token struct {
	id        int64
	public    store.TokenID
	grant     store.GrantID
	owner     store.OwnerID
	ancestors []store.TokenID // parent first
	seq       uint64
	confirmed uint64 // generations below this one are not answered
	sum       store.Sum
	key       store.Sealed
	clauses   int
	dead      bool
	links     []link // by kind, clause and depth

	// The following is read for lists and look-ups only.
	about   store.Sealed
	created store.Micros
	expires store.Micros
	revoked store.Micros
	refused bool // the grant, by the provider
}

// link is one counter in the chain of one clause for one kind of use.
type link struct {
	kind     store.Kind
	clause   int
	depth    int // 0: the token's own
	counter  int64
	origin   int // clause of the token whose counter it is
	limit    store.Limit
	used     int64
	lastUsed store.Micros
}

// presentColumns are those of a token that somebody presents.
const presentColumns = `t.id, t.token_id, t.grant_id, t.owner_id, t.path, t.seq, t.confirmed, t.token_sum, t.sealed_key,
	t.clauses, CASE WHEN ` + isDead + ` THEN 1 ELSE 0 END`

// isDead evaluates the tombstones of the token t and of its ancestors. It is
// written so that every database goes from the token to its few ancestors, and
// not from the tombstones to their many descendants.
const isDead = `((
	SELECT MAX(CASE WHEN s.recursive_at > 0 OR a.depth = 0 AND s.token IS NOT NULL THEN 1 ELSE 0 END)
	FROM {ancestors} a LEFT JOIN {tombstones} s ON s.token = a.ancestor
	WHERE a.token = t.id) = 1)`

// linkColumns are those of a counter in a chain.
const linkColumns = `h.kind, h.clause, h.depth, c.id, c.clause, c.max_uses, c.used, c.last_used`

func (t *token) presentFields() []any {
	return []any{&t.id, scan(t.public[:]), scan(t.grant[:]), scan(t.owner[:]), (*pathOf)(&t.ancestors), &t.seq, &t.confirmed,
		scan(t.sum[:]), (*[]byte)(&t.key), &t.clauses, &t.dead}
}

func (l *link) fields() []any {
	return []any{&l.kind, &l.clause, &l.depth, &l.counter, &l.origin, (*int64)(&l.limit), &l.used, (*int64)(&l.lastUsed)}
}

// readPresented reads tokens with the links that uses of these kinds and
// clauses may spend. It is one statement, so that all of it is true at one
// instant. Tokens that are not there are missing in the result.
func (s *Store) readPresented(ctx context.Context, on runner, tokens blobs, kinds, clauses ids) (map[store.TokenID]*token, error) {
	found := make(map[store.TokenID]*token, len(tokens))
	var t token
	var l link
	fields := append(t.presentFields(), l.fields()...)
	err := s.each(ctx, s.varied(on), func(r *sql.Rows) error {
		if err := r.Scan(fields...); err != nil {
			return err
		}
		if found[t.public] == nil {
			one := t
			found[t.public] = &one
		}
		found[t.public].links = append(found[t.public].links, l)
		return nil
	}, `
		SELECT `+presentColumns+`, `+linkColumns+`
		FROM {tokens} t
		JOIN {chains} h ON h.token = t.id
		JOIN {counters} c ON c.id = h.counter
		WHERE t.token_id IN ? AND t.buried = 0 AND h.kind IN ? AND h.clause IN ?
		ORDER BY t.id, h.kind, h.clause, h.depth`, tokens, kinds, clauses)
	return found, err
}

// generation is an outdated one.
type generation struct {
	sum       store.Sum
	key       store.Sealed
	successor store.Sealed
	until     store.Micros // end of the grace, inclusive
}

// readGeneration returns nil if the generation is not known any more.
func (s *Store) readGeneration(ctx context.Context, on runner, token int64, seq uint64) (*generation, error) {
	var found *generation
	err := s.each(ctx, on, func(r *sql.Rows) error {
		found = new(generation)
		return r.Scan(scan(found.sum[:]), (*[]byte)(&found.key), (*[]byte)(&found.successor), (*int64)(&found.until))
	}, `SELECT token_sum, sealed_key, successor, grace_until FROM {generations} WHERE token = ? AND seq = ?`, token, int64(seq))
	return found, err
}

// answered is a presented generation that is answered.
type answered struct {
	key      store.Sealed
	outdated bool
}

// present says whether the presented generation of a token is answered. t is
// nil if there is none.
func (s *Store) present(ctx context.Context, on runner, t *token, p store.Presented, now store.Micros) (answered, error) {
	switch {
	case t == nil:
		return answered{}, store.ErrNotFound
	case t.dead:
		return answered{}, store.ErrRevoked
	case p.Seq == 0 || p.Seq > t.seq:
		return answered{}, store.ErrForged
	case p.Seq == t.seq:
		if p.Sum != t.sum {
			return answered{}, store.ErrForged
		}
		return answered{key: t.key}, nil
	}
	g, err := s.readGeneration(ctx, on, t.id, p.Seq)
	switch {
	case err != nil:
		return answered{}, err
	case g == nil || now > g.until:
		return answered{}, t.stale(p, true)
	case g.sum != p.Sum:
		return answered{}, store.ErrForged
	case p.Seq < t.confirmed:
		return answered{}, t.stale(p, false)
	}
	return answered{key: g.key, outdated: true}, nil
}

func (t *token) stale(p store.Presented, reuse bool) error {
	return &store.StaleError{Presented: p.Seq, Current: t.seq, Reuse: reuse}
}

// tokenOf is the token whose counter a link is.
func (t *token) tokenOf(l link) store.TokenID {
	if l.depth == 0 {
		return t.public
	}
	return t.ancestors[l.depth-1]
}

// chain returns the links of one clause.
func (t *token) chain(kind store.Kind, clause int) []link {
	is := func(l link) bool { return l.kind == kind && l.clause == clause }
	start := slices.IndexFunc(t.links, is)
	if start < 0 {
		return nil
	}
	end := start
	for end < len(t.links) && is(t.links[end]) {
		end++
	}
	return t.links[start:end]
}
