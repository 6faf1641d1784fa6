package sqlstore

import (
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// arrive makes calls enter a queue: uses of a token, or ends of leases if it is 0. It
// returns the turn of the last one.
func arrive(q *queue, token byte, calls int) (w *waiter, next turn) {
	for range calls {
		w = &waiter{member: &member{token: store.Presented{ID: store.TokenID{token}}, use: new(store.Use)}, turn: make(chan turn, 1)}
		_, _ = rand.Read(w.use.ID[:])
		if token == 0 {
			w.member = &member{end: &store.End{Grant: store.GrantID{1}}}
		}
		next = q.enter(w)
	}
	return w, next
}

// A use gets a second batch only when it has waited for long itself, whenever others began
// to wait.
func TestUseWaitsBeforeASecondBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, maxBatch)
		first, next := arrive(q, 1, 1)
		require.Equal(t, turnLead, next)
		second, next := arrive(q, 2, 1)
		require.Equal(t, turnWait, next)
		time.Sleep(longWait - time.Millisecond)
		q.finish(first.batch)
		require.Equal(t, turnLead, <-second.turn)
		third, next := arrive(q, 3, 1)
		require.Equal(t, turnWait, next)
		time.Sleep(longWait - time.Nanosecond)
		require.Empty(t, third.turn, "others have waited for long, and this one has not")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, turnLead, <-third.turn)
	})
}

// Uses that wait for one of the same token, and not for a slot, are not worth a second
// batch.
func TestUsesOfATokenAreNoSecondBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, maxBatch)
		q.longest = time.Hour
		first, _ := arrive(q, 1, 1)
		_, next := arrive(q, 1, maxBatch)
		require.Equal(t, turnWait, next)
		end, _ := arrive(q, 0, 1)
		other, _ := arrive(q, 2, 1)
		require.Equal(t, 1, q.free)
		arrive(q, 3, q.many()-3)
		require.Equal(t, 1, q.free)
		arrive(q, 3, 1)
		require.Equal(t, turnLead, <-end.turn)
		require.Len(t, end.batch, q.many())
		require.Contains(t, end.batch, other)
		q.finish(first.batch)
	})
}
