package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// token is a row of {tokens} with the counters that its uses spend.
type token struct {
	rules.Token
	row   int64  // its key
	links []link // by kind, clause and depth

	// Only lists and look-ups read the following.
	about   store.Sealed
	created store.Micros
	expires store.Micros
	revoked store.Micros
	refused bool // the provider refused the grant's refresh token
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

// presentColumns are the columns of a token that somebody presents.
const presentColumns = `t.id, t.token_id, t.grant_id, t.owner_id, t.path, t.seq, t.confirmed, t.token_sum, t.sealed_key,
	t.clauses, ` + death

// death evaluates the tombstones of the token t and of its ancestors: 1 if one of them ends
// the token, and 0 otherwise. It is written so that every database goes from the token to
// its few ancestors, not from the tombstones to their many descendants. Scan it by verdict.
const death = `(
	SELECT MAX(CASE WHEN s.recursive_at > 0 OR a.depth = 0 AND s.token IS NOT NULL THEN 1 ELSE 0 END)
	FROM {ancestors} a LEFT JOIN {tombstones} s ON s.token = a.ancestor
	WHERE a.token = t.id)`

const isDead = `(` + death + ` = 1)`

// linkColumns are the columns of a counter in a chain.
const linkColumns = `h.kind, h.clause, h.depth, c.id, c.clause, c.max_uses, c.used, c.last_used`

// compare orders the links of a token by kind, clause and depth.
func (l link) compare(o link) int {
	return cmp.Or(cmp.Compare(l.kind, o.kind), cmp.Compare(l.clause, o.clause), cmp.Compare(l.depth, o.depth))
}

func (t *token) presentFields() []any {
	return []any{&t.row, scan(t.ID[:]), scan(t.Grant[:]), scan(t.Owner[:]), (*pathOf)(&t.Ancestors), &t.Seq, &t.Confirmed,
		scan(t.Sum[:]), (*[]byte)(&t.Key), &t.Clauses, verdict{&t.Live, false}}
}

func (l *link) fields() []any {
	return []any{&l.kind, &l.clause, &l.depth, &l.counter, &l.origin, (*int64)(&l.limit), &l.used, (*int64)(&l.lastUsed)}
}

const presentQuery = `
		SELECT ` + presentColumns + `, ` + linkColumns + `
		FROM {tokens} t
		JOIN {chains} h ON h.token = t.id
		JOIN {counters} c ON c.id = h.counter
		WHERE t.token_id IN ? AND t.buried = 0 AND h.kind IN ? AND h.clause IN ?`

// readPresented reads tokens with the links that uses of these kinds and clauses may
// spend. One statement reads everything, so that the result is the state at one instant.
// Tokens that do not exist are missing in the result.
func (s *Store) readPresented(ctx context.Context, tokens blobs, kinds, clauses ids) (map[store.TokenID]*token, error) {
	found := make(map[store.TokenID]*token, len(tokens))
	var t token
	all, err := s.readTokens(ctx, t.presentFields(), &t, presentQuery, tokens, kinds, clauses)
	for _, t := range all {
		found[t.ID] = t
	}
	return found, err
}

// readTokens runs a query that returns one row for each link, in any order. Each row
// begins with the given fields of t. The tokens come in the order of their keys. The query
// does not sort: a database would write tokens to a temporary file for that.
func (s *Store) readTokens(ctx context.Context, fields []any, t *token, text string, args ...any) ([]*token, error) {
	var all []*token
	known := make(map[int64]*token)
	var l link
	fields = append(fields, l.fields()...)
	err := s.each(ctx, s.db, func(r *sql.Rows) error {
		if err := r.Scan(fields...); err != nil {
			return err
		}
		one := known[t.row]
		if one == nil {
			one = new(*t)
			known[t.row], all = one, append(all, one)
		}
		one.links = append(one.links, l)
		return nil
	}, text, args...)
	slices.SortFunc(all, func(a, b *token) int { return cmp.Compare(a.row, b.row) })
	for _, one := range all {
		slices.SortFunc(one.links, link.compare)
	}
	return all, err
}

// readAlone reads a token with the counter that a use without a clause writes. It returns
// nil if there is no such token.
func (s *Store) readAlone(ctx context.Context, id store.TokenID) (*token, error) {
	found, err := s.readPresented(ctx, blobs{id[:]}, ids{int64(store.UseUncounted)}, ids{store.NoClause})
	return found[id], err
}

// decisive returns the part of the token on which package rules decides. It returns nil
// if t is nil.
func (t *token) decisive() *rules.Token {
	if t == nil {
		return nil
	}
	return &t.Token
}

// present decides whether to accept the presented generation of a token. t is nil if
// there is no such token.
func (s *Store) present(ctx context.Context, t *token, p store.Presented, now store.Micros) (rules.Answer, error) {
	return rules.Present(t.decisive(), p, now, s.generations(ctx, t))
}

// generations returns a function that finds the outdated generations of a token.
func (s *Store) generations(ctx context.Context, t *token) rules.Find {
	return func(seq uint64) (*rules.Generation, error) {
		var found *rules.Generation
		err := s.each(ctx, s.db, func(r *sql.Rows) error {
			found = new(rules.Generation)
			return r.Scan(scan(found.Sum[:]), (*[]byte)(&found.Key), (*[]byte)(&found.Successor), (*int64)(&found.Until))
		}, `SELECT token_sum, sealed_key, successor, grace_until FROM {generations} WHERE token = ? AND seq = ?`, t.row, int64(seq))
		return found, err
	}
}

// tokenOf returns the token that the counter of a link belongs to.
func (t *token) tokenOf(l link) store.TokenID {
	if l.depth == 0 {
		return t.ID
	}
	return t.Ancestors[l.depth-1]
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
