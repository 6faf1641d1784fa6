package sqlstore_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// The store works behind PgBouncer in transaction mode, with each mode of the driver that
// the package comment names. It runs the whole contract in one of them.
//
// proves P3, P4, P5, P6, P7, P8
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	dsn := dbtest.NewPgBouncer(t, dbtest.PostgreSQL())
	for _, mode := range []string{"exec", "simple_protocol", "cache_describe"} {
		through := postgreSQLAt(t, dsn+"&default_query_exec_mode="+mode, nil)
		t.Run(mode, func(t *testing.T) {
			if mode != "exec" && rounds(1) == 1 {
				t.Skip("only at full size")
			}
			contractElsewhere(t)
			storetest.Run(t, storetest.Harness{Rounds: 1, Open: func(t testing.TB, nodes int) storetest.Backend {
				s := newPostgreSQL(t)
				db := s.migrate(t)
				behind := s
				behind.connector = through.connector
				b := storetest.Backend{Dump: func(ctx context.Context) ([]byte, error) { return s.rows(ctx, db) }}
				for range nodes {
					b.Nodes = append(b.Nodes, behind.open(t))
				}
				return b
			}})
		})
		t.Run(mode+" under load", func(t *testing.T) {
			s := newPostgreSQL(t)
			s.migrate(t)
			s.connector = through.connector
			st := s.open(t)
			p, err := newRoot(t.Context(), st, store.Unlimited)
			require.NoError(t, err)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 20 {
						if err := spend(t.Context(), st, p); err != nil {
							t.Errorf("Spend: %v", err)
						}
						if _, err := st.Lookup(t.Context(), p, 1); err != nil {
							t.Errorf("Lookup: %v", err)
						}
					}
				})
			}
			wg.Wait()
			info, err := st.Token(t.Context(), p.ID)
			require.NoError(t, err)
			require.Equal(t, int64(160), info.Counters[0].ATUsed)
		})
	}
}
