package refresh

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/store"
)

// grantQueue lets the refreshes of a grant through: one at a time, or more of them side
// by side if its refresh token never rotates. Grants do not wait for each other.
//
// The tokens of a grant take turns as [turns] says, so a token with many refreshes, or
// with many descendants, delays another one only by those that are running.
//
// The queue refuses at once what is beyond its bounds, and what would wait too long. If
// the places of a grant are used up, a newcomer gets the newest one of the branch that
// has most. A token that was refused, or left in vain, keeps its turn for as long as the
// grant is busy: newer ones do not overtake it again and again.
//
// Other processes are not in this queue: they try to take the lease every [leasePoll]. A
// queue that never runs empty would leave them no chance, so it pauses from time to time.
type grantQueue struct {
	now   func() time.Time
	limit time.Duration // longest wait, the refresh included
	// rest waits for queuePauses. Nobody of this process has the lease meanwhile.
	rest  func(context.Context, store.GrantID) error
	mu    sync.Mutex
	lines map[store.GrantID]*line // an entry exists while somebody has a place
}

// line is the queue of one grant.
type line struct {
	turns *turns
	width int           // refreshes that may run side by side
	took  time.Duration // one refresh, on average; 0 if none has ended yet
	since time.Time     // first turn since the line was empty or paused
}

// place is the place of one refresh. Its methods are for one goroutine.
type place struct {
	q       *grantQueue
	grant   store.GrantID
	leaf    *branch
	turn    chan struct{} // closed when the turn comes, or when the place is taken away
	refused *Failure      // set before that if the place is taken away
	started time.Time     // of the turn, if wait has seen it
}

const (
	maxOfToken = 8    // places of one token
	maxOfGrant = 1024 // places of one grant, and tokens with a turn
	sideBySide = 16   // refreshes of a grant whose refresh token never rotates

	queueRuns   = 2 * time.Second        // longest time without a pause
	queuePauses = 300 * time.Millisecond // longer than leasePoll
)

func newGrantQueue(now func() time.Time, limit time.Duration) *grantQueue {
	return &grantQueue{
		now: now, limit: limit, lines: make(map[store.GrantID]*line),
		rest: func(ctx context.Context, _ store.GrantID) error { return Sleep(ctx, queuePauses) },
	}
}

// errMustWait says that a refresh has to wait, and that the ancestors of its token are
// not known.
var errMustWait = errors.New("issuer: a refresh has to wait, and its place is not known")

// enter takes a place behind the others of the token. It returns a [*Failure] if there is
// none. The caller gives the place back with leave.
//
// The path holds the ancestors of the token, root first, and then the token. It may be
// nil. In that case, enter returns [errMustWait] if it needs the path.
func (q *grantQueue) enter(grant store.GrantID, token store.TokenID, path []store.TokenID, width int) (*place, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, busy := q.lines[grant]
	if !busy {
		l = &line{since: q.now(), turns: newTurns()}
		q.lines[grant] = l
	}
	l.width = width
	if path == nil && !l.turns.known(token) && l.places() >= width {
		return nil, errMustWait
	}
	defer l.turns.tidy(maxOfGrant)
	leaf := l.turns.leaf(token, path)
	wait := l.expected(leaf)
	if leaf.waiting+leaf.running >= maxOfToken || wait > 0 && wait+l.needs() > q.limit {
		return nil, &Failure{Reason: Busy, RetryAfter: wait}
	}
	p := &place{q: q, grant: grant, turn: make(chan struct{})}
	l.turns.wait(leaf, p)
	if l.places() > maxOfGrant {
		l.refuse(l.turns.surplus(p))
	}
	if p.refused != nil {
		return nil, p.refused
	}
	l.start()
	return p, nil
}

// refuse takes a place away that waits.
func (l *line) refuse(p *place) {
	l.turns.withdraw(p)
	p.refused = &Failure{Reason: Busy, RetryAfter: l.expected(p.leaf)}
	close(p.turn)
}

// expected returns how long a refresh of the token would wait for its turn from now on.
func (q *grantQueue) expected(grant store.GrantID, token store.TokenID) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, busy := q.lines[grant]
	if !busy {
		return 0
	}
	b, found := l.turns.tokens[token]
	if !found || b.own == nil {
		return l.took
	}
	return l.expected(b.own)
}

// wait waits for the turn. It returns a [*Failure] if the place was taken away, and
// another error if the context ends before a refresh is likely to end: that would count,
// and nobody would get its access token.
func (p *place) wait(ctx context.Context) error {
	select {
	case <-p.turn:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.refused != nil {
		return p.refused
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
	defer p.giveBack(width) // even if the clock panics
	if !p.started.IsZero() {
		p.q.measure(p.grant, p.q.now().Sub(p.started))
	}
}

func (p *place) giveBack(width int) {
	q := p.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if p.refused != nil {
		return
	}
	l := q.lines[p.grant]
	if !l.turns.withdraw(p) {
		l.turns.end(p)
	}
	l.turns.tidy(maxOfGrant)
	l.width = width
	if l.places() == 0 {
		delete(q.lines, p.grant)
		return
	}
	l.start()
}

// pause leaves the lease free for a moment if this process has kept it for long.
func (q *grantQueue) pause(ctx context.Context, grant store.GrantID) error {
	now := q.now()
	q.mu.Lock()
	l := q.lines[grant]
	due := l.width == 1 && !fresh.Within(l.since, queueRuns, now) // also if a clock was set back
	if due {
		l.since = now
	}
	q.mu.Unlock()
	if !due {
		return nil
	}
	return q.rest(ctx, grant)
}

// start gives turns to those who are next.
func (l *line) start() {
	for l.turns.top.running < l.width {
		p := l.turns.start()
		if p == nil {
			return
		}
		close(p.turn)
	}
}

func (l *line) places() int { return l.turns.top.waiting + l.turns.top.running }

// measure takes the duration of a refresh that ends into the average.
func (q *grantQueue) measure(grant store.GrantID, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	took = min(max(took, 0), q.limit) // the clock may have been set
	l := q.lines[grant]
	if l.took == 0 {
		l.took = took
		return
	}
	l.took += (took - l.took) / 4
}

func (l *line) needs() time.Duration { return l.took * 3 / 2 }

// expected returns how long another refresh of the leaf is expected to wait: for those
// that run, and for those whose turns come before.
func (l *line) expected(leaf *branch) time.Duration {
	return l.took * time.Duration(l.turns.top.running+leaf.before()) / time.Duration(l.width)
}
