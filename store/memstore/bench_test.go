package memstore_test

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

// useID returns the nth id.
func useID(n uint64) (id store.UseID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// lineage stores a root and depth descendants, each of which draws on its parent, and
// returns the last one.
func lineage(b *testing.B, s *memstore.Store, n uint64, depth int) store.Presented {
	b.Helper()
	id := useID(n)
	grant := store.Grant{ID: store.GrantID(id), Refresh: store.Sealed("refresh token"), Created: 1}
	copy(grant.Owner[:], id[:])
	token := store.Token{
		Grant: grant.ID, Owner: grant.Owner, Key: store.Sealed("wrapped key"), Created: 1,
		Clauses: []store.Clause{{AT: 1 << 60, Other: store.Unlimited, Draws: store.NoClause}},
	}
	copy(token.ID[:], id[:])
	copy(token.Sum[:], id[:])
	if err := s.CreateRoot(b.Context(), grant, token, store.TicketChanges{}); err != nil {
		b.Fatal(err)
	}
	for level := range depth {
		parent := store.Presented{ID: token.ID, Seq: 1, Sum: token.Sum}
		token.ID[63] = byte(level + 1)
		token.Clauses[0].Draws = 0
		id[15] = byte(level + 1)
		if _, err := s.CreateChild(b.Context(), parent, store.Use{ID: id, Kind: store.UseUncounted, Now: 1}, token); err != nil {
			b.Fatal(err)
		}
	}
	return store.Presented{ID: token.ID, Seq: 1, Sum: token.Sum}
}

// BenchmarkSpend measures one use and its event. It uses one token or many, without
// ancestors or with the most ancestors, by one caller or by one caller for each
// processor.
func BenchmarkSpend(b *testing.B) {
	for _, tokens := range []uint64{1, 10_000} {
		for _, depth := range []int{0, store.MaxDepth} {
			for _, parallel := range []bool{false, true} {
				b.Run(fmt.Sprintf("tokens=%d/ancestors=%d/parallel=%t", tokens, depth, parallel), func(b *testing.B) {
					s := memstore.New()
					var all []store.Presented
					for n := range tokens {
						all = append(all, lineage(b, s, n+1, depth))
					}
					var uses atomic.Uint64
					uses.Store(1 << 32)
					spend := func() error {
						n := uses.Add(1)
						_, err := s.Spend(b.Context(), all[n%tokens], store.Use{
							ID: useID(n), Kind: store.UseAT, Candidates: []int{0}, Event: store.Event{Name: "AT_created", Time: 1}, Now: 1,
						})
						return err
					}
					b.ReportAllocs()
					if parallel {
						b.ResetTimer()
						b.RunParallel(func(pb *testing.PB) {
							for pb.Next() {
								if err := spend(); err != nil {
									b.Error(err)
									return
								}
							}
						})
						return
					}
					for b.Loop() {
						if err := spend(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
