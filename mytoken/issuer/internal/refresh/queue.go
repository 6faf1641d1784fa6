package refresh

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// grantQueue lets the refreshes of a grant through one by one, in order of arrival.
// Grants do not wait for each other. A waiter whose context ends leaves the queue.
//
// Other processes are not in this queue: they try to take the lease every [leasePoll]. A
// queue that never runs empty would leave them no chance, so it pauses from time to time.
type grantQueue struct {
	now    func() time.Time
	mu     sync.Mutex
	queues map[store.GrantID]*turns // an entry exists while somebody has the turn
}

type turns struct {
	since   time.Time // first turn since the queue was empty or paused
	waiting []chan struct{}
}

const (
	queueRuns   = 2 * time.Second        // longest time without a pause
	queuePauses = 300 * time.Millisecond // longer than leasePoll
)

func newGrantQueue(now func() time.Time) *grantQueue {
	return &grantQueue{now: now, queues: make(map[store.GrantID]*turns)}
}

// enter waits for the turn. The caller calls leave to end it.
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
	q.next(grant) // the turn came at the same moment: pass it on
	return nil, ctx.Err()
}

// pause leaves the lease free for a moment if this process has kept it for long. If the
// context ends meanwhile, pause ends the turn and returns an error.
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
	err := Sleep(ctx, queuePauses)
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
