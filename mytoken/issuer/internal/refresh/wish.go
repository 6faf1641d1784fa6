package refresh

import (
	"context"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// Wish is the lease that a use of a token asks for in its own step. If the use gets it, the
// refresh that follows needs no step for it. The methods may be called on a nil Wish, which
// asks for nothing. A Wish is for one goroutine.
type Wish struct {
	r        *Refresher
	token    store.TokenID
	grant    store.GrantID // known after the use
	request  store.LeaseRequest
	logins   uint64 // as in lease
	lease    *lease // that the use took; nil: none
	answered bool
	closed   bool
	recalled chan struct{} // closed when the lease is ended that may have been taken
}

// Wish returns what a use of the token asks for. The caller tells it the outcome of the
// use, and closes it in any case.
//
// The use asks for nothing while a flight of the token is under way: it joins that flight,
// or waits for its turn behind it. Nor does it if the refresh needs no lease.
func (r *Refresher) Wish(ctx context.Context, token store.TokenID, provider *oidcupstream.Provider) *Wish {
	if r.neverRotates(provider) || !r.beginWish(token) {
		return nil
	}
	begun := false
	defer func() {
		if !begun { // the store or the clock panicked
			r.running.Done()
		}
	}()
	process := r.self(ctx)
	w := &Wish{r: r, token: token, logins: r.logins.Load(), request: store.LeaseRequest{ID: NewLeaseID(), Process: process, TTL: r.ttl(provider)}}
	r.activate(w.request.ID)
	begun = true
	return w
}

// beginWish reports whether a use of the token may ask for the lease. If so, Close waits
// for it: the process is settled only when its leases are ended.
func (r *Refresher) beginWish(token store.TokenID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.ofToken[token] > 0 {
		return false
	}
	r.running.Add(1)
	return true
}

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
	if w == nil {
		return
	}
	w.answered, w.grant = true, grant
	if held == nil {
		w.r.deactivate(w.request.ID)
		return
	}
	w.lease = &lease{r: w.r, req: Request{Token: w.token, Grant: grant}, id: w.request.ID, taken: true, owner: w.request.Process, logins: w.logins}
	w.lease.keep(*held)
	w.r.free(ctx, w.r.idle.put(w.lease, true)...)
}

// Refused says that the store did not charge the use, so that it granted no lease.
func (w *Wish) Refused() {
	if w != nil {
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
	if w == nil {
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
	switch {
	case w.recalled != nil:
		select {
		case <-w.recalled:
		case <-ctx.Done():
		}
	case w.lease != nil:
		w.r.free(ctx, w.r.idle.unwish(w.grant, w.lease))
	}
}
