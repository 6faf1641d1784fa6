package refresh

import (
	"context"
	"sync"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/store"
)

// idleLeases holds the leases that this process has and no flight works under: those that
// came with a use, and those that a flight hands on to the next one of its grant. A grant
// has one at most. It is safe for concurrent use.
type idleLeases struct {
	mu     sync.Mutex
	grants map[store.GrantID]*idleGrant // an entry exists while it says something
}

// idleGrant is what a process knows about the lease on one grant.
type idleGrant struct {
	lease  *lease // that the next flight takes; nil: none
	wished bool   // the use that took it has not come to its flight yet
	// wanting counts the flights that have no lease yet, ending the ends that are under way,
	// and pausing the flights that leave the grant to other processes for a moment.
	wanting, ending, pausing int
	changed                  chan struct{} // closed when a lease arrives or has ended
}

func newIdleLeases() *idleLeases { return &idleLeases{grants: make(map[store.GrantID]*idleGrant)} }

// with changes what is known about a grant.
func (i *idleLeases) with(grant store.GrantID, change func(*idleGrant)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g := i.grants[grant]
	if g == nil {
		g = &idleGrant{changed: make(chan struct{})}
		i.grants[grant] = g
	}
	change(g)
	if g.lease == nil && g.wanting == 0 && g.ending == 0 && g.pausing == 0 {
		delete(i.grants, grant)
	}
}

func (g *idleGrant) announce() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// unneeded takes the lease away if nobody will take it. It may return nil.
func (g *idleGrant) unneeded() (l *lease) {
	if g.wanting == 0 && !g.wished || g.pausing > 0 {
		l, g.lease, g.wished = g.lease, nil, false
	}
	return l
}

// put leaves a lease for the next flight of its grant. wished says that the caller calls
// unwish later. put returns what the caller ends.
func (i *idleLeases) put(l *lease, wished bool) (surplus []*lease) {
	i.with(l.req.Grant, func(g *idleGrant) {
		surplus = []*lease{g.lease, nil} // lapsed, as the store has granted another one
		g.lease, g.wished = l, wished
		surplus[1] = g.unneeded()
		g.announce()
	})
	return surplus
}

// unwish says that the use which took the lease has come to its flight, or never will. It
// returns a lease that the caller ends, or nil.
func (i *idleLeases) unwish(grant store.GrantID, l *lease) (surplus *lease) {
	i.with(grant, func(g *idleGrant) {
		if g.lease == l {
			g.wished = false
			surplus = g.unneeded()
		}
	})
	return surplus
}

// want says that a flight of the grant is going to take a lease. It calls unwant later.
func (i *idleLeases) want(grant store.GrantID) {
	i.with(grant, func(g *idleGrant) { g.wanting++ })
}

// unwant returns a lease that the caller ends, or nil.
func (i *idleLeases) unwant(grant store.GrantID) (surplus *lease) {
	i.with(grant, func(g *idleGrant) {
		g.wanting--
		surplus = g.unneeded()
	})
	return surplus
}

// wanted reports whether a flight of the grant has no lease yet.
func (i *idleLeases) wanted(grant store.GrantID) (yes bool) {
	i.with(grant, func(g *idleGrant) { yes = g.wanting > 0 && g.pausing == 0 })
	return yes
}

// take returns the idle lease of the grant for a flight, or nil. Then changed is closed
// when there may be one, and ending says that the lease before it is being ended.
func (i *idleLeases) take(grant store.GrantID) (l *lease, changed <-chan struct{}, ending bool) {
	i.with(grant, func(g *idleGrant) {
		l, g.lease, g.wished = g.lease, nil, false
		changed, ending = g.changed, g.ending > 0
	})
	return l, changed, ending
}

// pause takes the idle lease away, and those that arrive before resume. The caller ends
// the one that is returned, which may be nil.
func (i *idleLeases) pause(grant store.GrantID) (surplus *lease) {
	i.with(grant, func(g *idleGrant) {
		g.pausing++
		surplus = g.unneeded()
	})
	return surplus
}

func (i *idleLeases) resume(grant store.GrantID) {
	i.with(grant, func(g *idleGrant) { g.pausing-- })
}

func (i *idleLeases) ends(grant store.GrantID) {
	i.with(grant, func(g *idleGrant) { g.ending++ })
}

func (i *idleLeases) ended(grant store.GrantID) {
	i.with(grant, func(g *idleGrant) {
		g.ending--
		g.announce()
	})
}

// rest leaves the lease on a grant to other processes for a while. What a use of this
// process gets meanwhile is ended at once.
func (r *Refresher) rest(ctx context.Context, grant store.GrantID) error {
	r.free(ctx, r.idle.pause(grant))
	defer r.idle.resume(grant)
	return Sleep(ctx, queuePauses)
}

// free ends leases under which nothing was sent, without making anybody wait. A lease may
// be nil. Close waits for the ends if it waits for the caller.
func (r *Refresher) free(ctx context.Context, leases ...*lease) {
	for _, l := range leases {
		if l != nil {
			l.endLater(ctx, store.End{Outcome: store.RefreshNotSent})
		}
	}
}

// Ends returns how many ends of leases are under way for which nobody waits.
func (r *Refresher) Ends() (n int) {
	r.idle.mu.Lock()
	defer r.idle.mu.Unlock()
	for _, g := range r.idle.grants {
		n += g.ending
	}
	return n
}

// endLater ends the lease without making anybody wait, and nobody uses it any more. A crash
// of the store may undo that: then the lease lapses, and whoever takes it next finds a
// doubt of this process. This process resolves that at once if it is the one, and with its
// next heartbeat otherwise.
//
// The end has begun when endLater returns, so the next use of this process usually finds
// the grant free. A flight waits for an end that is under way.
func (l *lease) endLater(ctx context.Context, e store.End) {
	r, grant := l.r, l.req.Grant
	ctx = context.WithoutCancel(ctx)
	e.Relaxed, l.passed = true, true
	r.idle.ends(grant)
	begun := make(chan struct{})
	r.running.Add(1)
	go func() {
		defer r.running.Done()
		defer r.idle.ended(grant)
		defer r.deactivate(l.id)
		close(begun)
		rescue.Log(ctx, r.Logger, "the end of a lease", rescue.Do(func() { l.end(ctx, e) }))
	}()
	<-begun
}

// handOn leaves the lease to the next flight of the grant, if one waits in this process.
func (l *lease) handOn(ctx context.Context) bool {
	if !l.r.idle.wanted(l.req.Grant) {
		return false
	}
	next := &lease{r: l.r, req: Request{Grant: l.req.Grant}, id: l.id, taken: true, state: l.state, logins: l.logins, until: l.until, owner: l.owner}
	l.passed = true
	l.r.free(ctx, l.r.idle.put(next, false)...)
	return true
}
