package refresh

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Request asks the provider for an access token.
type Request struct {
	Token     store.TokenID
	Grant     store.GrantID
	Key       seal.DataKey // opens the refresh token of the grant
	Provider  *oidcupstream.Provider
	Subject   string // at the provider
	Scopes    []string
	Audiences []string
	// Wish is that of the use. Refresh closes it when the request has come to its flight,
	// and the caller closes it in any case. It may be nil.
	Wish *Wish
	// Confirm is called once with the outcome of a flight, before anybody gets that, and for
	// a request that gets no flight. All requests of a flight are for the same token.
	// Confirm returns the outcome that counts; nil hands the answer of the provider out. It
	// may be nil.
	Confirm func(context.Context, error) error
	// Abandoned is called with the outcome of the flight if the caller left while the
	// provider was asked. It may be nil.
	Abandoned func(context.Context, error)
}

// flightKey says which requests are identical: those of one token for the same sets of
// scopes and audiences.
type flightKey struct {
	token             store.TokenID
	scopes, audiences string
}

func (req *Request) flightKey() flightKey {
	return flightKey{req.Token, setKey(req.Scopes), setKey(req.Audiences)}
}

// setKey is the same for all orders of the same strings, and for nothing else. One key can
// follow another one.
func setKey(set []string) string {
	if len(set) == 0 {
		return ";"
	}
	if len(set) > 1 {
		set = slices.Compact(slices.Sorted(slices.Values(set)))
	}
	var key []byte
	for _, entry := range set {
		key = append(strconv.AppendQuote(key, entry), ',')
	}
	return string(append(key, ';'))
}

// flight is one call to the provider, which identical requests share.
//
// A flight has a goroutine of its own, because the answer of the provider must be kept
// even if every caller has left. It is given up only if nobody waits for it and the
// provider was not asked yet. A flight lands when its outcome is known.
type flight struct {
	key    flightKey
	place  *place
	cancel context.CancelFunc
	done   chan struct{} // closed when the flight has landed

	// Refresher.mu guards the fields below. After landing, tokens and err never change.
	landed  bool
	tokens  *oidcupstream.Tokens
	err     error
	waiters int
	asked   bool  // the provider may have seen the request
	unkept  error // why an answer of the provider waits for the store
	left    []func(context.Context, error)
}

// Refresh returns the answer of the provider, with the refresh token to use from now on.
// Other callers may get the same answer: do not change it. Errors are [*Failure], the error
// of the context, and an error of package seal if the stored refresh token cannot be
// opened.
//
// unsettled says that the use must not be refunded now: the provider may have acted on
// it, or is still being asked. In the latter case req.Abandoned will be called.
func (r *Refresher) Refresh(ctx context.Context, req Request) (tokens *oidcupstream.Tokens, unsettled bool, err error) {
	if left := r.refusals.left(req.Grant, question{req.Scopes, req.Audiences}, r.Clock()); left > 0 {
		return nil, false, notGranted(nil)
	}
	limit := time.NewTimer(r.WaitLimit)
	defer limit.Stop()
	f, err := r.join(ctx, req)
	req.Wish.Close(ctx)
	if err != nil {
		if req.Confirm != nil {
			err = req.Confirm(ctx, err)
		}
		return nil, false, err
	}
	select {
	case <-f.done:
		return f.tokens, Charged(f.err), f.err
	case <-ctx.Done():
	case <-limit.C:
	}
	landed, asked, unkept := r.leave(f, req.Abandoned)
	switch {
	case landed:
		return f.tokens, Charged(f.err), f.err
	case unkept != nil && !errors.Is(ctx.Err(), context.Canceled): // the provider has answered
		return nil, true, notKept(unkept)
	case ctx.Err() != nil:
		return nil, asked, ctx.Err()
	case asked:
		return nil, true, &Failure{Status: http.StatusServiceUnavailable, Charged: true, Description: "the provider has not answered in time"}
	}
	return nil, false, r.busy(req, nil)
}

// busy is the failure of a request whose turn did not come in time, or never comes.
func (r *Refresher) busy(req Request, err error) *Failure {
	if refused, ok := errors.AsType[*Failure](err); ok {
		return refused
	}
	return &Failure{Reason: Busy, RetryAfter: r.queue.expected(req.Grant, req.Token), Err: err}
}

// join takes part in the flight for the request, or starts one. A flight that finds no
// place in the queue is refused at once. Only one that has to wait needs its ancestors.
func (r *Refresher) join(ctx context.Context, req Request) (*flight, error) {
	f, err := r.joinAt(ctx, req, nil)
	if !errors.Is(err, errMustWait) {
		return f, err
	}
	path, err := r.path(ctx, req.Token)
	if err != nil {
		return nil, err
	}
	return r.joinAt(ctx, req, path)
}

// path returns the ancestors of the token, root first, and the token. Without them there
// is no place: a wrong one could come before others.
func (r *Refresher) path(ctx context.Context, token store.TokenID) ([]store.TokenID, error) {
	step, cancel := context.WithTimeout(ctx, r.StepTimeout)
	defer cancel()
	info, err := r.Ledger.Token(step, token)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil {
		return nil, storeFailure(err)
	}
	path := append([]store.TokenID{token}, info.Ancestors...)
	slices.Reverse(path)
	return path, nil
}

func (r *Refresher) joinAt(ctx context.Context, req Request, path []store.TokenID) (*flight, error) {
	key := req.flightKey()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, &Failure{Reason: Closed}
	}
	if f, ok := r.flights[key]; ok {
		f.waiters++
		return f, nil
	}
	place, err := r.queue.enter(req.Grant, req.Token, path, r.width(req.Provider))
	if err != nil {
		return nil, err
	}
	detached := context.WithoutCancel(ctx) // it keeps values such as trace ids
	flying, cancel := context.WithTimeout(detached, r.WaitLimit)
	f := &flight{key: key, place: place, done: make(chan struct{}), cancel: cancel, waiters: 1}
	r.flights[key] = f
	r.idle.want(req.Grant, req.Token)
	r.running.Add(1)
	go func() {
		defer r.running.Done()
		defer cancel()
		tokens, err := rescue.Call(func() (*oidcupstream.Tokens, error) {
			tokens, err := r.fly(flying, f, req)
			if err = r.confirm(detached, f, req, err); err != nil {
				return nil, err
			}
			return tokens, nil
		})
		if failure := r.crashed(detached, f, err); failure != nil {
			err = failure
		}
		for _, abandoned := range r.land(f, tokens, err) {
			rescue.Log(detached, r.Logger, "a refresh", rescue.Do(func() { abandoned(detached, err) }))
		}
	}()
	return f, nil
}

// errNotConfirmed says that an answer waits for the store.
var errNotConfirmed = errors.New("issuer: the store does not say whether the token is still live")

// confirm calls the call-back of a flight that has ended with err.
func (r *Refresher) confirm(ctx context.Context, f *flight, req Request, err error) error {
	if req.Confirm == nil {
		return err
	}
	if err == nil {
		r.unkeptAnswer(f)(errNotConfirmed)
	}
	ctx, cancel := context.WithTimeout(ctx, r.StepTimeout)
	defer cancel()
	return req.Confirm(ctx, err)
}

// crashed returns the failure of a flight in which a call-back panicked: the store, the
// clock, or the provider's HTTP client. It returns nil for any other outcome.
func (r *Refresher) crashed(ctx context.Context, f *flight, err error) error {
	if _, panicked := errors.AsType[*rescue.Panic](err); !panicked {
		return nil
	}
	rescue.Log(ctx, r.Logger, "a refresh", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	return &Failure{Status: http.StatusInternalServerError, Charged: f.asked, Description: err.Error(), Err: err}
}

// land hands the outcome to everybody who waits. It returns the callbacks of those who
// left.
func (r *Refresher) land(f *flight, tokens *oidcupstream.Tokens, err error) []func(context.Context, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(f)
	f.tokens, f.err, f.landed = tokens, err, true
	close(f.done)
	return f.left
}

// forget keeps others from joining the flight. The caller holds r.mu.
func (r *Refresher) forget(f *flight) {
	if r.flights[f.key] == f {
		delete(r.flights, f.key)
	}
}

// leave takes a waiter off the flight. It reports whether the flight has landed all the
// same. If not, asked reports whether the provider may have seen the request; abandoned
// is called later in that case. If the answer of the provider waits for the store, unkept
// says why. The last waiter to leave cancels a flight that has not asked.
func (r *Refresher) leave(f *flight, abandoned func(context.Context, error)) (landed, asked bool, unkept error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case f.landed:
		return true, f.asked, nil
	case f.asked && abandoned != nil:
		f.left = append(f.left, abandoned)
	}
	f.waiters--
	if f.waiters == 0 && !f.asked {
		r.forget(f) // nobody joins a cancelled flight
		f.cancel()
	}
	return false, f.asked, f.unkept
}

// ask records that the provider may see the request from now on. It returns an error if
// nobody waits for the flight any more, or if Close has stopped waiting.
func (r *Refresher) ask(f *flight) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case f.waiters == 0:
		return context.Canceled
	case r.halt.Err() != nil:
		return &Failure{Reason: Closed}
	}
	f.asked = true
	return nil
}

// fly waits for the turn of the grant, takes the lease and asks the provider. The context
// bounds the wait alone: once the provider is asked, its answer is kept.
func (r *Refresher) fly(ctx context.Context, f *flight, req Request) (*oidcupstream.Tokens, error) {
	defer func() { f.place.leave(r.width(req.Provider)) }()
	wants := true
	unwant := func() {
		if wants {
			wants = false
			r.free(ctx, r.idle.unwant(req.Grant))
		}
	}
	defer unwant()
	var l *lease
	defer func() {
		if l == nil || !l.decided {
			r.idle.decided(req.Token)
		}
	}()
	if err := f.place.wait(ctx); err != nil {
		return nil, r.busy(req, err)
	}
	if r.neverRotates(req.Provider) {
		tokens, err := r.flyWithoutLease(ctx, f, req)
		if !errors.Is(err, errNeedsLease) && !isInvalidGrant(err) {
			return tokens, err
		}
		// Another process may have got a new refresh token all the same, or the refusal may
		// be about what was asked for. Only under a lease can anybody tell.
	}
	var state store.RefreshState
	var err error
	l, state, err = r.begin(ctx, req)
	unwant()
	if err != nil {
		return nil, r.beginFailure(err)
	}
	defer func() {
		if !l.passed {
			r.deactivate(l.id)
		}
	}()
	if err := r.ask(f); err != nil {
		r.free(ctx, l)
		return nil, err
	}
	l.unkept = r.unkeptAnswer(f)
	return l.refresh(context.WithoutCancel(ctx), state)
}

// unkeptAnswer returns a function that notes why the answer of the flight is not kept.
func (r *Refresher) unkeptAnswer(f *flight) func(error) {
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		f.unkept = err
	}
}

// neverRotates reports whether refreshes need no lease: the operator states it, and the
// provider has not done otherwise.
func (r *Refresher) neverRotates(provider *oidcupstream.Provider) bool {
	rotates, _ := r.rotates.Load(provider.Issuer())
	return provider.RefreshTokensNeverRotate() && rotates != true
}

// width returns how many refreshes of a grant may run side by side. If the statement of
// the operator is wrong, the first refresh shows that before another one can present a
// refresh token that was replaced.
func (r *Refresher) width(provider *oidcupstream.Provider) int {
	if _, seen := r.rotates.Load(provider.Issuer()); seen && r.neverRotates(provider) {
		return sideBySide
	}
	return 1
}

// errNeedsLease says that a grant is suspect, so that it is asked for under a lease.
var errNeedsLease = errors.New("issuer: the grant is suspect")

// flyWithoutLease is for providers whose refresh tokens never rotate.
func (r *Refresher) flyWithoutLease(ctx context.Context, f *flight, req Request) (*oidcupstream.Tokens, error) {
	l := &lease{r: r, req: req, id: NewLeaseID()}
	state, err := l.read(ctx)
	if err != nil {
		return nil, storeFailure(err)
	}
	if state.Suspect.Refusals > 0 {
		return nil, errNeedsLease
	}
	if err := r.ask(f); err != nil {
		return nil, err
	}
	l.unkept = r.unkeptAnswer(f)
	return l.refresh(context.WithoutCancel(ctx), state)
}
