package refresh

import (
	"container/list"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// longestPause bounds the pauses that grow with each refusal.
const longestPause = 10 * time.Minute

// grown returns the pause after a number of refusals, from 1: twice as long each time.
func (r *Refresher) grown(refusals int) time.Duration {
	pause := r.SuspectPause
	for ; refusals > 1 && pause < longestPause; refusals-- {
		pause *= 2
	}
	return min(pause, max(longestPause, r.SuspectPause))
}

// errKnownWorks says that the provider refused what was asked for, and gave what worked
// before.
type errKnownWorks struct{ refusal error }

func (e *errKnownWorks) Error() string { return e.refusal.Error() }

// unlessKnownWorks marks a refusal: what worked before has just worked again.
func (l *lease) unlessKnownWorks(err error) error {
	if !isInvalidGrant(err) {
		return err
	}
	return &errKnownWorks{err}
}

// conclude ends the lease and returns the error for the request, or nil if err is nil.
func (l *lease) conclude(ctx context.Context, asked question, err error) error {
	if err == nil {
		l.done(ctx, asked.scopes)
		l.r.refusals.forget(l.req.Grant, asked)
		return nil
	}
	if only, ok := errors.AsType[*errKnownWorks](err); ok {
		l.end(ctx, store.End{Outcome: store.RefreshDone, Worked: joined(l.proof.scopes)})
		l.r.refusals.add(l.req.Grant, asked, l.r.Clock(), l.r.grown)
		if l.logins != l.r.logins.Load() { // it may say nothing about the login that there is now
			l.r.refusals.forget(l.req.Grant, asked)
		}
		return notGranted(only.refusal)
	}
	up, ok := errors.AsType[*oidcupstream.Error](err)
	switch {
	case l.proof != nil: // the refresh token works, whatever happened afterwards
		l.end(ctx, store.End{Outcome: store.RefreshDone, Worked: joined(l.proof.scopes)})
		if ok {
			failure, _ := l.upstreamFailed(ctx, up)
			return failure
		}
		return err
	case !ok && l.asked:
		l.end(ctx, l.unknown())
		return err
	case !ok:
		l.end(ctx, store.End{Outcome: store.RefreshNotSent})
		return err
	case up.InvalidGrant() && !l.taken:
		return up // asked again under a lease
	case up.InvalidGrant():
		return l.suspect(ctx, up)
	}
	failure, outcome := l.upstreamFailed(ctx, up)
	if outcome == store.RefreshUnknown {
		l.end(ctx, l.unknown())
	} else {
		l.end(ctx, store.End{Outcome: outcome})
	}
	return failure
}

// upstreamFailed is upstreamFailure, and reports a failure of the provider itself. An
// answer about somebody else was reported already.
func (l *lease) upstreamFailed(ctx context.Context, up *oidcupstream.Error) (*Failure, store.Outcome) {
	failure, outcome := upstreamFailure(up)
	if failure.Status >= http.StatusInternalServerError && !errors.Is(up, oidcupstream.ErrSubject) {
		l.notify(ctx, Event{Kind: ProviderFailed, Err: up})
	}
	return failure, outcome
}

// unknown is the end of a call that says nothing about the refresh token. If the grant is
// suspect, the next call has to wait longer.
func (l *lease) unknown() store.End {
	e := store.End{Outcome: store.RefreshUnknown}
	if n := l.state.Suspect.Refusals; n > 0 {
		e.AskAfter = l.r.askAfter(l.r.grown(n + 1))
	}
	return e
}

// suspect ends a lease under which the provider refused every refresh token, each with
// what worked last. The first time the grant becomes suspect, because providers also do
// that while a user is disabled or something is broken. The second time it is dead.
func (l *lease) suspect(ctx context.Context, up *oidcupstream.Error) error {
	pause := l.r.grown(1)
	dead := l.state.Suspect.Refusals > 0
	l.end(ctx, store.End{Outcome: store.RefreshRefused, AskAfter: l.r.askAfter(pause)})
	if dead {
		l.notify(ctx, Event{Kind: GrantDead, Err: up})
		return &Failure{Reason: Ended, Err: up}
	}
	l.notify(ctx, Event{Kind: GrantSuspect, Err: up, Detail: "the provider is asked again in " + pause.String()})
	return suspected(pause, up)
}

// askAfter returns the last instant of a pause that begins now. Whoever waits as long as
// the pause is late enough.
func (r *Refresher) askAfter(pause time.Duration) store.Micros {
	return store.At(r.Clock().Add(pause)) - 1
}

// suspected is the failure of a request for a suspect grant.
func suspected(wait time.Duration, err error) *Failure {
	return &Failure{
		Reason: Suspect, Status: http.StatusServiceUnavailable, RetryAfter: max(wait, time.Second), Err: err,
		Description: "the provider refuses this login for now; it is asked again later",
	}
}

// notGranted is the failure of a request for scopes or audiences that the login does not
// have.
func notGranted(err error) *Failure {
	f := &Failure{
		Status: http.StatusBadRequest, Code: "invalid_scope", Err: err,
		Description: "the provider does not grant these scopes or audiences for this login",
	}
	if up, ok := errors.AsType[*oidcupstream.Error](err); ok && up.Description != "" {
		f.Description += ": " + up.Description
	}
	return f
}

// refusals remembers what providers refused to give for a grant that works otherwise. So
// somebody who asks again and again costs neither the provider nor others anything. An
// entry counts for a pause, which grows with each refusal. It is safe for concurrent use.
type refusals struct {
	mu    sync.Mutex
	order list.List // of *refusal, the newest in front
	byKey map[refusalKey]*list.Element
}

type refusalKey struct {
	grant store.GrantID
	asked string
}

type refusal struct {
	key   refusalKey
	count int
	since time.Time
	pause time.Duration
}

// mostRefusals is how many refusals are remembered.
const mostRefusals = 4096

func newRefusals() *refusals { return &refusals{byKey: make(map[refusalKey]*list.Element)} }

// add remembers one more refusal. The pause returns how long it counts.
func (r *refusals) add(grant store.GrantID, asked question, now time.Time, pause func(count int) time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := refusalKey{grant, asked.key()}
	e, found := r.byKey[key]
	if !found {
		if len(r.byKey) >= mostRefusals {
			oldest := r.order.Back()
			delete(r.byKey, oldest.Value.(*refusal).key)
			r.order.Remove(oldest)
		}
		e = r.order.PushFront(&refusal{key: key})
		r.byKey[key] = e
	}
	r.order.MoveToFront(e)
	entry := e.Value.(*refusal)
	entry.count++
	entry.since, entry.pause = now, pause(entry.count)
}

// left returns how long the last refusal still counts, or 0. A clock that was set back
// ends it.
func (r *refusals) left(grant store.GrantID, asked question, now time.Time) time.Duration {
	key := refusalKey{grant, asked.key()}
	r.mu.Lock()
	defer r.mu.Unlock()
	e, found := r.byKey[key]
	if !found {
		return 0
	}
	last := e.Value.(*refusal)
	age, ok := fresh.Age(last.since, now)
	if !ok {
		return 0
	}
	return max(last.pause-age, 0)
}

// forget drops a refusal.
func (r *refusals) forget(grant store.GrantID, asked question) {
	key := refusalKey{grant, asked.key()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(key)
}

// forgetGrant drops the refusals of a grant.
func (r *refusals) forgetGrant(grant store.GrantID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.byKey {
		if key.grant == grant {
			r.drop(key)
		}
	}
}

func (r *refusals) drop(key refusalKey) {
	if e, found := r.byKey[key]; found {
		delete(r.byKey, key)
		r.order.Remove(e)
	}
}
