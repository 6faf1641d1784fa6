package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// sealedColumn is a column of sealed values. A walk reads it in the order of the table's
// key.
type sealedColumn struct {
	kind    store.PlaceKind
	value   string // the column
	id, n   string // id and number of its place
	owner   string // column of the owner, if the place names it
	from    string
	byBytes bool   // whether key is a byte string, not a number
	key     string // first column of the key
	second  string // second one, a number; may be empty
	// replace is the statement that replaces a value at a place. args returns its
	// arguments for the place, or nil if the place does not belong to this column.
	replace string
	args    func(store.Place) []any
}

func sealedColumns() []sealedColumn {
	const (
		living      = `{tokens} t WHERE t.buried = 0`
		generations = `{generations} x JOIN {tokens} t ON t.id = x.token WHERE t.buried = 0`
		outdated    = ` WHERE token = (SELECT t.id FROM {tokens} t WHERE t.token_id = ?) AND seq = ? AND `
	)
	return []sealedColumn{
		{
			kind: store.PlaceRefreshToken, value: "refresh", id: "grant_id", n: "generation",
			from: `{grants} WHERE 1 = 1`, byBytes: true, key: "grant_id",
			replace: `UPDATE {grants} SET version = version + 1, refresh = ? WHERE grant_id = ? AND generation = ? AND refresh = ?`,
			args:    placeOf(store.GrantID{}),
		}, {
			kind: store.PlaceRefreshToken, value: "refresh", id: "grant_id", n: "generation",
			from: `{spares} WHERE 1 = 1`, byBytes: true, key: "grant_id", second: "arrival",
			replace: `UPDATE {spares} SET refresh = ? WHERE grant_id = ? AND generation = ? AND refresh = ?`,
			args:    placeOf(store.GrantID{}),
		}, {
			kind: store.PlaceAbout, value: "t.about", id: "t.token_id", n: "0",
			from: living, key: "t.id",
			replace: `UPDATE {tokens} SET about = ? WHERE token_id = ? AND ? = 0 AND about = ? AND buried = 0`,
			args:    placeOf(store.TokenID{}),
		}, {
			kind: store.PlaceTokenKey, value: "t.sealed_key", id: "t.token_id", n: "t.seq",
			from: living, key: "t.id",
			replace: `UPDATE {tokens} SET sealed_key = ? WHERE token_id = ? AND seq = ? AND sealed_key = ? AND buried = 0`,
			args:    placeOf(store.TokenID{}),
		}, {
			kind: store.PlaceTokenKey, value: "x.sealed_key", id: "t.token_id", n: "x.seq",
			from: generations, key: "x.token", second: "x.seq",
			replace: `UPDATE {generations} SET sealed_key = ?` + outdated + `sealed_key = ?`,
			args:    placeOf(store.TokenID{}),
		}, {
			kind: store.PlaceSuccessor, value: "x.successor", id: "t.token_id", n: "x.seq",
			from: generations, key: "x.token", second: "x.seq",
			replace: `UPDATE {generations} SET successor = ?` + outdated + `successor = ?`,
			args:    placeOf(store.TokenID{}),
		}, {
			kind: store.PlaceTicketKey, value: "sealed_key", id: "ticket_id", n: "kind",
			from: `{tickets} WHERE 1 = 1`, byBytes: true, key: "ticket_id", second: "kind",
			replace: `UPDATE {tickets} SET version = version + 1, sealed_key = ? WHERE ticket_id = ? AND kind = ? AND sealed_key = ?`,
			args:    ticketPlace,
		}, {
			kind: store.PlaceTicketPayload, value: "payload", id: "ticket_id", n: "kind",
			from: `{tickets} WHERE 1 = 1`, byBytes: true, key: "ticket_id", second: "kind",
			replace: `UPDATE {tickets} SET version = version + 1, payload = ? WHERE ticket_id = ? AND kind = ? AND payload = ?`,
			args:    ticketPlace,
		}, {
			kind: store.PlaceItem, value: "contents", id: "item_id", n: "kind", owner: "owner_id",
			from: `{items} WHERE 1 = 1`, byBytes: true, key: "item_id",
			replace: `UPDATE {items} SET version = version + 1, contents = ? WHERE item_id = ? AND owner_id = ? AND kind = ? AND contents = ?`,
			args:    itemPlace,
		},
	}
}

// placeOf returns the arguments of a place whose id is as long as the given one.
func placeOf[ID store.GrantID | store.TokenID](id ID) func(store.Place) []any {
	return func(p store.Place) []any {
		if len(p.ID) != len(id) {
			return nil
		}
		return []any{[]byte(p.ID), int64(p.N)}
	}
}

// ticketPlace returns the arguments of the place of a ticket, whose id is kind and id.
func ticketPlace(p store.Place) []any {
	if len(p.ID) != 1+len(store.TicketID{}) || p.N != 0 {
		return nil
	}
	return []any{[]byte(p.ID[1:]), int64(p.ID[0])}
}

// itemPlace returns the arguments of the place of an item, which names its owner too.
func itemPlace(p store.Place) []any {
	owner, id, ok := p.ItemID()
	if !ok {
		return nil
	}
	return []any{id[:], owner[:], int64(p.N)}
}

// place returns the place of a value. It is the reverse of args.
func (w *sealedColumn) place(id, owner []byte, n int64) store.Place {
	switch w.kind {
	case store.PlaceItem:
		return store.ItemPlace(store.OwnerID(owner), store.ItemID(id), store.ItemKind(n))
	case store.PlaceTicketKey:
		return store.TicketKeyPlace(store.TicketRef{Kind: store.TicketKind(n), ID: store.TicketID(id)})
	case store.PlaceTicketPayload:
		return store.TicketPayloadPlace(store.TicketRef{Kind: store.TicketKind(n), ID: store.TicketID(id)})
	}
	return store.Place{Kind: w.kind, ID: string(id), N: uint64(n)}
}

// cursor is how far a walk has come.
type cursor struct {
	column int
	bytes  []byte // key, where it is a byte string
	number int64  // key, where it is a number
	second int64
}

func (c cursor) String() string {
	return fmt.Sprintf("%d.%d.%d.%x", c.column, c.number, c.second, c.bytes)
}

func parseCursor(text string) (cursor, error) {
	c := cursor{bytes: []byte{}, number: -1, second: -1}
	if text == "" {
		return c, nil
	}
	var digits string
	n, err := fmt.Sscanf(text+" ", "%d.%d.%d.%s", &c.column, &c.number, &c.second, &digits)
	if err == nil || n == 3 {
		c.bytes, err = hex.DecodeString(digits)
	}
	if err != nil || c.column < 0 || c.column >= len(sealedColumns()) {
		return c, rules.ForeignCursor(text)
	}
	return c, nil
}

// Sealed implements [store.Records].
func (s *Store) Sealed(ctx context.Context, page store.Page) ([]store.SealedItem, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	at, err := parseCursor(page.After)
	if err != nil {
		return nil, "", err
	}
	all := sealedColumns()
	var out []store.SealedItem
	for {
		rest := page.Limit - len(out)
		found, last, err := s.walk(ctx, &all[at.column], at, rest)
		if err != nil {
			return nil, "", err
		}
		out = append(out, found...)
		switch {
		case len(found) == rest:
			return out, last.String(), nil
		case at.column == len(all)-1:
			return out, "", nil
		}
		at = cursor{column: at.column + 1, bytes: []byte{}, number: -1, second: -1}
	}
}

// query returns a statement that reads the next values of a walk: for each, the value,
// the id, the owner and the number of its place, and its key.
func (w *sealedColumn) query() string {
	owner, second, order := w.id, "0", w.key // no place without owner looks at that column
	if w.owner != "" {
		owner = w.owner
	}
	after := w.key + ` > ?`
	if w.second != "" {
		second, order = w.second, w.key+", "+w.second
		after = w.key + ` >= ? AND (` + w.key + ` > ? OR ` + w.second + ` > ?)`
	}
	return `SELECT ` + w.value + `, ` + w.id + `, ` + owner + `, ` + w.n + `, ` + w.key + `, ` + second + ` FROM ` + w.from + `
		AND ` + after + ` AND LENGTH(` + w.value + `) > 0 ORDER BY ` + order + ` LIMIT ?`
}

func (c cursor) args(w *sealedColumn, limit int) []any {
	var first any = c.number
	if w.byBytes {
		first = c.bytes
	}
	if w.second == "" {
		return []any{first, int64(limit)}
	}
	return []any{first, first, c.second, int64(limit)}
}

// walk returns the next values of one column.
func (s *Store) walk(ctx context.Context, w *sealedColumn, after cursor, limit int) (found []store.SealedItem, last cursor, err error) {
	args := after.args(w, limit)
	err = s.step(ctx, "read sealed values", func() error {
		found, last = nil, after
		return s.each(ctx, s.db, func(r *sql.Rows) error {
			var value, id, owner []byte
			var n int64
			var key any = &last.number
			if w.byBytes {
				key = &last.bytes
			}
			if err := r.Scan(&value, &id, &owner, &n, key, &last.second); err != nil {
				return err
			}
			found = append(found, store.SealedItem{Place: w.place(id, owner, n), Sealed: value})
			return nil
		}, w.query(), args...)
	})
	return found, last, err
}

// Reseal implements [store.Records].
func (s *Store) Reseal(ctx context.Context, items []store.Reseal) (int, error) {
	if err := store.CheckReseal(items); err != nil {
		return 0, err
	}
	if len(items) == 0 {
		return 0, ctx.Err()
	}
	replaced := 0
	err := s.step(ctx, "replace sealed values", func() error {
		replaced = 0
		return s.write(ctx, func(tx runner) error {
			for i := range items {
				n, err := s.reseal(ctx, tx, &items[i])
				if err != nil {
					return err
				}
				replaced += n
			}
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	return replaced, nil
}

// reseal replaces one value in the column that holds it.
func (s *Store) reseal(ctx context.Context, tx runner, r *store.Reseal) (int, error) {
	for _, w := range sealedColumns() {
		if w.kind != r.Place.Kind {
			continue
		}
		args := w.args(r.Place)
		if args == nil {
			continue
		}
		args = append(append([]any{[]byte(r.New)}, args...), []byte(r.Old))
		n, err := s.exec(ctx, tx, w.replace, args...)
		if err != nil || n > 0 {
			return min(int(n), 1), err
		}
	}
	return 0, nil
}
