package refresh

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/store"
)

// lease is the right to refresh one grant. One process has it at a time.
type lease struct {
	r     *Refresher
	req   Request
	id    store.LeaseID
	taken bool // false for a provider whose refresh tokens never rotate
	// generation is that of the current refresh token. audiences are those that the login
	// asked for. Both are what the store said last.
	generation uint64
	audiences  []string
	// unkept is told why the store has not taken a refresh token yet. It may be nil.
	unkept func(error)
	// uncommitted says that the store still lacks a refresh token that the provider gave.
	uncommitted bool
}

// NewLeaseID draws an id for one attempt to change a grant.
func NewLeaseID() (id store.LeaseID) {
	rand.Read(id[:]) // never fails
	return id
}

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

// begin takes the lease. While another process has it, begin tries again until the
// context ends.
//
// A lease that lapsed leaves a doubt: its holder may have got a new refresh token and not
// stored it. Then begin replays the spill, and waits up to InDoubtWait for the other
// process.
func (r *Refresher) begin(ctx context.Context, req Request) (*lease, store.RefreshState, error) {
	l := &lease{r: r, req: req, id: NewLeaseID(), taken: true}
	defer l.endOnPanic(ctx, store.RefreshNotSent)
	const firstPause = 10 * time.Millisecond
	pause := firstPause
	var waited <-chan time.Time // for the outcome that is in doubt; nil while there is no doubt
	for {
		held, err := l.hold(ctx)
		_, busy := errors.AsType[*store.BusyError](err)
		switch {
		case busy:
		case err != nil:
			if !store.IsDefinite(err) {
				l.end(context.WithoutCancel(ctx), store.RefreshNotSent) // the store may have granted it
			}
			return nil, store.RefreshState{}, err
		case len(held.Doubts) == 0:
			return l, held.RefreshState, nil
		case waited == nil:
			l.replay(ctx)
			timer := time.NewTimer(r.InDoubtWait)
			defer timer.Stop()
			waited, pause = timer.C, firstPause
			continue
		default:
			select {
			case <-waited:
				return l, held.RefreshState, nil
			default:
			}
		}
		if err := Sleep(ctx, pause); err != nil {
			if !busy {
				l.end(context.WithoutCancel(ctx), store.RefreshNotSent)
			}
			return nil, store.RefreshState{}, err
		}
		pause = min(2*pause, leasePoll)
	}
}

// hold takes or prolongs the lease, so that it outlasts the call to the provider.
func (l *lease) hold(ctx context.Context) (store.Refresh, error) {
	for range 3 {
		held, err := l.r.Ledger.BeginRefresh(ctx, l.req.Grant, l.id, l.r.Lease)
		if err != nil {
			return held, err
		}
		l.generation = held.Generation
		if held.Until >= store.At(l.r.Clock().Add(l.req.Provider.Timeout()+l.r.MaxClockSkew)) {
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
func (l *lease) replay(ctx context.Context) {
	if err := l.r.replay(ctx, l.req.Grant); err != nil {
		l.notify(ctx, Event{Kind: CommitFailed, Err: err})
	}
}

// end gives the lease back.
//
// If the store does not answer, the lease lapses, and its next holder waits a little
// longer. A lease with an uncommitted refresh token must lapse too. That alone tells the
// next holder to wait; a strict provider would take the old refresh token for a stolen
// one.
func (l *lease) end(ctx context.Context, outcome store.Outcome) {
	if !l.taken || l.uncommitted {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.r.StepTimeout)
	defer cancel()
	generation := max(l.generation, 1) // 0 if the answer that granted the lease was lost
	err := l.r.Ledger.EndRefresh(ctx, l.req.Grant, l.id, generation, outcome)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		level := slog.LevelWarn
		if !store.IsDefinite(err) { // the ledger tells that the store is away
			level = slog.LevelDebug
		}
		l.r.Logger.Log(ctx, level, "mytoken", "kind", "lease_not_ended", "error", errtext.ForLog(err))
	}
}

// endOnPanic gives the lease back if a call-back panics. Defer it.
func (l *lease) endOnPanic(ctx context.Context, outcome store.Outcome) {
	if value := recover(); value != nil {
		l.end(context.WithoutCancel(ctx), outcome)
		panic(value)
	}
}

// notify reports an event about the grant and the token.
func (l *lease) notify(ctx context.Context, e Event) {
	e.Token, e.Grant = l.req.Token, l.req.Grant
	l.r.Notify(ctx, e)
}
