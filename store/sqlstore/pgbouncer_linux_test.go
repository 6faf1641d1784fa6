package sqlstore_test

import (
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
			databases := &shelf{t: t, create: newPostgreSQL, through: func(s site) site {
				s.connector = through.connector
				return s
			}}
			storetest.Run(t, databases.harness(1))
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
