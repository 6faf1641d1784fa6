package issuer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
	"github.com/mytoken-go/sdk/store/storetest"
)

// upkeep is an issuer whose store tells of the sweeps.
type upkeep struct {
	*issuer.Issuer
	store *storetest.Faulty
	log   *bytes.Buffer

	mu     sync.Mutex
	sweeps []time.Time
	fault  error // of the next sweeps
}

func newUpkeep(t *testing.T) *upkeep {
	t.Helper()
	u := &upkeep{log: new(bytes.Buffer)}
	u.store = storetest.NewFaulty(memstore.New(), func(c storetest.Call) error {
		u.mu.Lock()
		defer u.mu.Unlock()
		if c.Method != "Sweep" || !c.Before {
			return nil
		}
		u.sweeps = append(u.sweeps, time.Now())
		return u.fault
	})
	key, err := mytoken.GenerateKey(mytoken.ES256)
	require.NoError(t, err)
	keys, err := mytoken.NewKeys(key)
	require.NoError(t, err)
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	require.NoError(t, err)
	upstream, err := oidcupstream.New(oidcupstream.Config{
		Issuer: "https://op.example.org", ClientID: "x", Auth: oidcupstream.ClientSecretBasic("y"), RedirectURL: "https://mytoken.example.org/redirect",
	})
	require.NoError(t, err)
	u.Issuer, err = issuer.New(issuer.Config{
		Issuer: "https://mytoken.example.org", Store: u.store, Seal: ring, Keys: keys, Providers: []issuer.Provider{{Upstream: upstream}},
		Logger: slog.New(slog.NewTextHandler(u.log, nil)),
	})
	require.NoError(t, err)
	return u
}

func (u *upkeep) swept() []time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sweeps
}

func (u *upkeep) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fault = err
}

// Maintain sweeps at once and then again and again, about as often as it was told, but not
// in step with others. After a failure it does not wait that long. It returns when the
// context ends.
func TestMaintain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpkeep(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- u.Maintain(ctx, 5*time.Minute) }()
		synctest.Wait()
		require.Len(t, u.swept(), 1, "at once")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		sweeps := u.swept()
		different := make(map[time.Duration]bool)
		for n := 1; n < len(sweeps); n++ {
			pause := sweeps[n].Sub(sweeps[n-1])
			require.InDelta(t, 5*time.Minute, pause, float64(time.Minute))
			different[pause] = true
		}
		require.Greater(t, len(different), 10)

		u.fail(errors.New("no database"))
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		before := len(u.swept())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Greater(t, len(u.swept())-before, 10)
		require.Contains(t, u.log.String(), "no database")
		u.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		before = len(u.swept())
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		require.Less(t, len(u.swept())-before, 7)

		cancel()
		synctest.Wait()
		require.NoError(t, <-ended)
		before = len(u.swept())
		time.Sleep(time.Hour)
		require.Len(t, u.swept(), before)
		require.NoError(t, u.Close(t.Context()))
	})
}

// A context that ends during a sweep is no failure.
func TestMaintainEndsWithinASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpkeep(t)
		ctx, cancel := context.WithCancel(t.Context())
		u.store.Reset(func(c storetest.Call) error {
			if c.Method == "Sweep" {
				cancel()
				return ctx.Err()
			}
			return nil
		})
		require.NoError(t, u.Maintain(ctx, time.Minute))
		require.NotContains(t, u.log.String(), "sweep failed")
		require.NoError(t, u.Close(t.Context()))
	})
}

func TestMaintainRefusesNoPause(t *testing.T) {
	u := newUpkeep(t)
	for _, every := range []time.Duration{-time.Hour, 0, time.Millisecond} {
		err := u.Maintain(t.Context(), every)
		require.ErrorAs(t, err, new(*issuer.RequestError))
		require.ErrorContains(t, err, every.String())
	}
	require.Empty(t, u.swept())
}

// A store that panics does not end the process. Another sweep is tried within 30 s.
//
// proves P5
func TestMaintainSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpkeep(t)
		ctx, cancel := context.WithCancel(t.Context())
		var tries []time.Time
		u.store.Reset(func(c storetest.Call) error {
			if c.Method != "Sweep" || !c.Before {
				return nil
			}
			if tries = append(tries, time.Now()); len(tries) < 40 {
				panic("the store is broken")
			}
			cancel()
			return nil
		})
		require.NoError(t, u.Maintain(ctx, time.Hour))
		for n := 1; n < len(tries); n++ {
			require.LessOrEqual(t, tries[n].Sub(tries[n-1]), 30*time.Second)
		}
		require.Contains(t, u.log.String(), `kind=panic in="the housekeeping" error="the store is broken"`)
		require.NoError(t, u.Close(t.Context()))
	})
}

// No pause is so long that it becomes none.
func TestMaintainRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpkeep(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*24*time.Hour)
		defer cancel()
		require.NoError(t, u.Maintain(ctx, math.MaxInt64))
		require.Greater(t, len(u.swept()), 7)
		require.Less(t, len(u.swept()), 14)
		require.NoError(t, u.Close(t.Context()))
	})
}
