package issuer_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Requests come one after the other while another use of the token is being charged. A
// flight leaves its lease to that use, and each of the next requests takes it first: none
// needs a step for it. After a few, the lease is ended, so that other processes get it. The
// same happens if that use never comes to a flight.
//
// proves P5
func TestFlightLeavesItsLeaseToAUse(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		t.Run(fmt.Sprintf("leaves=%t", leaves), func(t *testing.T) {
			w := newWorld(t, optest.RotateOff, worldOptions{limit: 99})
			_, err := w.request(t.Context(), w.issuer, store.UseID{})
			require.NoError(t, err)
			waitUntil(t, "the lease ends", func() bool { return w.issuer.Ends() == 0 })
			gate := newGate(t)
			w.store.Reset(func(c storetest.Call) error {
				if c == storetest.Before("Spend", 1) {
					gate.wait(context.Background())
				}
				return nil
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			charged := w.start(ctx, w.issuer, refreshFirst)
			gate.await(t)
			for n := range 4 {
				require.Zero(t, w.store.Calls("EndRefresh"), "after %d requests", n)
				_, err := w.request(t.Context(), w.issuer, store.UseID{})
				require.NoError(t, err)
			}
			waitUntil(t, "the lease ends", func() bool { return w.store.Calls("EndRefresh") == 1 && w.issuer.Ends() == 0 })
			w.requireFree(t)
			_, err = w.request(t.Context(), w.issuer, store.UseID{})
			require.NoError(t, err)
			require.Equal(t, 1, w.store.Calls("EndRefresh"))
			require.Zero(t, w.store.Calls("BeginRefresh"))
			ends := 2
			if leaves {
				cancel()
				ends++ // that use may have got a lease of its own
			}
			gate.open()
			if err := await(t, charged).err; leaves {
				require.ErrorIs(t, err, context.Canceled)
			} else {
				require.NoError(t, err)
			}
			waitUntil(t, "the lease ends", func() bool { return w.store.Calls("EndRefresh") == ends && w.issuer.Ends() == 0 })
			require.Zero(t, w.store.Calls("BeginRefresh"))
			w.requireFree(t)
		})
	}
}
