package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// BenchmarkGrowth compares a database of 1,000 tokens with one of 100,000, and with one
// of 1,000,000 if CI_LONG is set. x-small is how much longer a call takes in the large
// one. Both runs use the same number of tokens, from all over the tables, and use each of
// them once before measuring. Without that, a token that nobody used lately costs about
// five pages from the disk if the tables are larger than the server's memory.
func BenchmarkGrowth(b *testing.B) {
	sizes := []int{100_000}
	if os.Getenv(longVariable) != "" {
		sizes = append(sizes, 1_000_000)
	}
	for _, e := range engines {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/tokens=%d", e.name, size), func(b *testing.B) {
				small, large := newMassive(b, e.new(b), 1000), newMassive(b, e.new(b), size)
				for _, c := range []struct {
					name string
					do   func(ctx context.Context, st *sqlstore.Store, p store.Presented) error
				}{
					{"Spend", func(ctx context.Context, st *sqlstore.Store, p store.Presented) error { return spend(ctx, st, p) }},
					{"Lookup", func(ctx context.Context, st *sqlstore.Store, p store.Presented) error {
						_, err := st.Lookup(ctx, p, 1)
						return err
					}},
				} {
					b.Run(c.name, func(b *testing.B) {
						var took [2]time.Duration
						for n := range warm + b.N {
							if n == warm {
								took = [2]time.Duration{}
								b.ResetTimer()
							}
							for i, m := range []massiveStore{small, large} {
								p := m.next()
								start := time.Now()
								require.NoError(b, c.do(b.Context(), m.st, p))
								took[i] += time.Since(start)
							}
						}
						b.ReportMetric(float64(took[1].Nanoseconds())/float64(b.N), "ns/op")
						b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x-small")
					})
				}
			})
		}
	}
}

// warm is how many tokens are used, and how many calls run before the measured ones.
const warm = 400

// massiveStore is a store over the tokens of mass.
type massiveStore struct {
	st   *sqlstore.Store
	next func() store.Presented
}

func newMassive(b *testing.B, s site, n int) massiveStore {
	b.Helper()
	db := s.migrate(b)
	s.mass(b, db, n)
	tokens := live(2 * n / 5)
	i := 0
	return massiveStore{s.on(b, db), func() store.Presented {
		i += 7 // another place each time
		return tokens[i%warm*len(tokens)/warm]
	}}
}

// BenchmarkRevoke revokes a token with 10,000 descendants. x-hundred compares with a
// token that has a hundred descendants, the most that Revoke looks at to find a live one.
func BenchmarkRevoke(b *testing.B) {
	const descendants = 10_000
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			s := e.new(b)
			db := s.migrate(b)
			st := s.on(b, db)
			var took [2]time.Duration
			for range b.N {
				for i, below := range []int{100, descendants} {
					root, err := newRoot(b.Context(), st, 1)
					require.NoError(b, err)
					s.offspring(b, db, root.ID, below)
					start := time.Now()
					if _, err := st.Revoke(b.Context(), store.Revocation{Token: root.ID, Recursive: true, Now: 5}); err != nil {
						b.Fatal(err)
					}
					took[i] += time.Since(start)
				}
			}
			b.ReportMetric(float64(took[1].Nanoseconds())/float64(b.N), "ns/op")
			b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x-hundred")
		})
	}
}
