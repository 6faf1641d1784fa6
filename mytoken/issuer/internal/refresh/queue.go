package refresh

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// grantQueue lets the refreshes of a grant through: one at a time, or more of them side
// by side if its refresh token never rotates. Grants do not wait for each other.
//
// The tokens of a grant take turns. A token goes to the back when a refresh of it starts
// and when it ends, so a token with many refreshes delays another one only by those that
// are running.
//
// The queue refuses at once what is beyond its bounds, and what would wait too long. A
// token that was refused for its wait, or left in vain, keeps its turn for as long as the
// grant is busy: newer ones do not overtake it again and again.
//
// Other processes are not in this queue: they try to take the lease every [leasePoll]. A
// queue that never runs empty would leave them no chance, so it pauses from time to time.
type grantQueue struct {
	now   func() time.Time
	limit time.Duration // longest wait, the refresh included
	mu    sync.Mutex
	lines map[store.GrantID]*line // an entry exists while somebody has a place
}

// line is the queue of one grant.
type line struct {
	width   int // refreshes that may run side by side
	running int
	places  int           // waiting and running
	took    time.Duration // one refresh, on average; 0 if none has ended yet
	since   time.Time     // first turn since the line was empty or paused
	drawn   uint64        // number of the newest turn
	tokens  map[store.TokenID]*turns
}

// turns are the places of one token.
type turns struct {
	next    uint64 // the waiting token with the lowest number comes next
	running int
	waiting []*place
}

// place is the place of one refresh. Its methods are for one goroutine.
type place struct {
	q       *grantQueue
	grant   store.GrantID
	token   store.TokenID
	turn    chan struct{} // closed when the turn comes
	started time.Time     // of the turn, if wait has seen it
}

const (
	maxOfToken = 8    // places of one token
	maxOfGrant = 1024 // places of one grant, and tokens that keep their turn
	sideBySide = 16   // refreshes of a grant whose refresh token never rotates

	queueRuns   = 2 * time.Second        // longest time without a pause
	queuePauses = 300 * time.Millisecond // longer than leasePoll
)

func newGrantQueue(now func() time.Time, limit time.Duration) *grantQueue {
	return &grantQueue{now: now, limit: limit, lines: make(map[store.GrantID]*line)}
}

// enter takes a place behind the others of the token. It returns a [*Failure] if there is
// none. The caller gives the place back with leave.
func (q *grantQueue) enter(grant store.GrantID, token store.TokenID, width int) (*place, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, busy := q.lines[grant]
	if !busy {
		l = &line{since: q.now(), tokens: make(map[store.TokenID]*turns)}
		q.lines[grant] = l
	}
	l.width = width
	t, known := l.tokens[token]
	if !known {
		t = &turns{next: l.draw()}
		l.tokens[token] = t
	}
	wait := l.wait(t)
	if len(t.waiting)+t.running >= maxOfToken || l.places >= maxOfGrant || wait > 0 && wait+l.needs() > q.limit {
		l.tidy(token)
		return nil, &Failure{Reason: Busy, RetryAfter: wait}
	}
	p := &place{q: q, grant: grant, token: token, turn: make(chan struct{})}
	t.waiting = append(t.waiting, p)
	l.places++
	l.start()
	return p, nil
}

// expected returns how long a refresh of the token would wait for its turn from now on.
func (q *grantQueue) expected(grant store.GrantID, token store.TokenID) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, busy := q.lines[grant]
	if !busy {
		return 0
	}
	t, known := l.tokens[token]
	if !known {
		t = &turns{next: l.drawn + 1}
	}
	return l.wait(t)
}

// wait waits for the turn. It returns an error if the context ends before a refresh is
// likely to end: that would count, and nobody would get its access token.
func (p *place) wait(ctx context.Context) error {
	select {
	case <-p.turn:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if end, bounded := ctx.Deadline(); bounded && time.Until(end) < p.q.needs(p.grant) {
		return context.DeadlineExceeded
	}
	p.started = p.q.now()
	return p.q.pause(ctx, p.grant)
}

// needs returns how long a refresh is likely to take at most.
func (q *grantQueue) needs(grant store.GrantID) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lines[grant].needs()
}

// leave gives the place back, whether or not its turn came. From now on, as many
// refreshes of the grant may run side by side as width says.
func (p *place) leave(width int) {
	q := p.q
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[p.grant]
	l.leave(p)
	l.width = width
	if !p.started.IsZero() {
		l.measure(q.now().Sub(p.started))
	}
	if l.places == 0 {
		delete(q.lines, p.grant)
		return
	}
	l.start()
}

// pause leaves the lease free for a moment if this process has kept it for long.
func (q *grantQueue) pause(ctx context.Context, grant store.GrantID) error {
	q.mu.Lock()
	now, l := q.now(), q.lines[grant]
	due := l.width == 1 && now.Sub(l.since) >= queueRuns
	if due {
		l.since = now
	}
	q.mu.Unlock()
	if !due {
		return nil
	}
	return Sleep(ctx, queuePauses)
}

func (l *line) draw() uint64 {
	l.drawn++
	return l.drawn
}

// start gives turns to those who are next.
func (l *line) start() {
	for l.running < l.width {
		var t *turns
		for _, other := range l.tokens {
			if len(other.waiting) > 0 && (t == nil || other.next < t.next) {
				t = other
			}
		}
		if t == nil {
			return
		}
		close(t.waiting[0].turn)
		t.waiting = t.waiting[1:]
		t.running++
		l.running++
		t.next = l.draw()
	}
}

func (l *line) leave(p *place) {
	l.places--
	t := l.tokens[p.token]
	if n := slices.Index(t.waiting, p); n >= 0 {
		t.waiting = slices.Delete(t.waiting, n, n+1)
		l.tidy(p.token)
		return
	}
	t.running--
	l.running--
	t.next = l.draw()
	if len(t.waiting)+t.running == 0 {
		delete(l.tokens, p.token)
	}
}

// tidy forgets the turn of a token that has no place, if too many are remembered.
func (l *line) tidy(token store.TokenID) {
	if t := l.tokens[token]; len(t.waiting)+t.running == 0 && len(l.tokens) > maxOfGrant {
		delete(l.tokens, token)
	}
}

// measure takes the duration of a refresh into the average.
func (l *line) measure(took time.Duration) {
	if l.took == 0 {
		l.took = max(took, 0)
		return
	}
	l.took += (max(took, 0) - l.took) / 4
}

func (l *line) needs() time.Duration { return l.took * 3 / 2 }

// wait returns how long another refresh of the token is expected to wait: for those that
// run, and for those whose turns come before.
func (l *line) wait(t *turns) time.Duration {
	before, round := l.running+len(t.waiting), len(t.waiting)+1
	for _, other := range l.tokens {
		switch {
		case other == t:
		case other.next < t.next:
			before += min(len(other.waiting), round)
		default:
			before += min(len(other.waiting), round-1)
		}
	}
	return l.took * time.Duration(before) / time.Duration(l.width)
}
