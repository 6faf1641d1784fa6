package sqlstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/store"
)

// Calls that read a token and wait at the same time share a query. A call reads at once if
// few queries are under way. Otherwise it waits, and whoever ends a query begins one for
// those that wait. That query begins after all of its calls, so it sees everything that
// was committed before any of them.
//
// The context of a shared query ends when all of its calls have left. If the query fails,
// each of them reads alone. So does a call that has waited for long: the queries before it
// may wait for connections that are dead.

const (
	// maxReading is the most queries under way before calls wait.
	maxReading = 2
	// maxShared is the most tokens of a shared query.
	maxShared = 16
	// longestShare is how long a call waits for a shared query.
	longestShare = time.Second
)

// sharedReads is where calls wait.
type sharedReads struct {
	longest time.Duration // see longestShare

	mu      sync.Mutex
	reading int           // queries under way
	waiting []*sharedRead // the oldest first; only the last one has room
	onWait  func()        // if set, called when a call begins to wait; for tests
}

// sharedRead is one query for several calls.
type sharedRead struct {
	ctx    context.Context
	cancel context.CancelFunc
	calls  int             // that have not left; guarded by sharedReads.mu
	tokens []store.TokenID // each once; never changes once the query has begun

	done  chan struct{} // closed when the query has ended; nothing changes then
	found map[store.TokenID]*token
	err   error
}

// enter returns the query that a call waits for. It returns nil if the call reads alone
// now, and calls leave afterwards.
func (r *sharedReads) enter(id store.TokenID) *sharedRead {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reading < maxReading {
		r.reading++
		return nil
	}
	last := len(r.waiting) - 1
	if last < 0 || len(r.waiting[last].tokens) == maxShared {
		q := &sharedRead{done: make(chan struct{})}
		q.ctx, q.cancel = context.WithCancel(context.Background())
		r.waiting, last = append(r.waiting, q), last+1
	}
	q := r.waiting[last]
	q.calls++
	if !slices.Contains(q.tokens, id) {
		q.tokens = append(q.tokens, id)
	}
	if r.onWait != nil {
		r.onWait()
	}
	return q
}

// quit says that a call does not wait any more. Nobody runs a query for nobody.
func (r *sharedReads) quit(q *sharedRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.calls--; q.calls == 0 {
		q.cancel()
		r.waiting = slices.DeleteFunc(r.waiting, func(o *sharedRead) bool { return o == q })
	}
}

// leave says that a query has ended. It returns the one that begins now, or nil.
func (r *sharedReads) leave() (next *sharedRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.reading--
		return nil
	}
	next, r.waiting = r.waiting[0], r.waiting[1:]
	return next
}

// readToken reads a token for lists and look-ups. It returns nil if there is no such token.
// Other calls may get the same one: do not change it.
func (s *Store) readToken(ctx context.Context, id store.TokenID) (*token, error) {
	q := s.reads.enter(id)
	if q == nil {
		defer s.leaveRead()
		return s.readInfo(ctx, id)
	}
	late := time.NewTimer(s.reads.longest)
	defer late.Stop()
	select {
	case <-q.done:
		if q.err == nil {
			return q.found[id], nil
		}
	case <-ctx.Done():
		s.reads.quit(q)
		return nil, ctx.Err()
	case <-late.C:
		s.reads.quit(q)
	}
	return s.readInfo(ctx, id)
}

// leaveRead ends a query and begins the next one.
func (s *Store) leaveRead() {
	if next := s.reads.leave(); next != nil {
		go s.readShared(next)
	}
}

// readShared runs a shared query.
func (s *Store) readShared(q *sharedRead) {
	defer s.leaveRead()
	defer q.cancel()
	defer close(q.done)
	q.err = errors.New("sqlstore: the driver panicked") // then whoever reads alone meets the panic
	_ = rescue.Do(func() {
		ids := make(blobs, len(q.tokens))
		for i := range q.tokens {
			ids[i] = q.tokens[i][:]
		}
		var all []*token
		all, q.err = s.readInfos(q.ctx, oneQuery, ids)
		q.found = make(map[store.TokenID]*token, len(all))
		for _, t := range all {
			q.found[t.ID] = t
		}
	})
}
