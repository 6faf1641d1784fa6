package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
)

// position is where an event stands in the histories: newest first.
type position struct {
	time int64
	id   int64
}

func (p position) compare(o position) int {
	return cmp.Or(cmp.Compare(o.time, p.time), cmp.Compare(o.id, p.id))
}

// newest is before every event.
var newest = position{time: 1<<63 - 1, id: 1<<63 - 1}

type event struct {
	position
	token int64
	event store.Event
}

// together is how many histories one statement reads.
const together = 32

// Events implements [store.Records].
func (s *Store) Events(ctx context.Context, tokens []store.TokenID, page store.Page) ([]store.EventRecord, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	after := newest
	if page.After != "" {
		if _, err := fmt.Sscanf(page.After, "%d.%d", &after.time, &after.id); err != nil {
			return nil, "", argument("foreign cursor")
		}
	}
	var public map[int64]store.TokenID
	var found []event
	err := s.step(ctx, "read histories", func() (err error) {
		if public, err = s.readKeys(ctx, tokens); err != nil {
			return err
		}
		found, err = s.readEvents(ctx, public, after, int64(page.Limit)+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(found) > page.Limit {
		found = found[:page.Limit]
		last := found[page.Limit-1]
		next = fmt.Sprintf("%d.%d", last.time, last.id)
	}
	var out []store.EventRecord
	for _, e := range found {
		out = append(out, store.EventRecord{Token: public[e.token], Event: e.event})
	}
	return out, next, nil
}

// readKeys finds the keys of tokens that are there.
func (s *Store) readKeys(ctx context.Context, tokens []store.TokenID) (map[int64]store.TokenID, error) {
	keys := make(map[int64]store.TokenID)
	for some := range slices.Chunk(tokens, together) {
		var l blobs
		for _, id := range some {
			l = append(l, id[:])
		}
		err := s.each(ctx, s.db, func(r *sql.Rows) error {
			var key int64
			var id store.TokenID
			err := r.Scan(&key, scan(id[:]))
			keys[key] = id
			return err
		}, `SELECT id, token_id FROM {tokens} WHERE token_id IN ? AND buried = 0`, l)
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// readEvents reads the newest events after a position. Each history is read as
// far as the answer may need it, not as long as it is.
func (s *Store) readEvents(ctx context.Context, keys map[int64]store.TokenID, after position, limit int64) ([]event, error) {
	var all []event
	var order ids
	for key := range keys {
		order = append(order, key)
	}
	slices.Sort(order)
	for some := range slices.Chunk(order, together) {
		var parts []string
		var args []any
		for i, key := range some {
			parts = append(parts, fmt.Sprintf(`SELECT * FROM (
				SELECT token, event_time, id, name, comment, address, user_agent FROM {history}
				WHERE token = ? AND named = 1 AND event_time <= ? AND (event_time < ? OR id < ?)
				ORDER BY event_time DESC, id DESC LIMIT ?) h%d`, i))
			args = append(args, key, after.time, after.time, after.id, limit)
		}
		err := s.each(ctx, s.db, func(r *sql.Rows) error {
			var e event
			err := r.Scan(&e.token, &e.time, &e.id, &e.event.Name, &e.event.Comment, &e.event.Address, &e.event.UserAgent)
			e.event.Time = store.Micros(e.time)
			all = append(all, e)
			return err
		}, strings.Join(parts, " UNION ALL "), args...)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b event) int { return a.compare(b.position) })
	return all[:min(int64(len(all)), limit)], nil
}
