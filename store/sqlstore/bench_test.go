package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/benchtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// BenchmarkSpend measures uses of one token (hot) and of 10,000 tokens (distinct), by
// several callers at once. x-floor compares with the least that a use needs: one
// conditional UPDATE of one row, prepared, in autocommit. The same number of callers
// makes these in the same run, through the same driver.
//
// The uncounted cases measure uses that spend nothing, such as introspections. Their
// floor is one conditional INSERT of an event, likewise.
func BenchmarkSpend(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			s := e.new(b)
			if s.dialect != sqlstore.SQLite {
				s.conns = 32 // as many as there are callers
			}
			db := s.migrate(b)
			tokens := live(10_000)
			s.mass(b, db, 5*len(tokens)/2)
			st := s.on(b, db)
			bare := newBare(b, s, db, len(tokens))
			for _, c := range []struct {
				name   string
				tokens int
				use    func() store.Use
				floor  *sql.Stmt
			}{
				{"hot", 1, newUse, bare.update},
				{"distinct", len(tokens), newUse, bare.update},
				{"uncounted-hot", 1, newUncounted, bare.insert},
				{"uncounted-distinct", len(tokens), newUncounted, bare.insert},
			} {
				for _, callers := range []int{1, 8, 32} {
					b.Run(fmt.Sprintf("%s/callers=%d", c.name, callers), func(b *testing.B) {
						benchtest.Compare(b, "uses", benchtest.Sides{
							Callers: callers,
							Floor:   func(_, n int) error { return changeOne(b.Context(), c.floor, n%c.tokens) },
							Work: func(_, n int) error {
								_, err := st.Spend(b.Context(), tokens[n%c.tokens], c.use())
								return err
							},
						})
					})
				}
			}
		})
	}
}

// newUncounted returns a use that spends nothing, with an id and an event of its own.
func newUncounted() store.Use {
	u := newUse()
	u.Kind, u.Candidates, u.Event.Name = store.UseUncounted, nil, "token_introspected"
	return u
}

// bare is the floor: a table of counters and one of events, and nothing else.
type bare struct{ update, insert *sql.Stmt }

func newBare(b *testing.B, s site, db *sql.DB, n int) *bare {
	b.Helper()
	counters, events := s.table("bare"), s.table("bare_events")
	key := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
		sqlstore.MySQL:      "BIGINT AUTO_INCREMENT PRIMARY KEY",
		sqlstore.SQLite:     "INTEGER PRIMARY KEY",
	}[s.dialect]
	s.run(b, db, "CREATE TABLE "+counters+" (id BIGINT PRIMARY KEY, used BIGINT NOT NULL, max_uses BIGINT NOT NULL)")
	s.run(b, db, "CREATE TABLE "+events+" (id "+key+", counter BIGINT NOT NULL, event_time BIGINT NOT NULL)")
	for i := 0; i < n; i += 500 {
		text := ""
		for j := i; j < min(i+500, n); j++ {
			text += fmt.Sprintf(", (%d, 0, 1000000000)", j)
		}
		s.run(b, db, "INSERT INTO "+counters+" VALUES "+text[2:])
	}
	if s.dialect == sqlstore.SQLite { // one writer is fastest: it never waits for a lock
		s.conns = 1
		db = s.connect(b)
	}
	prepare := func(text string) *sql.Stmt {
		stmt, err := db.PrepareContext(b.Context(), text+" WHERE id = "+s.placeholder(1)+" AND used < max_uses")
		require.NoError(b, err)
		b.Cleanup(func() { stmt.Close() })
		return stmt
	}
	return &bare{
		update: prepare("UPDATE " + counters + " SET used = used + 1"),
		insert: prepare("INSERT INTO " + events + " (counter, event_time) SELECT id, 1 FROM " + counters),
	}
}

// changeOne runs a statement that changes one row.
func changeOne(ctx context.Context, stmt *sql.Stmt, id int) error {
	result, err := stmt.ExecContext(ctx, id)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d rows: %w", n, err)
	}
	return nil
}
