package refresh

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// A use begins while the last lease of its token is being ended. It waits for the end, but
// not for long, and then asks for the lease. A use of another token does not wait, nor one
// that asks for nothing because a flight of its token is under way.
func TestUseWaitsForTheEndOfTheLastLease(t *testing.T) {
	provider, err := oidcupstream.New(oidcupstream.Config{Issuer: "https://op.example.org", ClientID: "c", Auth: oidcupstream.PublicClient()})
	require.NoError(t, err)
	token, other, grant := store.TokenID{1}, store.TokenID{2}, store.GrantID{1}
	for name, c := range map[string]struct {
		token  store.TokenID
		end    time.Duration // of the lease
		waits  time.Duration
		flight bool // of the same token
	}{
		"it is ended":           {token, 3 * time.Millisecond, 3 * time.Millisecond, false},
		"the store is slow":     {token, time.Second, longestEnd, false},
		"another token":         {other, time.Second, 0, false},
		"a flight is under way": {token, time.Second, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := New(Config{
					Ledger: new(heartLedger), Clock: time.Now, Logger: slog.New(slog.DiscardHandler), StepTimeout: time.Second,
					Notify: func(context.Context, Event) {},
				})
				require.NoError(t, err)
				r.idle.ends(grant, token)
				time.AfterFunc(c.end, func() { r.idle.ended(grant, token) })
				if c.flight {
					r.idle.want(grant, token)
				}
				began := time.Now()
				w := r.Wish(t.Context(), c.token, provider)
				require.Equal(t, c.waits, time.Since(began))
				require.Equal(t, c.flight, w.Lease().ID.IsZero())
				w.Refused()
				w.Close(t.Context())
				if c.flight {
					require.Nil(t, r.idle.unwant(grant))
					r.idle.decided(token)
				}
				time.Sleep(2 * c.end)
				synctest.Wait()
				require.Empty(t, r.idle.tokens)
				require.Empty(t, r.idle.grants)
				require.NoError(t, r.Close(t.Context()))
			})
		})
	}
}
