package issuer_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// logins returns by which login each access token of the user was obtained.
func (w *world) logins() (all []int) {
	for _, e := range w.events(optest.Refreshed) {
		all = append(all, e.Grant)
	}
	return all
}

// A user logs in again while the provider answers a request. A request that begins after
// that does not share the answer, which is about the old login. Nor is it kept for later
// ones, on this node or another one.
//
// proves P1
func TestReconnectDuringARefresh(t *testing.T) {
	for name, rotation := range map[string]optest.Rotation{"off": optest.RotateOff, "strict": optest.RotateStrict} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rotation, worldOptions{limit: 9, config: func(c *issuer.Config) { c.Providers[0].AccessTokenCache = untilTheEnd }})
			gate, before := w.holdFirst(t, optest.Fault{})
			leaseReconnect(t, t.Context(), w)
			after := w.start(t.Context(), w.issuer, refreshFirst)
			waitUntil(t, "the second waits", func() bool {
				n, err := w.charged(t.Context())
				return err == nil && n == 2 && w.issuer.Waiters() > 0
			})
			gate.open()
			old := await(t, before)
			require.NoError(t, old.err)
			fresh := await(t, after)
			require.NoError(t, fresh.err)
			require.Equal(t, []int{1, 2}, w.logins())
			require.NoError(t, w.issuer.AwaitErrands(t.Context()))
			later, err := w.request(t.Context(), w.issuer, store.UseID{})
			require.NoError(t, err)
			require.False(t, later.Token.Equal(old.at.Token), "kept")
			require.NotContains(t, w.logins()[1:], 1)

			// The other node learns of the new login from the store alone.
			other, err := w.node(nil)
			require.NoError(t, err)
			gate = newGate(t)
			w.failOnce(optest.Fault{Wait: gate.wait})
			second := issuer.AccessTokenRequest{Scopes: []string{"storage.read"}}
			before = w.start(t.Context(), other, second)
			gate.await(t)
			sofar := len(w.logins())
			leaseReconnect(t, t.Context(), w)
			gate.open()
			old = await(t, before)
			require.NoError(t, old.err)
			require.NoError(t, other.AwaitErrands(t.Context()))
			for _, i := range []*issuer.Issuer{w.issuer, other} {
				r := await(t, w.start(t.Context(), i, second))
				require.NoError(t, r.err)
				require.False(t, r.at.Token.Equal(old.at.Token), "kept")
				require.NoError(t, i.AwaitErrands(t.Context()))
			}
			require.Equal(t, []int{2, 3}, w.logins()[sofar:])
			require.Zero(t, w.reuses())
			require.NoError(t, other.Close(t.Context()))
		})
	}
}

// A lease of this process is idle while the user logs in again: a flight hands it on, or a
// use took it. Whoever works under it asks with the refresh token of the new login.
//
// proves P1
func TestIdleLeaseAfterReconnect(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	_, err := w.request(t.Context(), w.issuer, store.UseID{}) // from now on the store knows which scopes work
	require.NoError(t, err)
	child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: client})
	require.NoError(t, err)
	w.requireFree(t)
	gate, first := w.holdFirst(t, optest.Fault{})
	leaseReconnect(t, t.Context(), w)
	second := w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: child.Token, Scopes: []string{"compute"}})
	waitUntil(t, "the second waits", func() bool { return w.issuer.Waiters() > 0 })
	gate.open()
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, second).err)
	require.Equal(t, []int{1, 1, 2}, w.logins())
	w.requireFree(t)

	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.After("Spend", 1) {
			leaseReconnect(t, context.WithoutCancel(t.Context()), w)
		}
		return nil
	})
	_, err = w.request(t.Context(), w.issuer, store.UseID{})
	require.NoError(t, err)
	require.Equal(t, []int{1, 1, 2, 3}, w.logins())
	w.requireFree(t)
}

// The provider refuses a scope that the user has not agreed to. While it is asked whether
// the login works otherwise, the user logs in again, and agrees. The scope can be had at
// once: that refusal was about the old login.
func TestReconnectDuringARefusal(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	gate := newGate(t)
	w.fault(func(at optest.FaultPoint) optest.Fault {
		switch {
		case at.Grant > 1:
			return optest.Fault{}
		case slices.Equal(at.Scopes, []string{"storage.read"}):
			return optest.Fault{Refuse: "invalid_grant"}
		}
		return optest.Fault{Wait: gate.wait}
	})
	request := issuer.AccessTokenRequest{Scopes: []string{"storage.read"}}
	before := w.start(t.Context(), w.issuer, request)
	gate.await(t)
	leaseReconnect(t, t.Context(), w)
	gate.open()
	require.Equal(t, "invalid_scope", errAs[*issuer.UpstreamError](t, await(t, before).err).Code)
	require.NoError(t, await(t, w.start(t.Context(), w.issuer, request)).err)
	w.requireFree(t)
}
