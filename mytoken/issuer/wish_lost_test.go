package issuer_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// The answer to a use is lost, and the token is revoked before the step is repeated. The
// repetition says that, and nothing of the use. But the first try took the lease of the
// login and a use of the parent: both are given back.
//
// proves P3, P5
func TestUseThatTookEffectBeforeTheRevocation(t *testing.T) {
	for _, id := range []store.UseID{{}, issuer.NewUseID()} {
		w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
		child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: client})
		require.NoError(t, err)
		w.store.Reset(func(c storetest.Call) error {
			if c != storetest.After("Spend", 1) {
				return nil
			}
			_, err := w.inner.Revoke(t.Context(), store.Revocation{Token: child.ID, Now: store.At(w.clock.Now())})
			require.NoError(t, err)
			return storetest.ErrFault
		})
		_, err = w.issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: child.Token, ID: id, Client: client})
		require.Equal(t, issuer.TokenRevoked, errAs[*issuer.TokenError](t, err).Reason)
		require.Equal(t, 2, w.store.Calls("Spend"))
		w.requireFree(t)
		w.requireCharged(t, 0)
	}
}

// The same when a token is derived: nobody ever gets the child, which would outlive its
// parent.
//
// proves P3, P6
func TestChildThatWasStoredBeforeTheRevocation(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	parent, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: client})
	require.NoError(t, err)
	w.store.Reset(func(c storetest.Call) error {
		if c != storetest.After("CreateChild", 1) {
			return nil
		}
		_, err := w.inner.Revoke(t.Context(), store.Revocation{Token: parent.ID, Now: store.At(w.clock.Now())})
		require.NoError(t, err)
		return storetest.ErrFault
	})
	_, err = w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: parent.Token, Client: client})
	require.Equal(t, issuer.TokenRevoked, errAs[*issuer.TokenError](t, err).Reason)
	require.Equal(t, 2, w.store.Calls("CreateChild"))
	tree, _, err := w.inner.Subtree(t.Context(), parent.ID, store.Page{Limit: 9})
	require.NoError(t, err)
	require.Len(t, tree, 2)
	for _, token := range tree {
		require.False(t, token.Live)
	}
	require.Equal(t, 1, w.store.Calls("Refund"))
}

// slowSpend is a store whose first use never answers, and takes effect only when an end of
// a lease has passed it.
type slowSpend struct {
	store.Store
	mu   sync.Mutex
	late func() error // the use that is on its way; nil: none yet
	err  error
}

func (s *slowSpend) Spend(ctx context.Context, token store.Presented, use store.Use) (store.Spent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late == nil {
		s.late = func() error {
			_, err := s.Store.Spend(context.WithoutCancel(ctx), token, use)
			return err
		}
	}
	return store.Spent{}, storetest.ErrFault
}

func (s *slowSpend) EndRefresh(ctx context.Context, end store.End) error {
	err := s.Store.EndRefresh(ctx, end)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = s.late()
	return err
}

// Refund lets the end of a lease overtake it, if one is under way.
func (s *slowSpend) Refund(ctx context.Context, use store.UseID, now store.Micros) error {
	for range 10_000 {
		runtime.Gosched()
	}
	return s.Store.Refund(ctx, use, now)
}

// A use is still on its way when its request gives up. It has been called off by the time
// the lease is ended that it may take. So it takes none afterwards.
//
// proves P3, P5
func TestUseThatTakesEffectAfterItsRequest(t *testing.T) {
	var slow *slowSpend
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9, config: func(c *issuer.Config) {
		slow = &slowSpend{Store: c.Store}
		c.Store = slow
	}})
	_, err := w.request(t.Context(), w.issuer, store.UseID{})
	errAs[*issuer.StoreError](t, err)
	slow.mu.Lock()
	defer slow.mu.Unlock()
	require.ErrorIs(t, slow.err, store.ErrRefunded)
	w.requireFree(t)
	w.requireCharged(t, 0)
}

// The machine sleeps after a use has got a lease that lasts for minutes, and its heartbeat
// lapses. Another process takes the lease over and asks nobody. The first one takes the
// same lease again. It knows best that this lease has left nothing in doubt.
//
// proves P5
func TestLeaseOfAUseLeavesNoDoubtToItself(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) {
		c.SpillDir, c.Lease = t.TempDir(), 10*time.Minute
	}})
	w.store.Reset(func(c storetest.Call) error {
		if c != storetest.After("Spend", 1) {
			return nil
		}
		w.lapse()
		info, err := w.inner.Token(t.Context(), w.id)
		require.NoError(t, err)
		held, err := w.inner.BeginRefresh(t.Context(), store.Begin{
			Grant: info.Grant, Lease: store.LeaseID{1}, Now: store.At(w.clock.Now()), TTL: time.Second,
		})
		require.NoError(t, err)
		require.Len(t, held.Doubts, 1)
		return w.inner.EndRefresh(t.Context(), store.End{
			Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Outcome: store.RefreshNotSent, Now: store.At(w.clock.Now()),
		})
	})
	_, err := w.request(t.Context(), w.issuer, store.UseID{})
	require.NoError(t, err)
	w.requireFree(t)
	require.Zero(t, w.reuses())
	w.requireCharged(t, 1)
}

// The first client of a process leaves while the process makes itself known. The next one
// does not pay for that: its lease names the process, so that others need not wait for its
// end if the process dies.
//
// proves P5
func TestClientLeavesDuringTheFirstHeartbeat(t *testing.T) {
	var r *recorder
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9, config: func(c *issuer.Config) {
		r = &recorder{Store: c.Store}
		c.Store = r
	}})
	ctx, cancel := context.WithCancel(t.Context())
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.Before("Beat", 1) {
			cancel()
			return ctx.Err()
		}
		return nil
	})
	_, err := w.request(ctx, w.issuer, store.UseID{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = w.request(t.Context(), w.issuer, store.UseID{})
	require.NoError(t, err)
	require.NotZero(t, r.uses[len(r.uses)-1].Lease.Process)
}
