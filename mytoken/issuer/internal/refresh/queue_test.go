package refresh

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

var (
	queueGrant = store.GrantID{1}
	queueOther = store.GrantID{2}
)

const longWait = time.Hour

// turnIn waits for a turn of the only token of a grant.
func turnIn(ctx context.Context, q *grantQueue, grant store.GrantID) (leave func(), err error) {
	return turnOf(ctx, q, grant, store.TokenID{}, 1)
}

func turnOf(ctx context.Context, q *grantQueue, grant store.GrantID, token store.TokenID, width int) (leave func(), err error) {
	p, err := q.enter(grant, token, width)
	if err != nil {
		return nil, err
	}
	if err := p.wait(ctx); err != nil {
		p.leave()
		return nil, err
	}
	return p.leave, nil
}

func TestQueueKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		leave, err := turnIn(t.Context(), q, queueGrant)
		require.NoError(t, err)
		var order []int
		for n := range 5 {
			go func() {
				leave, err := turnIn(t.Context(), q, queueGrant)
				if !assert.NoError(t, err) {
					return
				}
				order = append(order, n) // the turn guards it
				leave()
			}()
			synctest.Wait()
		}
		require.Empty(t, order)
		other, err := turnIn(t.Context(), q, queueOther)
		require.NoError(t, err, "grants do not wait for each other")
		other()
		leave()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4}, order)
		require.Empty(t, q.lines, "nothing is left behind")
	})
}

// waitBehind puts two waiters into the queue of a grant that is taken. cancel makes the
// first one leave; gone and served get the errors of the first and the second.
func waitBehind(t *testing.T, q *grantQueue) (cancel context.CancelFunc, gone, served <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := turnIn(ctx, q, queueGrant)
		first <- err
	}()
	synctest.Wait()
	go func() {
		leave, err := turnIn(t.Context(), q, queueGrant)
		if err == nil {
			leave()
		}
		second <- err
	}()
	synctest.Wait()
	return cancel, first, second
}

func TestQueueIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := turnIn(dead, q, queueGrant)
		require.ErrorIs(t, err, context.Canceled)

		leave, err := turnIn(t.Context(), q, queueGrant)
		require.NoError(t, err)
		cancel, gone, served := waitBehind(t, q)
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		leave()
		require.NoError(t, <-served, "the one behind moves up")
		require.Empty(t, q.lines)
	})
}

// A turn that comes at the moment at which its waiter gives up is passed on.
func TestQueueTurnAndCancellationMeet(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			q := newGrantQueue(time.Now, longWait)
			leave, err := turnIn(t.Context(), q, queueGrant)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			wait := func(ctx context.Context) {
				leave, err := turnIn(ctx, q, queueGrant)
				if err == nil {
					leave()
				}
			}
			all.Go(func() { wait(ctx) })
			synctest.Wait()
			all.Go(func() { wait(t.Context()) })
			synctest.Wait()
			cancel() // wakes the first, which still has to leave the queue
			leave()  // and gives it the turn before it has
			all.Wait()
			require.Empty(t, q.lines)
		})
	}
}

// A process that never runs out of waiters leaves the lease free from time to time, for
// longer than other processes pause between two attempts to take it.
func TestQueuePausesForOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		var mu sync.Mutex
		var free []time.Duration // between two turns
		last := time.Now()
		turn := func(n byte) {
			leave, err := turnOf(t.Context(), q, queueGrant, store.TokenID{n}, 1)
			if !assert.NoError(t, err) {
				return
			}
			mu.Lock()
			free = append(free, time.Since(last))
			mu.Unlock()
			<-time.After(100 * time.Millisecond) // of fake time: the provider
			mu.Lock()
			last = time.Now()
			mu.Unlock()
			leave()
		}
		var all sync.WaitGroup
		for n := range byte(100) {
			all.Go(func() { turn(n) })
		}
		all.Wait()
		pauses := 0
		for _, d := range free[1:] {
			if d > leasePoll {
				pauses++
			}
		}
		require.InDelta(t, 5, pauses, 1, "10 s of turns, a pause every 2 s: %v", free)
		require.Empty(t, q.lines)
	})
}

// A waiter that gives up during the pause passes its turn on.
func TestQueuePauseIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		leave, err := turnIn(t.Context(), q, queueGrant)
		require.NoError(t, err)
		cancel, gone, served := waitBehind(t, q)
		<-time.After(queueRuns) // of fake time
		leave()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		require.NoError(t, <-served)
		require.Empty(t, q.lines)
	})
}
