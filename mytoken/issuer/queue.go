package issuer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// grantQueue lets one refresh of a grant after the other through, in order of
// arrival. A waiter whose context ends leaves the queue. Grants do not wait
// for each other.
//
// Other processes are not in this queue: they look for a moment in which the
// lease is free, every 250 ms. A queue that does not run empty would leave them
// none, so from time to time it makes a pause.
type grantQueue struct {
	now    func() time.Time
	mu     sync.Mutex
	queues map[store.GrantID]*turns // present while somebody holds
}

type turns struct {
	since   time.Time // of the first turn since the queue was empty or paused
	waiting []chan struct{}
}

const (
	queueRuns   = 2 * time.Second        // longest time without a pause
	queuePauses = 300 * time.Millisecond // longer than between two looks at the lease
)

func newGrantQueue(now func() time.Time) *grantQueue {
	return &grantQueue{now: now, queues: make(map[store.GrantID]*turns)}
}

// enter waits for the turn and returns the function that ends it.
func (q *grantQueue) enter(ctx context.Context, grant store.GrantID) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	t, busy := q.queues[grant]
	if !busy {
		q.queues[grant] = &turns{since: q.now()}
		q.mu.Unlock()
		return func() { q.next(grant) }, nil
	}
	turn := make(chan struct{})
	t.waiting = append(t.waiting, turn)
	q.mu.Unlock()

	select {
	case <-turn:
		if err := q.pause(ctx, grant, t); err != nil {
			return nil, err
		}
		return func() { q.next(grant) }, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	if i := slices.Index(t.waiting, turn); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
		q.mu.Unlock()
		return nil, ctx.Err()
	}
	q.mu.Unlock()
	q.next(grant) // the turn came at the same time: pass it on
	return nil, ctx.Err()
}

// pause leaves the lease free for a moment if this process has kept it busy
// for long. If the context ends meanwhile it ends the turn.
func (q *grantQueue) pause(ctx context.Context, grant store.GrantID, t *turns) error {
	q.mu.Lock()
	now := q.now()
	due := now.Sub(t.since) >= queueRuns
	if due {
		t.since = now
	}
	q.mu.Unlock()
	if !due {
		return nil
	}
	err := sleep(ctx, queuePauses)
	if err != nil {
		q.next(grant)
	}
	return err
}

func (q *grantQueue) next(grant store.GrantID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.queues[grant]
	if len(t.waiting) == 0 {
		delete(q.queues, grant)
		return
	}
	close(t.waiting[0])
	t.waiting = t.waiting[1:]
}
