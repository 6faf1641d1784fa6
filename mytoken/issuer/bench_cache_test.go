package issuer_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/benchtest"
	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
)

// BenchmarkCachedAccessToken measures requests whose access tokens are kept, a token for
// each caller. x-floor compares with the bare charge: Spend of such a use, with its event,
// on the same store.
func BenchmarkCachedAccessToken(b *testing.B) {
	for _, engine := range enginetest.All {
		b.Run(engine.Name, func(b *testing.B) {
			s := newBenchSite(b, engine)
			config := s.config
			config.Providers = slices.Clone(config.Providers)
			config.Providers[0].AccessTokenCache = issuer.AccessTokenCache{MinLeft: time.Second}
			kept, err := issuer.New(config)
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, kept.Close(context.WithoutCancel(b.Context()))) })
			presented := make([]store.Presented, benchCallers)
			for k, token := range s.tokens {
				require.NoError(b, s.request(b.Context(), kept, token, false))
				u, err := mytoken.ParseUnverified(token.Reveal())
				require.NoError(b, err)
				presented[k] = store.Presented{ID: u.ID(), Seq: 1, Sum: sha256.Sum256([]byte(token.Reveal()))}
			}
			require.NoError(b, kept.AwaitErrands(b.Context()))
			asked := s.op.Count(optest.Refreshed)
			for _, callers := range []int{1, 8, benchCallers} {
				b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
					benchtest.Compare(b, "requests", benchtest.Sides{
						Callers: callers,
						Floor: func(caller, _ int) error {
							now := store.At(kept.Now())
							_, err := config.Store.Spend(b.Context(), presented[caller], store.Use{
								ID: issuer.NewUseID(), Kind: store.UseAT, Candidates: []int{0}, Now: now,
								Event: store.Event{Name: issuer.EventATCreated, Comment: "Used grant_type mytoken", Time: now},
							})
							return err
						},
						Work: func(caller, _ int) error { return s.request(b.Context(), kept, s.tokens[caller], false) },
					})
				})
			}
			require.Equal(b, asked, s.op.Count(optest.Refreshed), "the provider was asked")
		})
	}
}
