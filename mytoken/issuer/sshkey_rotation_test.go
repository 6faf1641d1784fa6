package issuer_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

// TestN5_KeyHoldsTheSuccessor: the key goes on working after any number of rotations,
// with many connections at once and without any grace, and none of them looks like reuse.
func TestN5_KeyHoldsTheSuccessor(t *testing.T) {
	for name, grace := range map[string]time.Duration{"no grace": -1, "grace": 0} {
		t.Run(name, func(t *testing.T) {
			s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.RotationGrace = grace }})
			by := settingsToken(t, s)
			c := register(t, s, issuer.SSHKeyRequest{Token: by.Token, Capabilities: allCapabilities},
				&mytoken.Rotation{OnAT: true, OnOther: true, AutoRevoke: true})
			seq := func() uint64 {
				got, err := s.Issuer.Introspect(t.Context(), issuer.IntrospectRequest{Client: c})
				require.NoError(t, err)
				return got.Claims.Seq()
			}
			before := seq()
			for range 3 {
				out, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Client: c})
				require.NoError(t, err)
				require.Nil(t, out.Update, "the key has it")
				s.Clock.Advance(time.Minute)
			}
			assert.Equal(t, before+3, seq())
			const n = 64
			paralleltest.Do(n, func(k int) {
				var err error
				switch k % 4 {
				case 0:
					_, err = s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Client: c})
				case 1:
					_, err = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Client: c})
				case 2:
					_, err = s.Issuer.Introspect(t.Context(), issuer.IntrospectRequest{Client: c})
				default:
					_, err = s.Issuer.Authorize(t.Context(), issuer.AuthorizeRequest{Client: c, Needs: capability.AT, Event: "asked " + strconv.Itoa(k)})
				}
				assert.NoError(t, err)
			})
			require.NoError(t, keyAccess(t, s, c))
			history, err := s.Issuer.History(t.Context(), issuer.HistoryRequest{Client: c})
			require.NoError(t, err)
			counts := map[string]int{}
			for _, e := range history.Events {
				counts[e.Name]++
			}
			assert.Equal(t, 4+n/4, counts["AT_created"], "each was counted once")
			assert.Equal(t, n/4, counts["MT_created"])
			assert.Zero(t, counts["revoked"])
		})
	}
}

// TestOutdatedTokenBehindAKey: a generation that its own key still holds is reuse, as any
// other one.
func TestOutdatedTokenBehindAKey(t *testing.T) {
	f := &halfRotated{Store: memstore.New()}
	s := start(t, mytokentest.Options{Store: f, Config: func(c *issuer.Config) { c.RotationGrace = -1 }})
	by := settingsToken(t, s)
	c := register(t, s, issuer.SSHKeyRequest{Token: by.Token}, &mytoken.Rotation{OnAT: true, AutoRevoke: true})
	f.on.Store(true) // as after a backup of the tickets alone
	require.NoError(t, keyAccess(t, s, c))
	requireTokenError(t, keyAccess(t, s, c), issuer.TokenReused)
	requireTokenError(t, keyAccess(t, s, c), issuer.TokenUnknown)
}

// halfRotated is a store that forgets to change tickets when a token rotates.
type halfRotated struct {
	store.Store
	on atomic.Bool
}

func (f *halfRotated) Rotate(ctx context.Context, r store.Rotation) (store.Rotated, error) {
	if f.on.Load() {
		r.Tickets = store.TicketChanges{}
	}
	return f.Store.Rotate(ctx, r)
}
