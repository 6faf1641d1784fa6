package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// refresher shares and orders the refreshes of one process. Identical requests
// that overlap share one call to the provider: a flight. Flights of one grant
// follow each other; flights of different grants do not meet.
//
// A flight runs on a goroutine of its own, because what the provider answers
// must be kept even if everybody who asked has gone. It is abandoned as long
// as the provider was not asked and nobody waits for it any more.
type refresher struct {
	i     *Issuer
	spill *spill
	queue *grantQueue

	mu      sync.Mutex
	flights map[flightKey]*flight
	closed  bool
	running sync.WaitGroup
	halt    context.Context // done when Close gives up waiting
	stop    context.CancelFunc
}

// refreshRequest asks the provider for an access token.
type refreshRequest struct {
	token     mytoken.TokenID
	grant     store.GrantID
	key       seal.DataKey // opens the grant's refresh token
	provider  *Provider
	subject   string // at the provider
	scopes    []string
	audiences []string
	// abandoned is told how the flight ended, if whoever asked went away while
	// the provider was asked.
	abandoned func(context.Context, error)
}

// flightKey says which requests are identical.
type flightKey struct {
	token             mytoken.TokenID
	scopes, audiences string
}

func (req *refreshRequest) flightKey() flightKey {
	return flightKey{req.token, fmt.Sprintf("%q", req.scopes), fmt.Sprintf("%q", req.audiences)}
}

type flight struct {
	key    flightKey
	cancel context.CancelFunc
	done   chan struct{} // closed when the flight has landed

	// Guarded by refresher.mu; tokens and err never change once it has landed.
	landed  bool
	tokens  *oidcupstream.Tokens
	err     error
	waiters int
	asked   bool // the provider may have seen the request
	left    []func(context.Context, error)
}

func newRefresher(i *Issuer, s *spill) *refresher {
	r := &refresher{i: i, spill: s, queue: newGrantQueue(i.now), flights: make(map[flightKey]*flight)}
	r.halt, r.stop = context.WithCancel(context.Background())
	return r
}

// refresh returns the provider's answer, which is shared with others. It fails
// with *UpstreamError, *ReconnectError, *BusyError, *StoreError, ErrClosed, or
// the context's error. unsettled says that the use must not be given back now:
// the provider may have acted on it, or is still asked, and req.abandoned will
// be called.
func (r *refresher) refresh(ctx context.Context, req refreshRequest) (tokens *oidcupstream.Tokens, unsettled bool, err error) {
	f, err := r.join(ctx, req)
	if err != nil {
		return nil, false, err
	}
	limit := time.NewTimer(r.i.cfg.WaitLimit)
	defer limit.Stop()
	select {
	case <-f.done:
		return f.tokens, isCharged(f.err), f.err
	case <-ctx.Done():
	case <-limit.C:
	}
	landed, asked := r.leave(f, req.abandoned)
	switch {
	case landed:
		return f.tokens, isCharged(f.err), f.err
	case ctx.Err() != nil:
		return nil, asked, ctx.Err()
	case asked:
		return nil, true, &UpstreamError{Status: http.StatusServiceUnavailable, Charged: true, Description: "the provider has not answered in time"}
	}
	return nil, false, &BusyError{RetryAfter: time.Second}
}

// isCharged reports whether an error leaves the use charged.
func isCharged(err error) bool {
	var upstream *UpstreamError
	return errors.As(err, &upstream) && upstream.Charged
}

// join takes part in the flight for the request, or starts one.
func (r *refresher) join(ctx context.Context, req refreshRequest) (*flight, error) {
	key := req.flightKey()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if f, ok := r.flights[key]; ok {
		f.waiters++
		return f, nil
	}
	// Values of the context, such as trace ids, are kept; its end is not.
	detached := context.WithoutCancel(ctx)
	flying, cancel := context.WithTimeout(detached, r.i.cfg.WaitLimit)
	f := &flight{key: key, done: make(chan struct{}), cancel: cancel, waiters: 1}
	r.flights[key] = f
	r.running.Add(1)
	go func() {
		defer r.running.Done()
		defer cancel()
		tokens, err := r.fly(flying, f, req)
		for _, abandoned := range r.land(f, tokens, err) {
			abandoned(detached, err)
		}
	}()
	return f, nil
}

// land tells the waiters, and returns what those who left want to be told.
func (r *refresher) land(f *flight, tokens *oidcupstream.Tokens, err error) []func(context.Context, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(f)
	f.tokens, f.err, f.landed = tokens, err, true
	close(f.done)
	return f.left
}

// forget keeps others from joining the flight. The caller holds r.mu.
func (r *refresher) forget(f *flight) {
	if r.flights[f.key] == f {
		delete(r.flights, f.key)
	}
}

// leave is for a waiter that does not wait any longer. It reports whether the
// flight has landed all the same, and else whether the provider may have seen
// the request; then abandoned will be called. The last one to leave takes a
// flight down that has not asked yet.
func (r *refresher) leave(f *flight, abandoned func(context.Context, error)) (landed, asked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case f.landed:
		return true, f.asked
	case f.asked:
		f.left = append(f.left, abandoned)
	}
	f.waiters--
	if f.waiters == 0 && !f.asked {
		r.forget(f) // nobody joins a flight that is going down
		f.cancel()
	}
	return false, f.asked
}

// ask marks the flight as one whose request the provider may have seen, unless
// nobody waits for it any more or the issuer has given up.
func (r *refresher) ask(f *flight) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case f.waiters == 0:
		return context.Canceled
	case r.halt.Err() != nil:
		return ErrClosed
	}
	f.asked = true
	return nil
}

// fly performs steps 3 to 5 of an access token request.
func (r *refresher) fly(ctx context.Context, f *flight, req refreshRequest) (*oidcupstream.Tokens, error) {
	leave, err := r.queue.enter(ctx, req.grant)
	if err != nil {
		return nil, busy(err)
	}
	defer leave()

	upstream := req.provider.Upstream
	if upstream.RefreshTokensNeverRotate() && !r.i.rotating.has(upstream.Issuer()) {
		tokens, err := r.flyWithoutLease(ctx, f, req)
		if !isInvalidGrant(err) {
			return tokens, err
		}
		// Another process may have met a new refresh token all the same. With
		// the lease that is certain, and so is the end of the login.
	}
	l, state, err := r.begin(ctx, req)
	if err != nil {
		return nil, r.grantError(req, err)
	}
	if err := r.ask(f); err != nil {
		l.end(context.WithoutCancel(ctx), store.RefreshNotSent)
		return nil, err
	}
	return l.refresh(context.WithoutCancel(ctx), state)
}

// flyWithoutLease is for providers of which the operator states that their
// refresh tokens never rotate.
func (r *refresher) flyWithoutLease(ctx context.Context, f *flight, req refreshRequest) (*oidcupstream.Tokens, error) {
	l := &lease{r: r, req: req, id: newLeaseID()}
	state, err := l.read(ctx)
	if err != nil {
		return nil, r.grantError(req, err)
	}
	if err := r.ask(f); err != nil {
		return nil, err
	}
	return l.refresh(context.WithoutCancel(ctx), state)
}

// grantError translates what the store says about a grant.
func (r *refresher) grantError(req refreshRequest, err error) error {
	var other *store.BusyError
	switch {
	case errors.Is(err, store.ErrDead), errors.Is(err, store.ErrNotFound):
		return &ReconnectError{Grant: req.grant}
	case errors.As(err, &other), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return busy(err)
	case isStoreFailure(err):
		return err
	}
	return &StoreError{cause: err}
}

func busy(err error) error { return &BusyError{RetryAfter: time.Second, cause: err} }

// replay commits what the spill holds for the grant, or for all if it is zero.
func (r *refresher) replay(ctx context.Context, grant store.GrantID) error {
	commits, err := r.spill.pending(grant)
	errs := []error{err}
	for _, c := range commits {
		if err := r.i.ledger.CommitRefresh(ctx, c); err != nil && !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, err)
			continue
		}
		r.spill.done(c.Lease)
	}
	return errors.Join(errs...)
}

// close waits for the flights in the air and keeps new ones on the ground.
// What is not committed when the context ends stays in the spill.
func (r *refresher) close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	landed := make(chan struct{})
	go func() {
		r.running.Wait()
		close(landed)
	}()
	select {
	case <-landed:
		r.stop()
		return nil
	case <-ctx.Done():
		r.stop()
		return ctx.Err()
	}
}
