package sqlstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// Uses that wait at the same time form a batch, which the store commits as one step.
// There are two queues: one for uses that cost few statements, and one for uses that
// create tokens or change tickets that somebody has put before. Relaxed ends of leases
// wait with the former: each goes with the next batch. Everything happens in the
// goroutines of the callers.
//
// A use starts at once if no other use is under way. Otherwise it waits. A batch that is
// done makes up the next one from the waiting uses and hands its slot to the first member.
// That member leads: it commits the batch and tells the others. So a caller leads only the
// batch of its own use.
//
// A second batch starts beside the first one only if it is worth its transaction: if many
// uses wait, or if some have waited for long, because the database takes long to commit.
// One large batch costs the database much less than two small ones.
//
// The context of a batch ends when the contexts of all its members have ended, or when
// the batch has taken too long. So a leader may return after its own context has ended,
// but it then returns the outcome of its use. Any other member returns when its own
// context ends. If its batch is under way then, the caller learns the outcome by
// repeating the use.

// maxBatch and maxCreations bound the number of uses in a batch. A batch of plain uses
// takes as many statements as one use. Each creation takes some of its own.
const (
	maxBatch     = 64
	maxCreations = 16
)

// longWait is how long calls wait before they get a second batch anyway. Most databases
// commit a batch faster.
const longWait = 10 * time.Millisecond

// queue is where uses wait.
type queue struct {
	mu      sync.Mutex
	slots   int                    // the most batches under way
	most    int                    // the most uses in a batch
	free    int                    // free slots
	using   int                    // batches under way that have uses, and not only ends of leases
	active  map[store.TokenID]bool // tokens with a use under way
	waiting []*waiter
	longest time.Duration // see longWait
	timed   bool          // somebody is going to look at what waits
	onWait  func()        // if set, called when a use begins to wait; for tests
}

func newQueue(slots, most int) *queue {
	return &queue{slots: slots, most: most, free: slots, longest: longWait, active: make(map[store.TokenID]bool)}
}

// waiter is one call of Spend, CreateChild or EndRefresh.
type waiter struct {
	*member
	ctx   context.Context
	since time.Time // when it began to wait
	doubt bool      // an earlier attempt may have taken effect
	batch []*waiter // the batch that it leads, itself first
	turn  chan turn // has room for one
}

// turn tells a waiter how to continue.
type turn uint8

const (
	turnWait  turn = iota
	turnLead       // commit the batch
	turnDone       // the member holds the answer
	turnAlone      // the batch failed: commit alone
	turnAgain      // the batch took too long, but there is time left
	turnGone       // the caller's context has ended, and no batch has the use
	turnLeft       // the caller's context has ended while its batch is under way
)

// errBatchTimeout ends a batch that takes too long.
var errBatchTimeout = errors.New("sqlstore: uses took too long to be committed")

// spendTogether commits a use, possibly together with others in its queue.
func (s *Store) spendTogether(ctx context.Context, q *queue, m *member) (store.Spent, error) {
	w := &waiter{member: m, ctx: ctx, turn: make(chan turn, 1)}
	name := stepOf(m) // a caller that leaves must not look at the member: its batch may write it
	next := q.enter(w)
	for {
		switch next {
		case turnWait:
			next = q.wait(w)
		case turnLead:
			next = s.lead(q, w)
		case turnAgain:
			next = q.enter(w)
		case turnAlone:
			if err := s.spendAll(ctx, []*member{m}); err != nil {
				return store.Spent{}, w.trouble(err)
			}
			return m.spent, m.err
		case turnGone:
			return store.Spent{}, s.explain(name, ctx.Err(), w.doubt)
		case turnLeft:
			return store.Spent{}, s.explain(name, ctx.Err(), true)
		case turnDone:
			return m.spent, m.err
		}
	}
}

// enter starts a use, or queues it.
func (q *queue) enter(w *waiter) turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free == q.slots {
		q.start([]*waiter{w})
		return turnLead
	}
	w.since = time.Now()
	q.waiting = append(q.waiting, w)
	if q.onWait != nil {
		q.onWait()
	}
	q.startNext()
	return turnWait
}

// many is how many waiting calls are worth a second batch: half of a full one.
func (q *queue) many() int { return q.most / 2 }

// areMany reports whether many calls wait for nothing but a slot.
func (q *queue) areMany() bool {
	if len(q.waiting) < q.many() {
		return false
	}
	n := 0
	for _, w := range q.waiting {
		if w.end != nil || !q.active[w.token.ID] {
			n++
		}
	}
	return n >= q.many()
}

// startNext starts batches while there are free slots. Beside a batch with uses, it starts
// one only if many calls wait, or if the first of them has waited for long. Ends of leases
// alone wait for any batch, and no use waits for ends alone.
func (q *queue) startNext() {
	for q.free > 0 && len(q.waiting) > 0 {
		beside := q.using > 0 || q.free < q.slots && !hasUse(q.waiting)
		if beside && !q.areMany() {
			if rest := q.longest - time.Since(q.waiting[0].since); rest > 0 {
				q.wake(rest)
				return
			}
		}
		next := q.take()
		if next == nil {
			return
		}
		q.start(next)
		next[0].turn <- turnLead
	}
}

// wake calls startNext after a time, unless that is going to happen anyway.
func (q *queue) wake(after time.Duration) {
	if q.timed {
		return
	}
	q.timed = true
	time.AfterFunc(after, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.timed = false
		q.startNext()
	})
}

// start gives a batch a slot and its first member the lead.
func (q *queue) start(batch []*waiter) {
	q.free--
	if hasUse(batch) {
		q.using++
	}
	for _, w := range batch {
		if w.end == nil {
			q.active[w.token.ID] = true
		}
	}
	batch[0].batch = batch
}

func hasUse(batch []*waiter) bool {
	return slices.ContainsFunc(batch, func(w *waiter) bool { return w.end == nil })
}

// finish frees the slot of a batch and starts others.
func (q *queue) finish(batch []*waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free++
	if hasUse(batch) {
		q.using--
	}
	for _, w := range batch {
		if w.end == nil {
			delete(q.active, w.token.ID)
		}
	}
	q.startNext()
}

// take makes up a batch: a fair share of the waiting uses, or half of a full batch if that
// is more, the oldest first. With them go all other uses of the same tokens and all ends of
// leases, as far as they fit. A use waits for a later batch if its id is in the batch
// already, or if another member creates the same token. The later batch finds what was
// charged and created.
func (q *queue) take() []*waiter {
	count := 0
	for _, w := range q.waiting {
		if w.end == nil {
			count++
		}
	}
	share := max((count+q.slots-1)/q.slots, q.many())
	var batch []*waiter
	taken := 0 // uses
	uses, children := make(map[store.UseID]bool), make(map[store.TokenID]bool)
	q.waiting = slices.DeleteFunc(q.waiting, func(w *waiter) bool {
		if w.end != nil {
			if len(batch) == q.most {
				return false
			}
			batch = append(batch, w)
			return true
		}
		if q.active[w.token.ID] || uses[w.use.ID] || len(batch) == q.most {
			return false
		}
		if w.child != nil && children[w.child.ID] {
			return false
		}
		if taken >= share && !slices.ContainsFunc(batch, func(o *waiter) bool { return o.end == nil && o.token.ID == w.token.ID }) {
			return false
		}
		taken++
		uses[w.use.ID] = true
		if w.child != nil {
			children[w.child.ID] = true
		}
		batch = append(batch, w)
		return true
	})
	return batch
}

// wait returns when the waiter has its turn or when its context ends.
func (q *queue) wait(w *waiter) turn {
	select {
	case t := <-w.turn:
		return t
	case <-w.ctx.Done():
	}
	q.mu.Lock()
	before := len(q.waiting)
	q.waiting = slices.DeleteFunc(q.waiting, func(o *waiter) bool { return o == w })
	waited := len(q.waiting) < before
	q.mu.Unlock()
	select {
	case t := <-w.turn:
		// A leader must lead: the others are waiting for it.
		if t == turnLead || t == turnDone {
			return t
		}
	default:
		if !waited {
			return turnLeft
		}
	}
	return turnGone
}

// lead commits a batch, starts others, and tells every member how to continue.
func (s *Store) lead(q *queue, w *waiter) turn {
	batch := w.batch
	err := s.commitBatch(batch)
	q.finish(batch)
	for _, other := range batch[1:] {
		other.turn <- other.after(err, len(batch))
	}
	return w.after(err, len(batch))
}

// commitBatch decides and writes the uses of a batch.
func (s *Store) commitBatch(batch []*waiter) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.batchTimeout, errBatchTimeout)
	defer cancel()
	var left atomic.Int64
	left.Store(int64(len(batch)))
	members := make([]*member, len(batch))
	for i, w := range batch {
		members[i] = w.member
		defer context.AfterFunc(w.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})()
	}
	err := s.spendAll(ctx, members)
	if cause := context.Cause(ctx); err != nil && cause == errBatchTimeout {
		return because(cause, err)
	}
	return err
}

// trouble returns the error of an attempt to commit the use. It remembers whether the
// attempt may have taken effect.
func (w *waiter) trouble(err error) error {
	w.doubt = w.doubt || !errors.Is(err, store.ErrUnavailable)
	if w.doubt {
		return inDoubt(err)
	}
	return err
}

// after tells a waiter how to continue after its batch.
func (w *waiter) after(err error, size int) turn {
	if err == nil || w.done {
		return turnDone
	}
	err = w.trouble(err)
	switch {
	case w.ctx.Err() != nil:
		w.err = because(w.ctx.Err(), err)
	case errors.Is(err, errBatchTimeout):
		return turnAgain
	case size > 1 && !errors.Is(err, ErrContended):
		return turnAlone
	default:
		w.err = err
	}
	return turnDone
}
