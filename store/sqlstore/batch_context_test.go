package sqlstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
)

// A batch does not end with the context of its leader. All members, including the leader,
// get their answers.
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
		assert.NoError(t, batch.Err(), "the batch ended with its leader")
		st.release <- nil
		granted(t, leader, follower)
		st.mustHaveUsed(t, 4)
	})
}

// A batch ends when nobody waits for it any more.
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
			// Asking again settles the question.
			if again, err := st.Spend(t.Context(), st.token, c.use); err != nil || again.Clause != 0 {
				t.Errorf("Spend again: %+v, %v", again, err)
			}
		}
		st.mustHaveUsed(t, 4)
	})
}

// A caller that gives up while it waits has spent nothing.
func TestCancelledWhileWaiting(t *testing.T) {
	onStage(t, 1000, func(t *testing.T, st *stage, first *call) {
		ctx, cancel := context.WithCancel(t.Context())
		gone := st.startWaiting(t, ctx, newUse())
		kept := st.startWaiting(t, t.Context(), newUse())
		cancel()
		<-gone.done
		assert.ErrorIs(t, gone.err, context.Canceled, "Spend")
		st.release <- nil
		granted(t, first, kept)
		st.mustHaveUsed(t, 3)
	})
}

// A member that gives up while its batch is under way may have spent. Repeating the use
// returns the outcome and charges nothing again.
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
		assert.ErrorIs(t, gone.err, context.Canceled, "Spend")
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

// A member gives up while its batch reads what it needs. It learns that it may have spent,
// and does not look at anything on which the batch still works.
//
// proves P8
func TestCancelledWhileItsBatchReads(t *testing.T) {
	s := newSQLite(t)
	st := newStage(t, s, 1000)
	first := st.startHeld(t)
	leader := st.startWaiting(t, t.Context(), newUse())
	ctx, cancel := context.WithCancel(t.Context())
	gone := st.startWaiting(t, ctx, newUse())
	reading, goOn, held := make(chan bool), make(chan bool), false
	st.spy.hook(func(_ context.Context, said statement) error {
		if said.is("SELECT") && !held {
			held = true
			close(reading)
			<-goOn
		}
		return nil
	}, nil)
	st.release <- nil
	<-reading
	cancel()
	close(goOn) // while the member returns
	<-gone.done
	assert.ErrorIs(t, gone.err, context.Canceled, "Spend")
	granted(t, first, leader)
	again, err := st.Spend(t.Context(), st.token, gone.use)
	if err != nil || !again.Repeated {
		t.Errorf("Spend again: %+v, %v; want a repeat", again, err)
	}
}

// A batch that takes too long ends. Members that have time left try again.
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

// Many callers have contexts that end at any time. Nothing is lost, nothing is charged
// twice, and nobody hangs.
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
