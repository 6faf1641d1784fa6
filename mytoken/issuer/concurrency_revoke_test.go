package issuer_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Children and grandchildren are derived on several nodes while the root is revoked.
// Afterwards none of them is usable, whenever it was created.
//
// proves P6
func TestRevocationRacesDerivation(t *testing.T) {
	site := newSite(t, optest.Options{})
	survivors, created := 0, 0
	for range loadRounds {
		w, err := site.world(t.Context(), worldOptions{})
		require.NoError(t, err)
		nodes := nodesOf(t, w, 2)
		var mu sync.Mutex
		tokens := []mytoken.Secret{w.token}
		var enough sync.Once
		revoke := make(chan struct{})
		paralleltest.Do(9, func(k int) {
			if k == 8 {
				<-revoke
				_, err := nodes[0].Revoke(t.Context(), issuer.RevokeRequest{Token: w.token, Recursive: true, Client: mytokentest.Client})
				if err != nil {
					assert.NoError(t, err)
				}
				return
			}
			parent := w.token
			for n := range 12 {
				child, err := nodes[k%2].Derive(t.Context(), issuer.DeriveRequest{Token: parent, Client: mytokentest.Client})
				if err != nil {
					var dead *issuer.TokenError
					if !errors.As(err, &dead) || dead.Reason != issuer.TokenRevoked {
						assert.NoError(t, err)
					}
					enough.Do(func() { close(revoke) })
					return
				}
				mu.Lock()
				tokens = append(tokens, child.Token)
				if len(tokens) > 10 {
					enough.Do(func() { close(revoke) })
				}
				mu.Unlock()
				if n%2 == 0 {
					parent = child.Token
				}
			}
			enough.Do(func() { close(revoke) })
		})
		created += len(tokens)
		for n, token := range tokens {
			_, err := nodes[n%2].Introspect(t.Context(), issuer.IntrospectRequest{Token: token, Client: mytokentest.Client})
			var dead *issuer.TokenError
			if !errors.As(err, &dead) || dead.Reason != issuer.TokenRevoked {
				survivors++
			}
		}
	}
	require.Zero(t, survivors, "of %d", created)
	require.Greater(t, created, 10*loadRounds)
}

// Several nodes ask for access tokens while the token is revoked. Nobody gets one after
// Revoke has returned, and each delivered use is charged once.
//
// proves P6, P3
func TestRevocationRacesAccessTokens(t *testing.T) {
	site := newSite(t, optest.Options{Rotation: optest.RotateStrict})
	for range loadRounds / 2 {
		w, err := site.world(t.Context(), worldOptions{})
		require.NoError(t, err)
		nodes := nodesOf(t, w, 2)
		var revoked atomic.Bool
		var delivered atomic.Int64
		var once sync.Once
		some := make(chan struct{})
		paralleltest.Do(9, func(k int) {
			if k == 8 {
				<-some
				_, err := nodes[0].Revoke(t.Context(), issuer.RevokeRequest{Token: w.token, Recursive: true, Client: mytokentest.Client})
				if err != nil {
					assert.NoError(t, err)
				}
				revoked.Store(true)
				return
			}
			for {
				after := revoked.Load()
				_, err := nodes[k%2].AccessToken(t.Context(), issuer.AccessTokenRequest{Token: w.token, Scopes: distinctScopes[k%4], Client: mytokentest.Client})
				var dead *issuer.TokenError
				switch {
				case err == nil && after:
					assert.Fail(t, "delivered after the revocation")
					return
				case err == nil:
					if delivered.Add(1) >= 3 {
						once.Do(func() { close(some) })
					}
				case errors.As(err, &dead) && dead.Reason == issuer.TokenRevoked:
					return
				default:
					assert.NoError(t, err)
					return
				}
			}
		})
		w.requireCharged(t, delivered.Load())
		require.Zero(t, w.reuses())
	}
}

var distinctScopes = [][]string{{"compute"}, {"storage.read"}, {"compute", "storage.read"}, nil}

// The token is revoked while the provider is asked. The answer is discarded, the use is
// refunded, and the new refresh token is revoked at the provider.
//
// proves P6, P3
func TestRevokedWhileTheProviderIsAsked(t *testing.T) {
	for _, withChild := range []bool{false, true} {
		w := newWorld(t, optest.RotateStrict, worldOptions{limit: 5})
		if withChild {
			_, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: mytokentest.Client})
			require.NoError(t, err)
		}
		gate := newGate(t)
		w.failOnce(optest.Fault{WaitAfter: gate.wait})
		r := w.start(t.Context(), w.issuer, refreshFirst)
		gate.await(t)
		// A child lives on after a revocation that is not recursive.
		_, err := w.issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: w.token, Recursive: !withChild, Client: mytokentest.Client})
		require.NoError(t, err)
		gate.open()
		dead := errAs[*issuer.TokenError](t, await(t, r).err)
		require.Equal(t, issuer.TokenRevoked, dead.Reason)
		w.requireCharged(t, 0)
		revoked := w.events(optest.Revoked)
		if withChild {
			require.Empty(t, revoked, "the child needs it")
			continue
		}
		require.NotEmpty(t, revoked)
		require.Equal(t, 2, revoked[len(revoked)-1].Generation)
	}
}

// The token is revoked after the last look at it, right before its rotation. Nothing is
// handed out, and the use is refunded. What the embedding service revokes without a token
// is revoked at the provider all the same: this request has the key.
//
// proves P6, P3
func TestRevokedBeforeTheRotation(t *testing.T) {
	for name, revoke := range map[string]func(*testing.T, *world){
		"by the holder": func(t *testing.T, w *world) {
			_, err := w.issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: w.token, Recursive: true, Client: mytokentest.Client})
			require.NoError(t, err)
		},
		"by the service": func(t *testing.T, w *world) {
			require.NoError(t, ownerOf(t, w).Revoke(t.Context(), w.id, true, mytokentest.Client))
		},
		"with all data": func(t *testing.T, w *world) {
			require.NoError(t, ownerOf(t, w).Delete(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{rotation: &mytoken.Rotation{OnAT: true, OnOther: true}, limit: 5})
			w.store.Reset(func(c storetest.Call) error {
				if c == storetest.Before("Rotate", 1) {
					revoke(t, w)
				}
				return nil
			})
			_, err := w.request(t.Context(), w.issuer, store.UseID{})
			dead := errAs[*issuer.TokenError](t, err)
			require.Equal(t, 1, w.told(issuer.NoticeRejected))
			require.Zero(t, w.told(issuer.NoticeRefused), "told once")
			require.Zero(t, w.told(issuer.NoticeAccessToken))
			if name == "with all data" {
				require.Equal(t, issuer.TokenUnknown, dead.Reason)
				return
			}
			require.Equal(t, issuer.TokenRevoked, dead.Reason)
			w.requireCharged(t, 0)
			require.NotEmpty(t, w.events(optest.Revoked))
		})
	}
}

// A request with an ID stays charged: another call with that ID may have handed an access
// token out before the revocation.
//
// proves P3
func TestRevokedBeforeTheRotationWithID(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{rotation: &mytoken.Rotation{OnAT: true}, limit: 5})
	revokeBeforeRotation(t, w)
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.Equal(t, issuer.TokenRevoked, errAs[*issuer.TokenError](t, err).Reason)
	require.Zero(t, w.told(issuer.NoticeAccessToken))
	w.requireCharged(t, 1)
}

func ownerOf(t *testing.T, w *world) *issuer.OwnerAccess {
	t.Helper()
	owner, err := w.issuer.Owner(w.site.op.Issuer(), w.subject)
	require.NoError(t, err)
	return owner
}

// The same for what else a token is used for: nothing that the holder asked for leaves
// the issuer after the revocation. A child that was stored before it is handed out: it
// lives on after a revocation that is not recursive.
//
// proves P6
func TestRevokedBeforeTheRotationOfOtherUses(t *testing.T) {
	for name, use := range map[string]func(context.Context, *world) error{
		"history": func(ctx context.Context, w *world) error {
			_, err := w.issuer.History(ctx, issuer.HistoryRequest{Token: w.token, Client: mytokentest.Client})
			return err
		},
		"subtree": func(ctx context.Context, w *world) error {
			_, err := w.issuer.Subtree(ctx, issuer.InfoRequest{Token: w.token, Client: mytokentest.Client})
			return err
		},
		"authorize": func(ctx context.Context, w *world) error {
			_, err := w.issuer.Authorize(ctx, issuer.AuthorizeRequest{Token: w.token, Needs: capability.Tokeninfo, Event: "test", Client: mytokentest.Client})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{rotation: &mytoken.Rotation{OnOther: true}})
			revokeBeforeRotation(t, w)
			require.Equal(t, issuer.TokenRevoked, errAs[*issuer.TokenError](t, use(t.Context(), w)).Reason)
		})
	}
	w := newWorld(t, optest.RotateStrict, worldOptions{rotation: &mytoken.Rotation{OnOther: true}})
	revokeBeforeRotation(t, w)
	child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: mytokentest.Client})
	require.NoError(t, err)
	require.Nil(t, child.Update)
	_, err = w.issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: child.Token, Client: mytokentest.Client})
	require.NoError(t, err)
}

// revokeBeforeRotation revokes the token, but not its children, right before it rotates.
func revokeBeforeRotation(t *testing.T, w *world) {
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.Before("Rotate", 1) {
			_, err := w.issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: w.token, Client: mytokentest.Client})
			assert.NoError(t, err)
		}
		return nil
	})
}

// A signing key is withdrawn. Its tokens are refused, even those that were verified and
// remembered.
func TestSigningKeyWithdrawn(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 5})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	old := w.cfg.Keys.ActiveID()
	next, err := mytoken.GenerateKey(mytoken.ES256)
	require.NoError(t, err)
	require.NoError(t, w.cfg.Keys.Activate(next))
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err, "not yet")
	require.NoError(t, w.cfg.Keys.Withdraw(old))
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.Equal(t, issuer.TokenMalformed, errAs[*issuer.TokenError](t, err).Reason)
	_, err = w.issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: w.token, Client: mytokentest.Client})
	errAs[*issuer.TokenError](t, err)
	w.requireCharged(t, 2)
}
