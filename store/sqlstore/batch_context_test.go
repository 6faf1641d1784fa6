package sqlstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// The context of a batch belongs to nobody: when the leader's ends, the others
// get what they came for, and so does the leader.
func TestBatchSurvivesItsLeader(t *testing.T) {
	onStage(t, 1000, func(t *testing.T, st *stage, first *call) {
		leading, cancel := context.WithCancel(t.Context())
		leader := st.startWaiting(t, leading, newUse())
		follower := st.startWaiting(t, t.Context(), newUse())
		st.hold.Store(true)
		st.release <- nil
		<-first.done
		batch := <-st.held
		cancel()
		if err := batch.Err(); err != nil {
			t.Errorf("the batch ended with its leader: %v", err)
		}
		st.release <- nil
		granted(t, leader, follower)
		st.mustHaveUsed(t, 4)
	})
}

// When nobody waits for a batch any more, it ends.
func TestBatchEndsWithItsLastMember(t *testing.T) {
	onStage(t, 1000, func(t *testing.T, st *stage, first *call) {
		ctx, cancel := context.WithCancel(t.Context())
		leader, follower := st.startWaiting(t, ctx, newUse()), st.startWaiting(t, ctx, newUse())
		st.hold.Store(true)
		st.release <- nil
		<-first.done
		batch := <-st.held
		cancel()
		<-batch.Done()
		<-follower.done
		st.release <- batch.Err()
		<-leader.done
		for _, c := range []*call{leader, follower} {
			if !errors.Is(c.err, context.Canceled) || store.IsDefinite(c.err) {
				t.Errorf("Spend: %v", c.err)
			}
			// The answer is repeatable: asking again settles it.
			if again, err := st.Spend(t.Context(), st.token, c.use); err != nil || again.Clause != 0 {
				t.Errorf("Spend again: %+v, %v", again, err)
			}
		}
		st.mustHaveUsed(t, 4)
	})
}

// Whoever gives up while it waits has not spent anything.
func TestCancelledWhileWaiting(t *testing.T) {
	onStage(t, 1000, func(t *testing.T, st *stage, first *call) {
		ctx, cancel := context.WithCancel(t.Context())
		gone := st.startWaiting(t, ctx, newUse())
		kept := st.startWaiting(t, t.Context(), newUse())
		cancel()
		<-gone.done
		if !errors.Is(gone.err, context.Canceled) {
			t.Errorf("Spend: %v", gone.err)
		}
		st.release <- nil
		granted(t, first, kept)
		st.mustHaveUsed(t, 3)
	})
}

// A member that gives up while its batch is under way has spent, or has not;
// repeating the use tells, and charges no second time.
//
// proves P8
func TestCancelledUnderWay(t *testing.T) {
	onStage(t, 1000, func(t *testing.T, st *stage, first *call) {
		leader := st.startWaiting(t, t.Context(), newUse())
		ctx, cancel := context.WithCancel(t.Context())
		gone := st.startWaiting(t, ctx, newUse())
		st.hold.Store(true)
		st.release <- nil
		<-st.held
		cancel()
		<-gone.done
		if !errors.Is(gone.err, context.Canceled) {
			t.Errorf("Spend: %v", gone.err)
		}
		st.release <- nil
		<-first.done
		<-leader.done
		again, err := st.Spend(t.Context(), st.token, gone.use)
		if err != nil || !again.Repeated {
			t.Errorf("Spend again: %+v, %v; want a repeat", again, err)
		}
		st.mustHaveUsed(t, 4)
	})
}

// A batch that takes too long ends, and those of its members who have time try
// again.
func TestBatchTimeout(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.opts.BatchTimeout = time.Second
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		c := st.start(t.Context(), newUse())
		batch := <-st.held
		<-batch.Done()
		st.release <- batch.Err()
		granted(t, c)
		st.mustHaveUsed(t, 2)
	})
}

// Many callers with contexts that end at any time: nothing is lost, nothing is
// charged twice, nobody hangs.
//
// proves P3, P8
func TestBatchesUnderCancellation(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, store.Unlimited)
		const callers, each = 16, 20
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for j := range each {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i*each+j)%7)*time.Millisecond)
					u := newUse()
					_, err := st.Spend(ctx, st.token, u)
					cancel()
					if err != nil {
						_, err = st.Spend(t.Context(), st.token, u)
					}
					if err != nil {
						t.Errorf("Spend: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		st.mustHaveUsed(t, 1+callers*each)
	})
}
