package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// linkedTogether is the most tokens whose links one statement reads.
const linkedTogether = 1024

// Links implements [store.Belongings]. It reads the links of up to 1,024 tokens at one
// instant.
func (s *Store) Links(ctx context.Context, tokens []store.TokenID) ([]store.Link, error) {
	var all blobs
	for i := range tokens {
		all = append(all, tokens[i][:])
	}
	if all = sorted(all); len(all) == 0 {
		return nil, ctx.Err()
	}
	var out []store.Link
	err := s.step(ctx, "read links", func() error {
		out = nil
		for some := range slices.Chunk(all, linkedTogether) {
			err := s.each(ctx, s.db, func(r *sql.Rows) error {
				var l store.Link
				err := r.Scan(scan(l.Item[:]), scan(l.Token[:]), &l.Own, &l.Below)
				out = append(out, l)
				return err
			}, `SELECT item_id, token_id, own, below FROM {links} WHERE token_id IN ?`, some)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// writeLinks returns the statements that make the links of a change, in their order. First
// they write the rows of the items.
func writeLinks(e engine, c *store.ItemChanges) []demand {
	var items blobs
	for i := range c.Links {
		items = append(items, c.Links[i].Item[:])
	}
	var all []demand
	for some := range slices.Chunk(sorted(items), chunk) {
		all = append(all, demand{
			text: e.touchItems(), args: []any{some, c.Owner[:]}, rows: len(some), after: true,
		})
	}
	for rest := c.Links; len(rest) > 0; {
		n := 1
		for n < len(rest) && !rest[n].Clear {
			n++
		}
		if rest[0].Clear {
			all = append(all, clearLinks(&rest[0]))
		}
		for some := range slices.Chunk(rest[:n], chunk) {
			all = append(all, replaceLinks(some, c.Now)...)
		}
		rest = rest[n:]
	}
	return all
}

// clearLinks returns the statement that deletes the links of an item with the descendants
// of a token.
func clearLinks(l *store.NewLink) demand {
	return demand{
		text: `
			DELETE FROM {links} WHERE item_id = ? AND EXISTS (
				SELECT 1 FROM {tokens} t JOIN {ancestors} a ON a.token = t.id JOIN {tokens} r ON r.id = a.ancestor
				WHERE t.token_id = {links}.token_id AND a.depth > 0 AND r.token_id = ?)`,
		args: []any{l.Item[:], l.Token[:]}, rows: anyRows, after: true,
	}
}

// linkOf finds one link.
const linkOf = `item_id = ? AND token_id = ?`

// replaceLinks returns the statements that make links in place of those with the same
// items and tokens. They write the rows in the order of their keys.
func replaceLinks(links []store.NewLink, now store.Micros) []demand {
	links = slices.Clone(links)
	slices.SortFunc(links, func(a, b store.NewLink) int {
		return cmp.Or(bytes.Compare(a.Item[:], b.Item[:]), bytes.Compare(a.Token[:], b.Token[:]))
	})
	var keys []any
	var rows [][]any
	for i := range links {
		l := &links[i]
		keys = append(keys, l.Item[:], l.Token[:])
		rows = append(rows, []any{l.Item[:], l.Token[:], flag(l.Own), flag(l.Below), int64(now)})
	}
	return []demand{
		{text: `DELETE FROM {links} WHERE ` + either(linkOf, len(links)), args: keys, rows: anyRows, after: true},
		{
			text: `INSERT INTO {links} (item_id, token_id, own, below, sweep_at) VALUES ` + values(len(rows), 5),
			args: slices.Concat(rows...), rows: len(rows), after: true,
		},
	}
}
