package issuer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// One look at the store confirms an answer for all requests that share it. If the token was
// revoked just before, none of them gets the access token, none counts, and the provider
// learns of it once.
//
// proves P3, P6
func TestRevokedBetweenTheAnswerAndTheLook(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 20})
	gate, first := w.holdFirst(t, optest.Fault{})
	results := []<-chan accessResult{first}
	for range 9 {
		results = append(results, w.start(t.Context(), w.issuer, refreshFirst))
	}
	waitUntil(t, "ten wait for one flight", func() bool { return w.issuer.Waiters() == 10 })
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.Before("Token", 1) {
			_, err := w.inner.Revoke(t.Context(), store.Revocation{Token: w.id, Recursive: true, Now: store.At(w.clock.Now())})
			require.NoError(t, err)
		}
		return nil
	})
	gate.open()
	for _, r := range results {
		require.Equal(t, issuer.TokenRevoked, errAs[*issuer.TokenError](t, await(t, r).err).Reason)
	}
	require.Equal(t, 1, w.store.Calls("Token"))
	w.requireCharged(t, 0)
	require.Len(t, w.events(optest.Revoked), 1)
	require.Equal(t, 10, w.told(issuer.NoticeRejected))
	require.Zero(t, w.told(issuer.NoticeAccessToken))
}

// The same between the look and the answer to the client. Nothing looks again, unless the
// request has another step: the rotation of the token.
//
// proves P6
func TestRevokedBetweenTheLookAndTheAnswer(t *testing.T) {
	for _, rotation := range []*mytoken.Rotation{nil, {OnAT: true}} {
		w := newWorld(t, optest.RotateStrict, worldOptions{limit: 20, rotation: rotation})
		w.store.Reset(func(c storetest.Call) error {
			if c == storetest.After("Token", 1) {
				_, err := w.inner.Revoke(t.Context(), store.Revocation{Token: w.id, Recursive: true, Now: store.At(w.clock.Now())})
				require.NoError(t, err)
			}
			return nil
		})
		_, err := w.request(t.Context(), w.issuer, store.UseID{})
		require.Equal(t, rotation == nil, err == nil, "%v", err)
		_, err = w.request(t.Context(), w.issuer, store.UseID{})
		require.Equal(t, issuer.TokenRevoked, errAs[*issuer.TokenError](t, err).Reason)
	}
}

// A request comes while the answer of the provider is confirmed, and shares it. Its own use
// was charged after that look had begun, so the token was live then.
//
// proves P3, P6
func TestRequestThatComesDuringTheLook(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 20})
	gate := newGate(t)
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.After("Token", 1) {
			gate.wait(context.Background())
		}
		return nil
	})
	first := w.start(t.Context(), w.issuer, refreshFirst)
	gate.await(t)
	late := w.start(t.Context(), w.issuer, refreshFirst)
	waitUntil(t, "it joins", func() bool { return w.issuer.Waiters() == 2 })
	require.Equal(t, 1, w.issuer.Flights())
	gate.open()
	require.True(t, await(t, first).at.Token.Equal(await(t, late).at.Token))
	require.Equal(t, 1, w.store.Calls("Token"))
	w.requireCharged(t, 2)
}

// The store does not say whether the token is live, and the client has no time left. It
// learns that the provider has answered. The use is given back when the look fails.
//
// proves P2, P3
func TestLookThatHangs(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	gate := newGate(t)
	w.store.Reset(func(c storetest.Call) error {
		if c.Method == "Token" && c.Before {
			gate.wait(context.Background())
			return errors.New("away")
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r := w.start(ctx, w.issuer, refreshFirst)
	gate.await(t)
	err := await(t, r).err
	require.False(t, errAs[*issuer.StoreError](t, err).Repeatable())
	require.ErrorContains(t, err, "still live")
	w.requireCharged(t, 1)
	gate.open()
	require.NoError(t, w.close(t.Context()))
	w.requireCharged(t, 0)
}
