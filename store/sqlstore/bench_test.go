package sqlstore_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// BenchmarkSpend measures uses of one token and of 10,000 tokens, by several
// callers at once. x-floor compares with what nobody can do without: one
// conditional UPDATE of one row in a transaction of its own, by as many
// callers, through the same driver, in the same run.
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
			}{{"hot", 1}, {"distinct", len(tokens)}} {
				for _, callers := range []int{1, 8, 32} {
					b.Run(fmt.Sprintf("%s/callers=%d", c.name, callers), func(b *testing.B) {
						var floor, took time.Duration
						const slices = 10 // so that both see the same machine
						for slice := range slices {
							from, to := b.N*slice/slices, b.N*(slice+1)/slices
							floor += measure(b, callers, from, to, func(i int) error { return bare.update(b.Context(), i%c.tokens) })
							took += measure(b, callers, from, to, func(i int) error { return spend(b.Context(), st, tokens[i%c.tokens]) })
						}
						b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op")
						b.ReportMetric(took.Seconds()/floor.Seconds(), "x-floor")
						b.ReportMetric(float64(b.N)/took.Seconds(), "uses/s")
					})
				}
			}
		})
	}
}

// measure lets callers do the things from one number to another, each one its
// own, and returns how long it took.
func measure(b *testing.B, callers, from, to int, do func(i int) error) time.Duration {
	var next atomic.Int64
	next.Store(int64(from))
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= to {
					return
				}
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

var serial atomic.Uint64

func newUse() store.Use {
	u := store.Use{Kind: store.UseAT, Candidates: []int{0}, Now: 1_000_000}
	binary.BigEndian.PutUint64(u.ID[:], serial.Add(1))
	u.Event = store.Event{Name: "AT_created", Address: "192.0.2.1", UserAgent: "benchmark", Time: u.Now}
	return u
}

func spend(ctx context.Context, st store.Store, p store.Presented) error {
	_, err := st.Spend(ctx, p, newUse())
	return err
}

func newRoot(ctx context.Context, st store.Store, limit store.Limit) (store.Presented, error) {
	var t store.Token
	fresh(t.ID[:])
	fresh(t.Grant[:])
	fresh(t.Owner[:])
	fresh(t.Sum[:])
	t.Key, t.About, t.Created = make(store.Sealed, 92), make(store.Sealed, 60), 1
	t.Clauses = []store.Clause{{AT: limit, Other: store.Unlimited, Draws: store.NoClause}}
	g := store.Grant{ID: t.Grant, Owner: t.Owner, Refresh: make(store.Sealed, 300), Scope: "openid", Created: 1}
	return store.Presented{ID: t.ID, Seq: 1, Sum: t.Sum}, st.CreateRoot(ctx, g, t, store.TicketChanges{})
}

// bare is the floor: a table of counters and nothing else.
type bare struct {
	db   *sql.DB
	text string
}

func newBare(b *testing.B, s site, db *sql.DB, n int) *bare {
	b.Helper()
	table := s.table("bare")
	if _, err := db.Exec("CREATE TABLE " + table + " (id BIGINT PRIMARY KEY, used BIGINT NOT NULL, max_uses BIGINT NOT NULL)"); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if i%500 == 0 {
			text := ""
			for j := range min(500, n-i) {
				text += fmt.Sprintf(", (%d, 0, 1000000000)", i+j)
			}
			if _, err := db.Exec("INSERT INTO " + table + " VALUES " + text[2:]); err != nil {
				b.Fatal(err)
			}
		}
	}
	f := &bare{db: db, text: "UPDATE " + table + " SET used = used + 1 WHERE id = ? AND used < max_uses"}
	switch s.dialect {
	case sqlstore.PostgreSQL:
		f.text = "UPDATE " + table + " SET used = used + 1 WHERE id = $1 AND used < max_uses"
	case sqlstore.SQLite: // its best: one writer, who never has to wait for a lock
		f.db = s.connect(b)
		f.db.SetMaxOpenConns(1)
	}
	return f
}

func (f *bare) update(ctx context.Context, id int) error {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, f.text, id); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}
