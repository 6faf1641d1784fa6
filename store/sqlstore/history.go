package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// entry is a row of the history: an event, the identity of a use, or both.
type entry struct {
	token  int64
	event  store.Event
	use    store.UseID // zero: none
	kind   store.Kind
	clause int
	child  store.TokenID // zero: none
	used   store.Micros
}

const (
	historyColumns = `token, named, event_time, name, comment, address, user_agent, use_id, kind, clause, child_id, used_at`
	historyWidth   = 12
)

func (e *entry) columns() []any {
	named := int64(0)
	event := e.event
	if event.Name != "" {
		named = 1
	} else {
		event = store.Event{}
	}
	var used any
	if !e.use.IsZero() {
		used = int64(e.used)
	}
	return []any{
		e.token, named, int64(event.Time),
		[]byte(event.Name), []byte(event.Comment), []byte(event.Address), []byte(event.UserAgent),
		orNull(e.use, e.use[:]), int64(e.kind), int64(e.clause), orNull(e.child, e.child[:]), used,
	}
}

// insertHistory returns the statement that adds rows to the history.
func insertHistory(rows []entry) demand {
	args := make([]any, 0, len(rows)*historyWidth)
	for i := range rows {
		args = append(args, rows[i].columns()...)
	}
	return demand{text: historyText(len(rows)), args: args, rows: len(rows)}
}

func historyText(rows int) string {
	return `INSERT INTO {history} (` + historyColumns + `) VALUES ` + values(rows, historyWidth)
}

// events returns the statement that adds the events that have a name to the history of a
// token, if there are any.
func events(token int64, all ...store.Event) []demand {
	var rows []entry
	for _, e := range all {
		if e.Name != "" {
			rows = append(rows, entry{token: token, event: e, clause: store.NoClause})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return []demand{insertHistory(rows)}
}

// addEvents adds the events that have a name to the history of a token.
func (s *Store) addEvents(ctx context.Context, on runner, token int64, all ...store.Event) error {
	return s.demandAll(ctx, on, events(token, all...))
}

// event is an event as it was read, with its position in the histories.
type event struct {
	rules.Position
	token int64
	event store.Event
}

// together is the most histories that one statement reads.
const together = 32

// Events implements [store.Records].
func (s *Store) Events(ctx context.Context, tokens []store.TokenID, page store.Page) ([]store.EventRecord, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	after, err := rules.ParsePosition(page.After)
	if err != nil {
		return nil, "", err
	}
	var public map[int64]store.TokenID
	var found []event
	err = s.step(ctx, "read histories", func() (err error) {
		if public, err = s.readKeys(ctx, tokens); err != nil {
			return err
		}
		found, err = s.readEvents(ctx, public, after, int64(page.Limit)+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	found, next := paged(found, page, event.Cursor)
	var out []store.EventRecord
	for _, e := range found {
		out = append(out, store.EventRecord{Token: public[e.token], Event: e.event})
	}
	return out, next, nil
}

// readKeys returns the keys of the tokens that exist.
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

// readEvents reads the newest events after a position. It reads each history only as far
// as the answer may need it.
func (s *Store) readEvents(ctx context.Context, keys map[int64]store.TokenID, after rules.Position, limit int64) ([]event, error) {
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
			args = append(args, key, int64(after.Time), int64(after.Time), after.Serial, limit)
		}
		err := s.each(ctx, s.db, func(r *sql.Rows) error {
			var e event
			err := r.Scan(&e.token, (*int64)(&e.Time), &e.Serial, &e.event.Name, &e.event.Comment, &e.event.Address, &e.event.UserAgent)
			e.event.Time = e.Time
			all = append(all, e)
			return err
		}, strings.Join(parts, " UNION ALL "), args...)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b event) int { return a.Compare(b.Position) })
	return all[:min(int64(len(all)), limit)], nil
}
