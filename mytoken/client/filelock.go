package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/mytoken-go/sdk/internal/ownfile"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// lockFlag opens a lock. Some systems and network file systems lock only files that are
// open for writing.
const lockFlag = os.O_RDWR

// lockFile waits until this caller alone, of all goroutines and processes, has the lock
// at path. checked describes the file there. If the context ends first, lockFile returns
// the context's error.
//
// The system wakes a waiting process when the lock is free. Such a wait cannot be called
// off. So callers of one process queue up, and one of them at most waits in the system
// for each path. If it gives up, its wait goes to the next caller. If there is none, the
// wait gives the lock back as soon as it gets it.
func lockFile(ctx context.Context, path string, checked fs.FileInfo) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := joinLock(path)
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		q.leave()
		return nil, q.taken(ctx)
	}
	next := func() { <-q.turn; q.leave() }
	lock, err := q.wait(ctx, checked)
	if err != nil {
		next()
		return nil, err
	}
	return func() { _ = lock.Unlock(); next() }, nil
}

// lockQueue is the queue of this process for one lock.
type lockQueue struct {
	path string
	turn chan struct{} // full while a caller waits in the system, or has the lock

	users int // guarded by lockQueues.mu: callers in the queue, and orphaned waits

	mu      sync.Mutex
	pending *lockWait // the next caller may adopt it; nil: none
}

// lockQueues holds the queues that somebody uses, by path.
var lockQueues = struct {
	mu     sync.Mutex
	byPath map[string]*lockQueue
}{byPath: make(map[string]*lockQueue)}

func joinLock(path string) *lockQueue {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	lockQueues.mu.Lock()
	defer lockQueues.mu.Unlock()
	q := lockQueues.byPath[path]
	if q == nil {
		q = &lockQueue{path: path, turn: make(chan struct{}, 1)}
		lockQueues.byPath[path] = q
	}
	q.users++
	return q
}

// taken is the error of a caller that gives up.
func (q *lockQueue) taken(ctx context.Context) error {
	return fmt.Errorf("somebody else has %s: %w", q.path, ctx.Err())
}

// enter counts a pending wait as a user.
func (q *lockQueue) enter() {
	lockQueues.mu.Lock()
	defer lockQueues.mu.Unlock()
	q.users++
}

func (q *lockQueue) leave() {
	lockQueues.mu.Lock()
	defer lockQueues.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(lockQueues.byPath, q.path)
	}
}

// lockWait is one wait in the system.
type lockWait struct {
	checked fs.FileInfo // the file to lock
	lock    *flock.Flock
	ended   chan struct{}
	err     error // set before ended is closed
	orphan  bool  // guarded by lockQueue.mu: nobody waits for the lock any more
}

// wait gets the lock. The caller has the turn.
func (q *lockQueue) wait(ctx context.Context, checked fs.FileInfo) (*flock.Flock, error) {
	w := q.adopt(checked)
	if w == nil {
		w = q.start(checked)
	}
	select {
	case <-w.ended:
	case <-ctx.Done():
		if q.abandon(w) {
			return nil, q.taken(ctx)
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	if locked, err := w.lock.Stat(); err != nil || !os.SameFile(locked, checked) {
		return nil, errors.Join(&bearer.UnsafeError{Path: q.path, Reason: "it was replaced before it was locked"}, err, w.lock.Unlock())
	}
	return w.lock, nil
}

// start begins a wait in the system.
func (q *lockQueue) start(checked fs.FileInfo) *lockWait {
	w := &lockWait{checked: checked, lock: flock.New(q.path, flock.SetFlag(lockFlag|ownfile.NoFollow)), ended: make(chan struct{})}
	go func() {
		err := uninterrupted(w.lock.Lock)
		q.mu.Lock()
		defer q.mu.Unlock()
		w.err = err
		close(w.ended)
		if w.orphan {
			_ = w.lock.Unlock()
			if q.pending == w {
				q.pending = nil
			}
			q.leave()
		}
	}()
	return w
}

// adopt returns the pending wait if it is for this file. A wait for another file ends by
// itself.
func (q *lockQueue) adopt(checked fs.FileInfo) *lockWait {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.pending
	q.pending = nil
	if w == nil || !os.SameFile(w.checked, checked) {
		return nil
	}
	w.orphan = false
	q.leave()
	return w
}

// abandon leaves a wait to the next caller. It returns false if the wait has ended.
func (q *lockQueue) abandon(w *lockWait) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-w.ended:
		return false
	default:
	}
	w.orphan, q.pending = true, w
	q.enter()
	return true
}

// uninterrupted calls do again as long as a signal interrupts it.
func uninterrupted(do func() error) error {
	for {
		if err := do(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
