package refresh

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// lease is the right to refresh one grant. One process has it at a time.
type lease struct {
	r     *Refresher
	req   Request
	id    store.LeaseID
	taken bool               // false for a provider whose refresh tokens never rotate
	state store.RefreshState // what the store said last; zero if it did not answer
	// logins is Refresher.logins as it was before the store was asked for the lease.
	logins uint64
	until  store.Micros    // last instant of the lease; 0 if the store has not granted it
	owner  store.ProcessID // this process, as the store knows it; may be zero
	doubt  bool            // the store said that there are doubts
	// asked says that the provider may have seen a request, and sent is the refresh token
	// of the last one, sealed. replayed says that the spill was replayed after a refusal.
	asked    bool
	sent     store.Sealed
	replayed bool
	tries    map[string]*tries // by the key of the question
	proof    *question         // what the provider gave after it had refused; nil: nothing
	// unkept is told why the store has not taken a refresh token yet. It may be nil.
	unkept func(error)
	// uncommitted says that the store still lacks a refresh token that the provider gave,
	// and committed that it has one. ended says that the commit has ended the lease.
	uncommitted, committed, ended bool
	passed                        bool // somebody else ends the lease
	decided                       bool // who gets the lease next, or nobody; see idleLeases.handOn
	kept                          int  // how often it was left to a use
}

// NewLeaseID draws an id for one attempt to change a grant.
func NewLeaseID() (id store.LeaseID) {
	rand.Read(id[:]) // never fails
	return id
}

// joined is the reverse of [strings.Fields] for scopes.
func joined(scopes []string) string { return strings.Join(scopes, " ") }

// LoginAudiences returns the audiences that the login of a grant asked for, in order.
func LoginAudiences(state store.RefreshState) []string {
	if state.Audience == "" {
		return nil
	}
	return strings.Split(state.Audience, " ") // an audience may hold other white space
}

// errSlowStore says that the store granted a lease too late to use it.
var errSlowStore = errors.New("issuer: the store answers too slowly to hold a lease: check its load, or raise Config.Lease")

// leasePoll is the longest pause between two attempts to take a lease.
const leasePoll = 250 * time.Millisecond

// begin takes the lease: an idle one of this process, or else from the store. While another
// process has it, begin tries again until the context ends. If a use of this process gets
// the lease meanwhile, begin takes that one at once.
//
// A lease that lapsed leaves a doubt: its holder may have got a new refresh token and not
// stored it. Then begin does what this process can do about that, and waits up to
// InDoubtWait for the other one. If the doubt is still open then, it depends on the
// provider whether the refresh token that the store has may be tried. A doubt that the
// lease itself has left says nothing: an idle lease may lapse, but it holds no refresh
// token that the store lacks.
//
// The caller calls [Refresher.deactivate] when it does nothing more under the lease.
func (r *Refresher) begin(ctx context.Context, req Request) (*lease, store.RefreshState, error) {
	l := &lease{r: r, req: req, id: NewLeaseID(), taken: true}
	r.activate(l.id)
	granted, looked := false, false
	defer func() {
		if !granted {
			r.deactivate(l.id)
		}
	}()
	defer endOnPanic(ctx, &l, store.RefreshNotSent)
	const firstPause = 10 * time.Millisecond
	pause, tries := firstPause, 0
	var waited <-chan time.Time // for the outcome that is in doubt; nil while there is no doubt
	for {
		idle, changed, ending := r.idle.take(req.Grant)
		switch {
		case idle != nil:
			r.deactivate(l.id) // the store has not granted this one
			l, idle.req = idle, req
			if l.lasts() && r.inForce(l.owner) && l.logins == r.logins.Load() {
				granted = true
				return l, l.state, nil
			}
		case ending && l.until == 0: // the store would say that it is busy
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return nil, store.RefreshState{}, ctx.Err()
			}
		}
		held, err := l.hold(ctx)
		_, busy := errors.AsType[*store.BusyError](err)
		open := slices.DeleteFunc(r.open(held.Doubts), func(d store.Doubt) bool { return d.Lease == l.id })
		tries++
		switch {
		case busy && !looked && tries > 1: // perhaps a process of this node died with the lease
			looked = true
			if err := r.settleDead(ctx); err != nil {
				l.notify(ctx, Event{Kind: CommitFailed, Err: err})
			}
			continue
		case busy:
		case err != nil:
			if !store.IsDefinite(err) || l.until > 0 {
				l.giveUp(ctx) // the store may have granted it
			}
			return nil, store.RefreshState{}, err
		case len(open) == 0:
			granted = true
			return l, held.RefreshState, nil
		case waited == nil:
			l.resolve(ctx, open)
			timer := time.NewTimer(r.InDoubtWait)
			defer timer.Stop()
			waited, pause = timer.C, firstPause
			continue
		default:
			select {
			case <-waited:
				if r.forgives(req.Provider) {
					granted = true
					return l, held.RefreshState, nil
				}
				l.giveUp(ctx)
				return nil, store.RefreshState{}, l.inDoubt(ctx, open)
			default:
			}
		}
		if err := sleepUntil(ctx, pause, changed); err != nil {
			if !busy {
				l.giveUp(ctx)
			}
			return nil, store.RefreshState{}, err
		}
		pause = min(2*pause, leasePoll)
	}
}

// sleepUntil is [Sleep], and returns early when the channel is closed.
func sleepUntil(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// leaseMargin is what a lease has beyond the timeout of the provider and the clock skew,
// for the steps of the store before and after the call.
const leaseMargin = 2 * time.Second

// ttl returns how long a lease lasts.
func (r *Refresher) ttl(provider *oidcupstream.Provider) time.Duration {
	return cmp.Or(r.Lease, provider.Timeout()+r.MaxClockSkew+leaseMargin)
}

// keep notes what the store said when it granted or prolonged the lease.
func (l *lease) keep(held store.Refresh) {
	l.state, l.until, l.doubt = held.RefreshState, held.Until, len(held.Doubts) > 0
}

// lasts reports whether the lease outlasts a call to the provider that begins now.
func (l *lease) lasts() bool {
	return l.until >= store.At(l.r.Clock().Add(l.req.Provider.Timeout()+l.r.MaxClockSkew))
}

// hold takes or prolongs the lease, so that it outlasts the call to the provider.
func (l *lease) hold(ctx context.Context) (store.Refresh, error) {
	for range 3 {
		process := l.r.self(ctx)
		l.owner, l.logins = process, l.r.logins.Load()
		held, err := l.r.Ledger.BeginRefresh(ctx, store.Begin{Grant: l.req.Grant, Lease: l.id, Process: process, TTL: l.r.ttl(l.req.Provider)})
		if errors.Is(err, store.ErrConflict) { // somebody took this process for dead
			l.r.renew(ctx, process)
			continue
		}
		if err != nil {
			return held, err
		}
		if l.keep(held); l.lasts() {
			return held, nil
		}
	}
	return store.Refresh{}, errSlowStore
}

// read returns the present state of the grant. It prolongs a lease.
func (l *lease) read(ctx context.Context) (store.RefreshState, error) {
	if l.taken {
		held, err := l.hold(ctx)
		return held.RefreshState, err
	}
	return l.r.Ledger.Grant(ctx, l.req.Grant)
}

// replay commits what this process received for the grant and did not commit. If
// processes share a spill directory, replay does it for all of them.
func (l *lease) replay(ctx context.Context) map[store.LeaseID]bool {
	committed, err := l.r.replay(ctx, l.req.Grant)
	if err != nil {
		l.notify(ctx, Event{Kind: CommitFailed, Err: err})
	}
	return committed
}

// end gives the lease back. It fills in the rest of e.
//
// If the store does not answer, the lease lapses, and is ended later. A lease with an
// uncommitted refresh token must lapse too. That alone tells the next holder to wait; a
// strict provider would take the old refresh token for a stolen one.
func (l *lease) end(ctx context.Context, e store.End) {
	if !l.taken || l.uncommitted || l.ended {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.r.StepTimeout)
	defer cancel()
	e.Grant, e.Lease = l.req.Grant, l.id
	e.Generation = max(l.state.Generation, 1) // 0 if the answer that granted the lease was lost
	err := l.r.Ledger.EndRefresh(ctx, e)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		level := slog.LevelWarn
		if !store.IsDefinite(err) { // the ledger tells that the store is away
			level = slog.LevelDebug
			l.r.keepEnd(pendingEnd{End: e})
		}
		l.r.Logger.Log(ctx, level, "mytoken", "kind", "lease_not_ended", "error", errtext.ForLog(err))
	}
}

// done ends the lease after an answer of the provider that was asked for these scopes.
//
// done waits until that is durable if it ends spares, doubts or a suspicion, or follows a
// new refresh token. Otherwise nobody waits for it, and the next flight of the grant gets
// the lease if the same scopes worked as before.
func (l *lease) done(ctx context.Context, scopes []string) {
	e := store.End{Outcome: store.RefreshDone, Worked: joined(scopes)}
	switch {
	case !l.taken || l.uncommitted || l.ended:
	case l.committed, l.doubt, len(l.state.Spares) > 0, l.state.Suspect.Refusals > 0:
		l.end(ctx, e)
	case e.Worked == l.state.Worked && l.handOn(ctx):
	default:
		l.endLater(ctx, e)
	}
}

// giveUp gives a lease back under which nothing was sent.
func (l *lease) giveUp(ctx context.Context) {
	l.end(context.WithoutCancel(ctx), store.End{Outcome: store.RefreshNotSent})
}

// endOnPanic gives a lease back if a call-back panics. Defer it.
func endOnPanic(ctx context.Context, l **lease, outcome store.Outcome) {
	if value := recover(); value != nil {
		if !(*l).passed {
			(*l).end(context.WithoutCancel(ctx), store.End{Outcome: outcome})
		}
		panic(value)
	}
}

// notify reports an event about the grant and the token.
func (l *lease) notify(ctx context.Context, e Event) {
	e.Token, e.Grant = l.req.Token, l.req.Grant
	l.r.Notify(ctx, e)
}
