package sqlstore

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// infoQuery reads whole tokens in one statement, with one row for each counter in each
// chain. The text after it names the rows t of {tokens} to read.
const (
	infoColumns = presentColumns + `, t.about, t.created, t.expires,
		COALESCE((SELECT s.revoked_at FROM {tombstones} s WHERE s.token = t.id), 0),
		COALESCE((SELECT g.dead FROM {grants} g WHERE g.grant_id = t.grant_id), 0)`
	infoQuery = `SELECT ` + infoColumns + `, ` + linkColumns + ` FROM `
	infoJoin  = `
		JOIN {chains} h ON h.token = t.id
		JOIN {counters} c ON c.id = h.counter`

	oneQuery  = infoQuery + `{tokens} t` + infoJoin + ` WHERE t.token_id IN ? AND t.buried = 0`
	listQuery = infoQuery + `(
		SELECT * FROM {tokens} WHERE owner_id = ? AND id > ? AND buried = 0 ORDER BY id LIMIT ?) t` + infoJoin
	subtreeQuery = infoQuery + `(
		SELECT x.* FROM {tokens} r
		JOIN {ancestors} d ON d.ancestor = r.id
		JOIN {tokens} x ON x.id = d.token
		WHERE r.token_id = ? AND r.buried = 0 AND d.token > ? AND x.buried = 0
		ORDER BY d.token LIMIT ?) t` + infoJoin
)

func (t *token) infoFields() []any {
	return append(t.presentFields(), (*[]byte)(&t.about), (*int64)(&t.created), (*int64)(&t.expires), (*int64)(&t.revoked), &t.refused)
}

// readInfos reads tokens in the order of their creation.
func (s *Store) readInfos(ctx context.Context, text string, args ...any) ([]*token, error) {
	var t token
	return s.readTokens(ctx, t.infoFields(), &t, text, args...)
}

// info returns the token as lists and look-ups describe it.
func (t *token) info() store.TokenInfo {
	i := store.TokenInfo{
		ID: t.ID, Grant: t.Grant, Owner: t.Owner, Ancestors: slices.Clone(t.Ancestors), Seq: t.Seq, About: orNil(slices.Clone(t.about)),
		Created: t.created, Expires: t.expires, Revoked: t.revoked, Live: t.Live,
	}
	if t.Clauses > 0 {
		i.Counters = make([]store.Counter, t.Clauses)
	}
	for _, l := range t.links {
		if l.depth == 0 {
			i.LastUsed = max(i.LastUsed, l.lastUsed)
		}
		if l.clause == store.NoClause {
			continue
		}
		c := &i.Counters[l.clause]
		if l.kind == store.UseAT {
			l.add(&c.AT, &c.ATUsed, &c.ATLeft)
		} else {
			l.add(&c.Other, &c.OtherUsed, &c.OtherLeft)
		}
	}
	return i
}

// add adds one link of a chain to the state of the clause. The first link is the clause's
// own counter.
func (l link) add(limit *store.Limit, used *int64, left *store.Limit) {
	if l.depth == 0 {
		*limit, *used, *left = l.limit, l.used, store.Unlimited
	}
	*left = rules.Counter{Limit: l.limit, Used: l.used}.Least(*left)
}

// Lookup implements [store.Tokens].
func (s *Store) Lookup(ctx context.Context, p store.Presented, now store.Micros) (store.State, error) {
	var state store.State
	err := s.step(ctx, "look up a token", func() error {
		t, err := s.readToken(ctx, p.ID)
		if err != nil {
			return err
		}
		answer, err := s.present(ctx, t, p, now)
		if err != nil {
			return err
		}
		state = store.State{TokenInfo: t.info(), Key: answer.Key, Outdated: answer.Outdated, Dead: t.refused}
		if !answer.Confirms {
			return nil
		}
		return s.writeAll(ctx, confirm(confirmation{t.row, t.Seq}), true)
	})
	if err != nil {
		return store.State{}, err
	}
	return state, nil
}

// readInfo reads a token alone; see readToken.
func (s *Store) readInfo(ctx context.Context, id store.TokenID) (*token, error) {
	found, err := s.readInfos(ctx, oneQuery, blobs{id[:]})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// Token implements [store.Records].
func (s *Store) Token(ctx context.Context, id store.TokenID) (store.TokenInfo, error) {
	var info store.TokenInfo
	err := s.step(ctx, "read a token", func() error {
		t, err := s.readToken(ctx, id)
		if err != nil {
			return err
		}
		if t == nil {
			return store.ErrNotFound
		}
		info = t.info()
		return nil
	})
	return info, err
}

// List implements [store.Records].
func (s *Store) List(ctx context.Context, owner store.OwnerID, page store.Page) ([]store.TokenInfo, string, error) {
	return s.page(ctx, "list tokens", page, listQuery, owner[:])
}

// countQuery reads the index on the owner alone.
const countQuery = `SELECT COUNT(*) FROM (SELECT id FROM {tokens} WHERE owner_id = ? LIMIT ?) t`

// Count implements [store.Records].
func (s *Store) Count(ctx context.Context, owner store.OwnerID, most int) (int, error) {
	if err := store.CheckCount(most); err != nil {
		return 0, err
	}
	var n int64
	err := s.step(ctx, "count tokens", func() error {
		found, err := column[int64](ctx, s, s.db, countQuery, owner[:], int64(most))
		if err == nil {
			n = found[0]
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// Subtree implements [store.Records].
func (s *Store) Subtree(ctx context.Context, root store.TokenID, page store.Page) ([]store.TokenInfo, string, error) {
	return s.page(ctx, "list a subtree", page, subtreeQuery, root[:])
}

// page returns one page of tokens. It reads one token more, to know whether there is
// another page.
func (s *Store) page(ctx context.Context, step string, page store.Page, text string, of []byte) ([]store.TokenInfo, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	after, err := rules.ParseSerial(page.After)
	if err != nil {
		return nil, "", err
	}
	var found []*token
	err = s.step(ctx, step, func() (err error) {
		found, err = s.readInfos(ctx, text, of, after, int64(page.Limit)+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	found, next := paged(found, page, func(t *token) string { return rules.SerialCursor(t.row) })
	var out []store.TokenInfo
	for _, t := range found {
		out = append(out, t.info())
	}
	return out, next, nil
}

// paged cuts what was read to a page, and returns the cursor of the next one. found holds
// one entry more than the page if there is a next one.
func paged[T any](found []T, page store.Page, cursor func(T) string) ([]T, string) {
	if len(found) <= page.Limit {
		return found, ""
	}
	return found[:page.Limit], cursor(found[page.Limit-1])
}
