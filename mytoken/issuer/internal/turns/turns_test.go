package turns_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/terms"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/turns"
)

// A user reads one list at a time, a token has four at most, and nobody waits longer than
// asked.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn, ctx := turns.New(), t.Context()
		alice, bob, token := terms.OwnerID{1}, terms.OwnerID{2}, terms.TokenID{1}
		leave, err := turn.Enter(ctx, alice, token, time.Second)
		require.NoError(t, err)

		started := time.Now()
		_, err = turn.Enter(ctx, alice, token, time.Second)
		require.ErrorIs(t, err, turns.ErrBusy, "one list of a user is read")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(started))
		other, err := turn.Enter(ctx, bob, terms.TokenID{2}, time.Second)
		require.NoError(t, err, "another user does not wait")
		other()

		entered := make(chan func(), 3)
		for range 3 {
			go func() {
				leave, err := turn.Enter(ctx, alice, token, time.Hour)
				if err == nil {
					entered <- leave
				}
			}()
		}
		synctest.Wait()
		started = time.Now()
		_, err = turn.Enter(ctx, alice, token, time.Second)
		require.ErrorIs(t, err, turns.ErrBusy)
		require.Zero(t, time.Since(started), "too many of one token are refused at once")
		leave()
		for range 3 {
			(<-entered)()
		}
		leave, err = turn.Enter(ctx, alice, token, time.Second)
		require.NoError(t, err, "everybody has left")
		leave()
	})
}
