package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// A change that puts or deletes items writes the row of their owner first. The row holds
// the revision, so of several changes that are based on one revision exactly one is made,
// and nobody else puts or deletes items of the owner until it is committed. A change of
// links writes the row of each item that it links. So it finds the item, and the changes of
// one item's links run one after the other. The order is tokens, owner, items, links, tickets.

// Items implements [store.Belongings].
func (s *Store) Items(ctx context.Context, owner store.OwnerID) (store.Items, error) {
	var out store.Items
	err := s.step(ctx, "read items", func() error {
		out = store.Items{}
		return s.each(ctx, s.db, func(r *sql.Rows) error {
			var item store.Item
			var revision int64
			err := r.Scan(&revision, scan(item.ID[:]), orZero[store.ItemKind]{&item.Kind}, (*[]byte)(&item.Contents))
			if item.ID.IsZero() {
				out.Revision = uint64(revision)
			} else {
				out.List = append(out.List, item)
			}
			return err
		}, itemsQuery, owner[:], owner[:])
	})
	if err != nil {
		return store.Items{}, err
	}
	slices.SortFunc(out.List, byID)
	return out, nil
}

// itemsQuery returns one row with the revision, and one for each item. One statement reads
// both, so the items are those of the revision.
const itemsQuery = `
	SELECT revision, NULL AS item_id, NULL AS kind, NULL AS contents FROM {owners} WHERE owner_id = ?
	UNION ALL
	SELECT 0, item_id, kind, contents FROM {items} WHERE owner_id = ?`

func byID(a, b store.Item) int { return bytes.Compare(a.ID[:], b.ID[:]) }

// ChangeItems implements [store.Belongings].
func (s *Store) ChangeItems(ctx context.Context, c store.ItemChanges) error {
	if err := c.Check(); err != nil {
		return err
	}
	return s.step(ctx, "change items", func() error {
		known, err := s.readKnown(ctx, &c)
		if err != nil {
			return err
		}
		if todo, err := known.Decide(&c); err != nil || !todo {
			return err
		}
		tickets, err := s.planChanges(ctx, &c.Tickets, c.Now)
		if err != nil {
			return err
		}
		token, err := s.readItemToken(ctx, &c)
		if err != nil {
			return err
		}
		return s.writeAll(ctx, s.itemChanges(known, &c, tickets, token), false)
	})
}

// knownItems is what the store knows when it decides a change of items.
type knownItems struct {
	rules.Items
	owners map[store.ItemID]store.OwnerID // of the items that the change names
}

// readKnown reads what a change depends on. It reads the revision first. So if the revision
// is still the same when the change is written, then so are the items.
func (s *Store) readKnown(ctx context.Context, c *store.ItemChanges) (*knownItems, error) {
	k := &knownItems{owners: make(map[store.ItemID]store.OwnerID)}
	k.Owner = func(id store.ItemID) store.OwnerID { return k.owners[id] }
	if c.ChangesList() {
		err := s.each(ctx, s.db, func(r *sql.Rows) error {
			var revision int64
			err := r.Scan(&revision, scan(k.Change[:]))
			k.Revision = uint64(revision)
			return err
		}, `SELECT revision, change_id FROM {owners} WHERE owner_id = ?`, c.Owner[:])
		if err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(itemsOf(c), chunk) {
		err := s.each(ctx, s.db, func(r *sql.Rows) error {
			var id store.ItemID
			var owner store.OwnerID
			err := r.Scan(scan(id[:]), scan(owner[:]))
			k.owners[id] = owner
			return err
		}, `SELECT item_id, owner_id FROM {items} WHERE item_id IN ?`, some)
		if err != nil {
			return nil, err
		}
	}
	return k, nil
}

// itemsOf lists the items that a change names, each once.
func itemsOf(c *store.ItemChanges) blobs {
	var all blobs
	for i := range c.Put {
		all = append(all, c.Put[i].ID[:])
	}
	for i := range c.Delete {
		all = append(all, c.Delete[i][:])
	}
	for i := range c.Links {
		all = append(all, c.Links[i].Item[:])
	}
	return sorted(all)
}

// sorted returns a list in the order of its values, each once.
func sorted(l blobs) blobs {
	slices.SortFunc(l, bytes.Compare)
	return slices.CompactFunc(l, bytes.Equal)
}

// readItemToken returns the key of the token that gets the event of a change, or that the
// change needs. It returns 0 if there is none.
func (s *Store) readItemToken(ctx context.Context, c *store.ItemChanges) (int64, error) {
	if c.Event.Name == "" && !c.NeedsToken {
		return 0, nil
	}
	keys, err := s.readKeys(ctx, []store.TokenID{c.Token})
	for key := range keys {
		return key, err
	}
	if err == nil && c.NeedsToken {
		err = store.ErrNotFound
	}
	return 0, err
}

// itemChanges returns the statements that make a change. token is the key that readItemToken
// returns.
func (s *Store) itemChanges(k *knownItems, c *store.ItemChanges, tickets *ticketPlan, token int64) []demand {
	var all []demand
	if token != 0 {
		tickets.guarded[c.Token] = true
		all = append(all, demand{text: touchToken, args: []any{token, int64(store.NoClause), int64(store.UseUncounted)}, rows: 1})
	}
	all = append(all, touchTokens(tickets.tokens())...)
	if c.ChangesList() {
		all = append(all, nextRevision(c))
	}
	all = append(all, k.writeItems(c)...)
	all = append(all, writeLinks(s.engine, c)...)
	all = append(all, tickets.writes()...)
	if token != 0 && c.Event.Name != "" {
		all = append(all, events(token, c.Event)...)
	}
	return all
}

// nextRevision returns the statement that makes the next revision of an owner's items. It
// fails unless the present one is that of the change.
func nextRevision(c *store.ItemChanges) demand {
	if c.Revision == 0 {
		return demand{text: `INSERT INTO {owners} (owner_id, revision, change_id) VALUES (?, 1, ?)`, args: []any{c.Owner[:], c.ID[:]}, rows: 1}
	}
	return demand{
		text: `UPDATE {owners} SET revision = revision + 1, change_id = ? WHERE owner_id = ? AND revision = ?`,
		args: []any{c.ID[:], c.Owner[:], int64(c.Revision)}, rows: 1,
	}
}

// writeItems returns the statements that put and delete items. They come after
// nextRevision, which makes sure that the owner still has the items that were read.
func (k *knownItems) writeItems(c *store.ItemChanges) []demand {
	put := slices.Clone(c.Put)
	slices.SortFunc(put, byID)
	var all []demand
	var fresh [][]any
	for _, item := range put {
		if k.owners[item.ID].IsZero() {
			fresh = append(fresh, []any{item.ID[:], c.Owner[:], int64(item.Kind), int64(1), []byte(item.Contents)})
			continue
		}
		all = append(all, demand{
			text: `UPDATE {items} SET version = version + 1, kind = ?, contents = ? WHERE item_id = ? AND owner_id = ?`,
			args: []any{int64(item.Kind), []byte(item.Contents), item.ID[:], c.Owner[:]}, rows: 1,
		})
	}
	for some := range slices.Chunk(fresh, chunk) {
		all = append(all, demand{
			text: `INSERT INTO {items} (item_id, owner_id, kind, version, contents) VALUES ` + values(len(some), 5),
			args: slices.Concat(some...), rows: len(some),
		})
	}
	var gone blobs
	for i, id := range c.Delete {
		if k.owners[id] == c.Owner {
			gone = append(gone, c.Delete[i][:])
		}
	}
	for some := range slices.Chunk(sorted(gone), chunk) {
		all = append(all,
			demand{text: deleteItems, args: []any{some}, rows: len(some)},
			// A change of links may be committed while the statement before waits for it.
			demand{text: deleteLinksOfItems, args: []any{some}, rows: anyRows, after: true})
	}
	return all
}

const (
	deleteItems        = `DELETE FROM {items} WHERE item_id IN ?`
	deleteLinksOfItems = `DELETE FROM {links} WHERE item_id IN ?`
)

// deleteBelongings deletes everything that an owner keeps besides tokens. It waits for
// changes of the items, and then for changes of their links.
func (s *Store) deleteBelongings(ctx context.Context, tx runner, owner []byte) error {
	n, err := s.exec(ctx, tx, `DELETE FROM {owners} WHERE owner_id = ?`, owner)
	if err != nil || n == 0 { // then there are no items
		return err
	}
	items, err := column[[]byte](ctx, s, tx, `SELECT item_id FROM {items} WHERE owner_id = ? ORDER BY item_id`, owner)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(items, chunk) {
		if err := s.lock(ctx, tx, "items", "item_id", "item_id", blobs(some)); err != nil {
			return err
		}
		for _, text := range []string{deleteItems, deleteLinksOfItems} {
			if _, err := s.exec(ctx, tx, text, some); err != nil {
				return err
			}
		}
	}
	return nil
}
