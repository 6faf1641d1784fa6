package refresh

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// Wish is the lease that a use of a token hopes for. Either the use asks for it in its own
// step, or a flight of this process leaves it to the use. If the use gets it, the refresh
// that follows needs no step for it. The methods may be called on a nil Wish, which hopes
// for nothing. A Wish is for one goroutine.
type Wish struct {
	r        *Refresher
	token    store.TokenID
	request  store.LeaseRequest // zero: the use asks for nothing
	logins   uint64             // as in lease
	answered bool
	closed   bool
	recalled chan struct{} // closed when the lease is ended that may have been taken
}

// Wish returns what a use of the token asks for. The caller tells it the outcome of the
// use, and closes it in any case.
//
// The use asks for nothing while a flight of the token is under way: it joins that flight,
// or waits for its turn behind it, or gets its lease. Nor does it if the refresh needs no
// lease. If the last lease of the token is just being ended, Wish waits a moment for that:
// the use would find the lease taken, and its flight would need a step to take it.
func (r *Refresher) Wish(ctx context.Context, token store.TokenID, provider *oidcupstream.Provider) *Wish {
	if r.neverRotates(provider) || !r.beginWish() {
		return nil
	}
	w := &Wish{r: r, token: token, answered: true}
	if ended := r.idle.hope(token); ended != nil {
		_ = sleepUntil(ctx, longestEnd, ended)
	}
	if !r.idle.asks(token) {
		return w
	}
	begun := false
	defer func() {
		if !begun { // the store or the clock panicked
			w.Close(ctx)
		}
	}()
	process := r.self(ctx)
	w.logins = r.logins.Load()
	w.request = store.LeaseRequest{ID: NewLeaseID(), Process: process, TTL: r.ttl(provider)}
	r.activate(w.request.ID)
	w.answered, begun = false, true
	return w
}

// longestEnd is how long a use waits for the end of a lease. A store that works is faster.
const longestEnd = 20 * time.Millisecond

// beginWish reports whether a use may hope for a lease. If so, Close waits for it: the
// process is settled only when its leases are ended.
func (r *Refresher) beginWish() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.running.Add(1)
	return true
}

// asks reports whether the use asks the store for the lease.
func (w *Wish) asks() bool { return w != nil && !w.request.ID.IsZero() }

// Lease is what the use asks the store for. It is zero for nothing.
func (w *Wish) Lease() store.LeaseRequest {
	if w == nil {
		return store.LeaseRequest{}
	}
	return w.request
}

// Charged says that the store charged the use, on which grant, and whether it granted the
// lease. The lease goes to the next flight of the grant that needs one, whichever request
// starts it.
func (w *Wish) Charged(ctx context.Context, grant store.GrantID, held *store.Refresh) {
	if !w.asks() {
		return
	}
	w.answered = true
	if held == nil {
		w.r.deactivate(w.request.ID)
		return
	}
	l := &lease{r: w.r, req: Request{Token: w.token, Grant: grant}, id: w.request.ID, taken: true, owner: w.request.Process, logins: w.logins}
	l.keep(*held)
	w.r.free(ctx, w.r.idle.put(l)...)
}

// Refused says that the store did not charge the use, so that it granted no lease.
func (w *Wish) Refused() {
	if w.asks() {
		w.answered = true
		w.r.deactivate(w.request.ID)
	}
}

// Lost says that nobody knows what the store did. Lost begins to end the lease that the
// store may have granted. It has to ask for the grant first.
//
// A use that is still on its way may take the lease after that, unless its caller has
// called it off. Nobody uses such a lease. It lapses, and the heartbeat of this process
// ends the doubt that it leaves.
func (w *Wish) Lost(ctx context.Context) {
	if !w.asks() {
		return
	}
	r, lost := w.r, pendingEnd{token: w.token, End: store.End{Lease: w.request.ID, Generation: 1, Outcome: store.RefreshNotSent}}
	w.answered, w.recalled = true, make(chan struct{})
	ctx = context.WithoutCancel(ctx)
	r.running.Add(1)
	go func() {
		defer r.running.Done()
		defer close(w.recalled)
		defer r.deactivate(w.request.ID)
		rescue.Log(ctx, r.Logger, "the end of a lease", rescue.Do(func() {
			if !r.endAgain(ctx, lost) {
				r.keepEnd(lost)
			}
		}))
	}()
}

// Close says that the use needs the lease no more: it has come to its flight, or never
// will. A lease that nobody takes is ended, and nobody waits for that. But after Lost,
// Close waits while the context lasts.
func (w *Wish) Close(ctx context.Context) {
	if w == nil || w.closed {
		return
	}
	w.closed = true
	defer w.r.running.Done()
	if !w.answered { // the store panicked
		w.Lost(ctx)
	}
	w.r.free(ctx, w.r.idle.unhope(w.token))
	if w.recalled != nil {
		select {
		case <-w.recalled:
		case <-ctx.Done():
		}
	}
}
