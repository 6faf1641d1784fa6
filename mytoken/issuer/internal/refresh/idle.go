package refresh

import (
	"context"
	"sync"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/store"
)

// idleLeases holds the leases that this process has and no flight works under: those that
// came with a use, and those that a flight leaves to the next one of its grant. A grant
// has one at most. It is safe for concurrent use.
type idleLeases struct {
	mu     sync.Mutex
	grants map[store.GrantID]*idleGrant // an entry exists while it says something
	tokens map[store.TokenID]*idleToken // so does one here
}

// idleGrant is what a process knows about the lease on one grant.
type idleGrant struct {
	lease *lease // that the next flight takes; nil: none
	// uses is how many uses the lease waits for: those of its token that hoped when it
	// arrived, less those that were over since. Later uses do not keep it. If none of them
	// came to a flight, other processes would never get it.
	uses int
	// wanting counts the flights that have no lease yet, ending the ends that are under way,
	// and pausing the flights that leave the grant to other processes for a moment.
	wanting, ending, pausing int
	changed                  chan struct{} // closed when a lease arrives or has ended
}

// idleToken is what a process knows about the uses of one token.
type idleToken struct {
	hoping  int           // uses that have not come to their flights yet
	flights int           // flights that have not decided yet who gets their lease
	grant   store.GrantID // on which there is an idle lease that came from the token; zero: none
	ending  int           // ends of leases that came from the token
	ended   chan struct{} // closed when there are no such ends any more; nil: there are none
}

func newIdleLeases() *idleLeases {
	return &idleLeases{grants: make(map[store.GrantID]*idleGrant), tokens: make(map[store.TokenID]*idleToken)}
}

// with changes what is known about a grant.
func (i *idleLeases) with(grant store.GrantID, change func(*idleGrant)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.change(grant, change)
}

// change is with for a caller that holds the lock.
func (i *idleLeases) change(grant store.GrantID, change func(*idleGrant)) {
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

// of changes what is known about a token. The caller holds the lock.
func (i *idleLeases) of(token store.TokenID, change func(*idleToken)) {
	t := i.tokens[token]
	if t == nil {
		t = new(idleToken)
		i.tokens[token] = t
	}
	change(t)
	if t.hoping == 0 && t.flights == 0 && t.grant.IsZero() && t.ending == 0 {
		delete(i.tokens, token)
	}
}

func (g *idleGrant) announce() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// unneeded takes the lease away if nobody will take it. It may return nil. The caller
// holds the lock.
func (i *idleLeases) unneeded(g *idleGrant) (l *lease) {
	if g.lease == nil || g.pausing == 0 && (g.wanting > 0 || g.uses > 0) {
		return nil
	}
	return i.replace(g, nil)
}

// replace makes l the idle lease of a grant, or nil. It returns the one before, or nil. The
// caller holds the lock.
func (i *idleLeases) replace(g *idleGrant, l *lease) (before *lease) {
	before, g.lease, g.uses = g.lease, l, 0
	if before != nil {
		i.of(before.req.Token, func(t *idleToken) { t.grant = store.GrantID{} })
	}
	if l != nil {
		i.of(l.req.Token, func(t *idleToken) { t.grant, g.uses = l.req.Grant, t.hoping })
	}
	return before
}

// put leaves a lease for the next flight of its grant. It returns what the caller ends.
func (i *idleLeases) put(l *lease) (surplus []*lease) {
	i.with(l.req.Grant, func(g *idleGrant) { surplus = i.leave(g, l) })
	return surplus
}

// leave is put for a caller that holds the lock.
func (i *idleLeases) leave(g *idleGrant, l *lease) []*lease {
	lapsed := i.replace(g, l) // if there is one: the store has granted another one
	g.announce()
	return []*lease{lapsed, i.unneeded(g)}
}

// hope says that a use of the token begins, which is going to start a flight or to join
// one. It calls unhope later. If leases of the token are being ended, and the use would ask
// for the next one, hope returns a channel that is closed afterwards.
func (i *idleLeases) hope(token store.TokenID) (ended <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.of(token, func(t *idleToken) {
		t.hoping++
		if t.asks() {
			ended = t.ended
		}
	})
	return ended
}

// asks reports whether a use of the token that hopes should ask for the lease.
func (i *idleLeases) asks(token store.TokenID) (yes bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.of(token, func(t *idleToken) { yes = t.asks() })
	return yes
}

// asks reports whether a use should ask for the lease: it need not if there is an idle one,
// or while a flight of the token may still leave it one.
func (t *idleToken) asks() bool { return t.flights == 0 && t.grant.IsZero() }

// unhope says that a use of the token has come to its flight, or never will. It returns a
// lease that the caller ends, or nil.
func (i *idleLeases) unhope(token store.TokenID) (surplus *lease) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var grant store.GrantID
	i.of(token, func(t *idleToken) {
		t.hoping--
		grant = t.grant
	})
	if !grant.IsZero() {
		i.change(grant, func(g *idleGrant) {
			g.uses-- // a later use may count in place of an earlier one
			surplus = i.unneeded(g)
		})
	}
	return surplus
}

// want says that a flight of the token is going to take a lease on the grant. It calls
// unwant and decided later.
func (i *idleLeases) want(grant store.GrantID, token store.TokenID) {
	i.with(grant, func(g *idleGrant) {
		g.wanting++
		i.of(token, func(t *idleToken) { t.flights++ })
	})
}

// unwant returns a lease that the caller ends, or nil.
func (i *idleLeases) unwant(grant store.GrantID) (surplus *lease) {
	i.with(grant, func(g *idleGrant) {
		g.wanting--
		surplus = i.unneeded(g)
	})
	return surplus
}

// decided says that a flight of the token leaves its lease to nobody.
func (i *idleLeases) decided(token store.TokenID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.of(token, func(t *idleToken) { t.flights-- })
}

// handOn decides whether a flight leaves its lease to another one. If so, next stays idle
// until that takes it, and the caller ends what is surplus. A flight leaves it to a use that
// has not come to its flight yet only if no flight wants it, and if that has happened less
// than maxKept times.
func (i *idleLeases) handOn(next *lease) (left bool, surplus []*lease) {
	i.with(next.req.Grant, func(g *idleGrant) {
		i.of(next.req.Token, func(t *idleToken) {
			t.flights--
			switch {
			case g.pausing > 0:
				return
			case g.wanting > 0:
			case t.hoping == 0 || next.kept == maxKept:
				return
			default:
				next.kept++
			}
			left = true
		})
		if left {
			surplus = i.leave(g, next)
		}
	})
	return left, surplus
}

// maxKept is how often a process leaves a lease to a use that is still being charged. Then
// it ends the lease, so that processes that try from time to time find the grant free. The
// queue pauses for them only if it does not run empty, and such a use finds it empty. So
// flights that got the lease in between do not start the count again.
const maxKept = 3

// take returns the idle lease of the grant for a flight, or nil. Then changed is closed
// when there may be one, and ending says that the lease before it is being ended.
func (i *idleLeases) take(grant store.GrantID) (l *lease, changed <-chan struct{}, ending bool) {
	i.with(grant, func(g *idleGrant) {
		l = i.replace(g, nil)
		changed, ending = g.changed, g.ending > 0
	})
	return l, changed, ending
}

// withdraw takes a lease away if it is the idle one of the grant. It reports whether it was.
func (i *idleLeases) withdraw(grant store.GrantID, id store.LeaseID) (was bool) {
	i.with(grant, func(g *idleGrant) {
		if was = g.lease != nil && g.lease.id == id; was {
			i.replace(g, nil)
		}
	})
	return was
}

// pause takes the idle lease away, and those that arrive before resume. The caller ends
// the one that is returned, which may be nil.
func (i *idleLeases) pause(grant store.GrantID) (surplus *lease) {
	i.with(grant, func(g *idleGrant) {
		g.pausing++
		surplus = i.unneeded(g)
	})
	return surplus
}

func (i *idleLeases) resume(grant store.GrantID) {
	i.with(grant, func(g *idleGrant) { g.pausing-- })
}

// ends says that the end of a lease begins, which came from the token.
func (i *idleLeases) ends(grant store.GrantID, token store.TokenID) {
	i.with(grant, func(g *idleGrant) {
		g.ending++
		i.of(token, func(t *idleToken) {
			if t.ending++; t.ended == nil {
				t.ended = make(chan struct{})
			}
		})
	})
}

func (i *idleLeases) ended(grant store.GrantID, token store.TokenID) {
	i.with(grant, func(g *idleGrant) {
		g.ending--
		g.announce()
		i.of(token, func(t *idleToken) {
			if t.ending--; t.ending == 0 {
				close(t.ended)
				t.ended = nil
			}
		})
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
	r, grant, token := l.r, l.req.Grant, l.req.Token
	ctx = context.WithoutCancel(ctx)
	e.Relaxed, l.passed = true, true
	r.idle.ends(grant, token)
	begun := make(chan struct{})
	r.running.Add(1)
	go func() {
		defer r.running.Done()
		defer r.idle.ended(grant, token)
		defer r.deactivate(l.id)
		close(begun)
		rescue.Log(ctx, r.Logger, "the end of a lease", rescue.Do(func() { l.end(ctx, e) }))
	}()
	<-begun
}

// handOn leaves the lease to the next flight of the grant, if this process has one.
func (l *lease) handOn(ctx context.Context) bool {
	next := &lease{
		r: l.r, req: Request{Token: l.req.Token, Grant: l.req.Grant}, id: l.id, taken: true,
		state: l.state, logins: l.logins, until: l.until, owner: l.owner, kept: l.kept,
	}
	left, surplus := l.r.idle.handOn(next)
	l.decided, l.passed = true, left
	l.r.free(ctx, surplus...)
	return left
}
