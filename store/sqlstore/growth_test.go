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
// one.
//
// warm uses the same number of tokens in both, from all over the tables, and uses each of
// them once before measuring. cold visits every token before it visits one again, in an
// order that jumps through the tables. tokens says how many it has visited in the large
// database. If the tables are larger than the server's memory, a token that nobody used
// lately costs about five pages from the disk.
func BenchmarkGrowth(b *testing.B) {
	sizes := []int{100_000}
	if os.Getenv(longVariable) != "" {
		sizes = append(sizes, 1_000_000)
	}
	for _, e := range engines {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/tokens=%d", e.name, size), func(b *testing.B) {
				small, large := newTour(b, e.new(b), 1000), newTour(b, e.new(b), size)
				for _, c := range []struct {
					name string
					do   func(ctx context.Context, st *sqlstore.Store, p store.Presented) error
				}{
					{"Spend", func(ctx context.Context, st *sqlstore.Store, p store.Presented) error { return spend(ctx, st, p) }},
					{"Lookup", func(ctx context.Context, st *sqlstore.Store, p store.Presented) error {
						_, err := st.Lookup(ctx, p, 1)
						return err
					}},
					{"Links", func(ctx context.Context, st *sqlstore.Store, p store.Presented) error {
						_, err := st.Links(ctx, []store.TokenID{p.ID})
						return err
					}},
				} {
					// run calls both in turns and returns how long each took.
					run := func(b *testing.B, n int, next func(*tour) store.Presented) (took [2]time.Duration) {
						for range n {
							for i, t := range []*tour{small, large} {
								p := next(t)
								start := time.Now()
								require.NoError(b, c.do(b.Context(), t.st, p))
								took[i] += time.Since(start)
							}
						}
						return took
					}
					report := func(b *testing.B, took [2]time.Duration) {
						b.ReportMetric(float64(took[1].Nanoseconds())/float64(b.N), "ns/op")
						b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x-small")
					}
					b.Run(c.name+"/cold", func(b *testing.B) {
						report(b, run(b, b.N, (*tour).all))
						b.ReportMetric(float64(min(large.visited, len(large.tokens))), "tokens")
					})
					b.Run(c.name+"/warm", func(b *testing.B) {
						run(b, warm, (*tour).few)
						b.ResetTimer()
						report(b, run(b, b.N, (*tour).few))
					})
				}
			})
		}
	}
}

// warm is how many tokens the warm set has.
const warm = 400

// tour visits the usable tokens of mass, another place each time.
type tour struct {
	st             *sqlstore.Store
	tokens         []store.Presented
	visited, again int
}

func newTour(b *testing.B, s site, n int) *tour {
	b.Helper()
	db := s.migrate(b)
	s.mass(b, db, n)
	return &tour{st: s.on(b, db), tokens: live(2 * n / 5)}
}

// all returns each token before it returns one again.
func (t *tour) all() store.Presented {
	t.visited++
	return t.tokens[t.visited*stride%len(t.tokens)]
}

// few returns tokens of the warm set.
func (t *tour) few() store.Presented {
	t.again += 7
	return t.tokens[t.again%warm*len(t.tokens)/warm]
}

// stride is a prime. It does not divide the number of tokens, so its multiples reach all.
const stride = 10_007

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
