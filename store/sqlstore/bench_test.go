package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store/sqlstore"
)

// BenchmarkSpend measures uses of one token and of 10,000 tokens, by several callers at
// once. x-floor compares with the least that a use needs: one conditional UPDATE of one
// row in a transaction of its own. The same number of callers makes these in the same
// run, through the same driver.
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

// measure lets callers work on all numbers from one to another, each number once, and
// returns how long that took.
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
	case sqlstore.SQLite: // one writer is fastest: it never waits for a lock
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
