package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// BenchmarkSize reports how many bytes a login with its token takes, a use with its event,
// and an item with a link, indexes included. The package documentation quotes these
// numbers.
func BenchmarkSize(b *testing.B) {
	const tokens, uses, items = 1000, 10_000, 10_000
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			var perToken, perUse, perItem float64
			for range b.N {
				s := e.new(b)
				db := s.migrate(b)
				st := s.on(b, db)
				empty := s.size(b, db)
				presented := fill(b, st, tokens)
				full := s.size(b, db)
				use(b, st, presented, uses)
				perToken += float64(full-empty) / tokens
				used := s.size(b, db)
				perUse += float64(used-full) / uses
				tag(b, st, presented, items)
				perItem += float64(s.size(b, db)-used) / items
			}
			b.ReportMetric(perToken/float64(b.N), "B/token")
			b.ReportMetric(perUse/float64(b.N), "B/use")
			b.ReportMetric(perItem/float64(b.N), "B/item")
		})
	}
}

// fill stores n roots with one clause each.
func fill(t testing.TB, st store.Store, n int) []store.Presented {
	t.Helper()
	tokens := make([]store.Presented, n)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				tokens[i], errs[w] = newRoot(t.Context(), st, 1_000_000_000)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return tokens
}

// use spends n times, on each token in turn.
func use(t testing.TB, st store.Store, tokens []store.Presented, n int) {
	t.Helper()
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				errs[w] = spend(t.Context(), st, tokens[i%len(tokens)])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// tag stores n items, as many for each token, and links each of them with its token.
func tag(t testing.TB, st store.Store, tokens []store.Presented, n int) {
	t.Helper()
	for _, p := range tokens {
		all := newItems(p.ID)
		for range n/len(tokens) - 1 {
			one := newItems(p.ID)
			all.Put, all.Links = append(all.Put, one.Put...), append(all.Links, one.Links...)
		}
		for i := range all.Put {
			all.Put[i].Contents = make(store.Sealed, 120)
		}
		require.NoError(t, st.ChangeItems(t.Context(), all))
	}
}

// size returns how many bytes the tables and their indexes take.
func (s site) size(t testing.TB, db *sql.DB) (n int64) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	text := ""
	switch s.dialect {
	case sqlstore.PostgreSQL:
		text = fmt.Sprintf("SELECT SUM(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = '%s'", s.opts.Schema)
	case sqlstore.MySQL:
		// The server counts only when it is told to, and its files grow by a megabyte.
		for _, table := range sqlstore.Tables {
			s.run(t, db, "ANALYZE TABLE "+s.table(table))
		}
		text = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
	case sqlstore.SQLite:
		s.run(t, db, "PRAGMA wal_checkpoint(TRUNCATE)")
		info, err := os.Stat(s.address)
		require.NoError(t, err)
		return info.Size()
	}
	require.NoError(t, db.QueryRowContext(ctx, text).Scan(&n))
	return n
}
