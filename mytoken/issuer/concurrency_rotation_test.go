package issuer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store/storetest"
)

var alwaysRotates = &mytoken.Rotation{OnAT: true, AutoRevoke: true}

// Each use rotates the token, and ten uses come at once. All are answered with the same
// successor, which works. Nobody is taken for a thief.
//
// proves P8
func TestParallelUsesOfARotatingToken(t *testing.T) {
	site := newSite(t, optest.Options{Rotation: optest.RotateStrict})
	for _, form := range []mytoken.ResponseType{mytoken.ResponseToken, mytoken.ResponseShortToken} {
		for _, shared := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/shared=%t", form, shared), func(t *testing.T) {
				for range loadRounds / 4 {
					w, err := site.world(t.Context(), worldOptions{limit: 100, rotation: alwaysRotates, response: form})
					require.NoError(t, err)
					nodes := nodesOf(t, w, 2)
					updates := make([]*mytoken.Issued, 10)
					paralleltest.Do(len(updates), func(k int) {
						req := issuer.AccessTokenRequest{Token: w.token, Client: mytokentest.Client}
						if !shared {
							req.Scopes = distinctScopes[k%3]
						}
						at, err := nodes[k%2].AccessToken(t.Context(), req)
						if err != nil {
							assert.NoError(t, err)
							return
						}
						updates[k] = at.Update
					})
					for _, u := range updates {
						require.NotNil(t, u)
						require.Equal(t, form, u.Type)
						require.True(t, u.Token.Equal(updates[0].Token))
						require.False(t, u.Token.Equal(w.token))
					}
					w.requireCharged(t, 10)
					w.token = updates[0].Token
					_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
					require.NoError(t, err)
					require.Zero(t, w.told(issuer.NoticeReused))
					require.Zero(t, w.told(issuer.NoticeRevoked))
				}
			})
		}
	}
}

// A request takes long. Meanwhile its token is rotated, the successor is used, and the
// grace passes. The request is answered all the same: it presented its token in time.
//
// proves P8
func TestSlowRequestIsNoReuse(t *testing.T) {
	for _, grace := range []time.Duration{0, -1} { // 30 s, none
		w := newWorld(t, optest.RotateOff, worldOptions{
			limit: 9, rotation: alwaysRotates, config: func(c *issuer.Config) { c.RotationGrace = grace },
		})
		gate := newGate(t)
		w.failOnce(optest.Fault{Wait: gate.wait})
		slow := w.start(t.Context(), w.issuer, refreshFirst)
		gate.await(t)

		// Only another process can overtake the waiting request, and only after its
		// lease.
		other, err := w.node(nil)
		require.NoError(t, err)
		w.lapse()
		for range 2 {
			_, err = w.request(t.Context(), other, issuer.NewUseID())
			require.NoError(t, err)
		}
		w.clock.Advance(time.Minute)
		gate.open()
		r := await(t, slow)
		require.NoError(t, r.err)
		require.Nil(t, r.at.Update)
		require.Zero(t, w.told(issuer.NoticeReused))
		_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err, "the tree is alive")
		w.requireCharged(t, 4)
	}
}

// The store does not say whether it rotated. The request returns an error and is
// repeated: its caller must not believe that the old token is the current one.
//
// proves P8
func TestRotationOfUnknownOutcome(t *testing.T) {
	for _, before := range []bool{true, false} {
		for _, id := range []bool{true, false} {
			t.Run(fmt.Sprintf("before=%t/id=%t", before, id), func(t *testing.T) {
				w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, rotation: alwaysRotates})
				req := issuer.AccessTokenRequest{Token: w.token, Client: mytokentest.Client}
				if id {
					req.ID = issuer.NewUseID()
				}
				w.store.Reset(failFirst("Rotate", 3, before))
				_, err := w.issuer.AccessToken(t.Context(), req)
				require.ErrorIs(t, err, storetest.ErrFault)
				errAs[*issuer.StoreError](t, err)
				at, err := w.issuer.AccessToken(t.Context(), req)
				require.NoError(t, err)
				require.NotNil(t, at.Update)
				w.requireCharged(t, 1)
				w.token = at.Update.Token
				_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
				require.NoError(t, err)
				require.Zero(t, w.told(issuer.NoticeReused))
			})
		}
	}
}
