package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// lease is the right to refresh one grant, which one process has at a time.
type lease struct {
	r     *refresher
	req   refreshRequest
	id    store.LeaseID
	taken bool   // false for providers whose refresh tokens never rotate
	gen   uint64 // generation that the store last told
	// audiences are those that the login asked for, as the store last told.
	audiences []string
	// uncommitted says that the provider answered with a refresh token that
	// the store does not have yet.
	uncommitted bool
}

// errSlowStore says that a lease was nearly over when the store told of it.
var errSlowStore = errors.New("issuer: the store answers too slowly to hold a lease")

// begin takes the lease. While another process has it, begin asks again until
// the context ends. If that process went away without an end, begin first
// replays this process's own spill and then waits a little for the other's.
func (r *refresher) begin(ctx context.Context, req refreshRequest) (*lease, store.RefreshState, error) {
	l := &lease{r: r, req: req, id: newLeaseID(), taken: true}
	pause := 10 * time.Millisecond
	var waited <-chan time.Time // for the outcome that is in doubt; nil while there is no doubt
	for {
		held, err := l.hold(ctx)
		var other *store.BusyError
		switch {
		case errors.As(err, &other):
		case err != nil:
			if !store.IsDefinite(err) {
				l.end(context.WithoutCancel(ctx), store.RefreshNotSent) // it may have been taken
			}
			return nil, store.RefreshState{}, err
		case !held.InDoubt:
			return l, held.RefreshState, nil
		case waited == nil:
			l.replay(ctx)
			timer := time.NewTimer(r.i.cfg.InDoubtWait)
			defer timer.Stop()
			waited = timer.C
			pause = 10 * time.Millisecond
			continue
		default:
			select {
			case <-waited:
				return l, held.RefreshState, nil
			default:
			}
		}
		if err := sleep(ctx, pause); err != nil {
			if other == nil {
				l.end(context.WithoutCancel(ctx), store.RefreshNotSent)
			}
			return nil, store.RefreshState{}, err
		}
		pause = min(2*pause, 250*time.Millisecond)
	}
}

// hold takes the lease, or prolongs it, so that it lasts longer than the
// provider may take to answer.
func (l *lease) hold(ctx context.Context) (store.Refresh, error) {
	i := l.r.i
	for range 3 {
		held, err := i.ledger.BeginRefresh(ctx, l.req.grant, l.id, i.cfg.Lease)
		if err != nil {
			return held, err
		}
		l.gen = held.Generation
		if held.Until >= store.At(i.now().Add(l.req.provider.Upstream.Timeout()+i.cfg.MaxClockSkew)) {
			return held, nil
		}
	}
	return store.Refresh{}, errSlowStore
}

// read tells the present state of the grant; a lease is prolonged.
func (l *lease) read(ctx context.Context) (store.RefreshState, error) {
	if l.taken {
		held, err := l.hold(ctx)
		return held.RefreshState, err
	}
	return l.r.i.ledger.Grant(ctx, l.req.grant)
}

// replay commits what this process, or one with which it shares a spill
// directory, received for the grant and did not commit.
func (l *lease) replay(ctx context.Context) {
	if err := l.r.replay(ctx, l.req.grant); err != nil {
		l.r.i.notify(ctx, Notice{Kind: NoticeCommitFailed, Token: l.req.token, Grant: l.req.grant, Err: err})
	}
}

// refresh asks the provider, keeps a new refresh token, and ends the lease.
// While the provider refuses, it goes on with what it has not tried yet: what
// another process or a new login stored meanwhile, and the spares. The context
// must not be one that a client can cancel.
func (l *lease) refresh(ctx context.Context, state store.RefreshState) (*oidcupstream.Tokens, error) {
	var refused error
	tried := make(map[string]bool)
	for {
		l.gen, l.audiences = state.Generation, splitAudiences(state.Audience)
		c, spare, found := untried(state, tried)
		if !found {
			return nil, l.fail(ctx, refused)
		}
		tried[string(c.Token)] = true
		plain, err := l.open(c)
		if err != nil && spare { // useless, but the others may not be
			l.r.i.cfg.Logger.ErrorContext(ctx, "mytoken", "kind", "spare_not_readable", "error", err.Error())
			continue
		} else if err != nil {
			return nil, l.fail(ctx, err)
		}
		tokens, err := l.attempt(ctx, plain, spare)
		switch {
		case err == nil:
			l.end(ctx, store.RefreshDone)
			return tokens, nil
		case !isInvalidGrant(err):
			return nil, l.fail(ctx, err)
		}
		if refused == nil {
			l.replay(ctx)
		}
		refused = err
		if state, err = l.read(ctx); err != nil {
			return nil, l.fail(ctx, l.r.grantError(l.req, err)) // nothing is known about the others
		}
	}
}

// untried is the current refresh token, or else the newest spare, that was not
// tried.
func untried(state store.RefreshState, tried map[string]bool) (c store.Spare, spare, found bool) {
	if !tried[string(state.Token)] {
		return store.Spare{Generation: state.Generation, Token: state.Token}, false, true
	}
	for _, c := range state.Spares {
		if !tried[string(c.Token)] {
			return c, true, true
		}
	}
	return store.Spare{}, false, false
}

func isInvalidGrant(err error) bool {
	var up *oidcupstream.Error
	return errors.As(err, &up) && up.InvalidGrant()
}

func (l *lease) open(c store.Spare) (string, error) {
	plain, err := l.r.i.cfg.Seal.OpenWith(store.RefreshTokenPlace(l.req.grant, c.Generation), l.req.key, c.Token)
	if err != nil {
		return "", fmt.Errorf("issuer: the refresh token: %w", err)
	}
	return string(plain), nil
}

// attempt is one call to the provider. When it returns, a new refresh token is
// committed; a spare that works becomes the current one.
func (l *lease) attempt(ctx context.Context, sent string, spare bool) (*oidcupstream.Tokens, error) {
	tokens, err := l.req.provider.Upstream.Refresh(ctx, oidcupstream.RefreshRequest{
		RefreshToken: sent, Subject: l.req.subject, Scopes: l.req.scopes, Audiences: l.req.audiences, LoginAudiences: l.audiences,
	})
	fresh := newRefreshToken(tokens, err)
	if fresh == "" && err == nil && spare {
		fresh = sent
	}
	if fresh != "" && (fresh != sent || spare) {
		if err := l.commit(ctx, fresh); err != nil {
			return nil, err
		}
	}
	return tokens, err
}

// newRefreshToken returns the refresh token of an answer, usable or not.
func newRefreshToken(tokens *oidcupstream.Tokens, err error) string {
	if tokens != nil {
		return tokens.RefreshToken
	}
	var unusable *oidcupstream.Error
	if errors.As(err, &unusable) {
		return unusable.RefreshToken()
	}
	return ""
}

// commit keeps a new refresh token: first in the spill, then in the store,
// however long that takes. It fails with an error for the client.
func (l *lease) commit(ctx context.Context, token string) error {
	i := l.r.i
	l.uncommitted = true
	failed := func(err error) error {
		return &UpstreamError{Status: http.StatusServiceUnavailable, Charged: true, Description: "the answer could not be kept", cause: err}
	}
	sealed, err := i.cfg.Seal.SealWith(store.RefreshTokenPlace(l.req.grant, l.gen+1), l.req.key, []byte(token))
	if err != nil {
		return failed(err)
	}
	c := store.Commit{Grant: l.req.grant, Lease: l.id, Generation: l.gen, Token: sealed, Now: store.At(i.now())}
	if err := l.r.spill.put(c); err != nil {
		i.notify(ctx, Notice{Kind: NoticeSpillFailed, Token: l.req.token, Grant: l.req.grant, Err: err})
	}
	told := false
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		step, cancel := context.WithTimeout(ctx, storeTimeout)
		err := i.ledger.CommitRefresh(step, c)
		cancel()
		switch {
		case err == nil:
			l.uncommitted = false
			l.r.spill.done(c.Lease)
			l.stored(ctx)
			return nil
		case errors.Is(err, store.ErrNotFound): // the user's data was deleted meanwhile
			l.r.spill.done(c.Lease)
			_ = i.revokeRefreshToken(ctx, l.req.provider, l.req.grant, token) // the observer is told
			return l.r.grantError(l.req, err)
		}
		if !told {
			i.notify(ctx, Notice{Kind: NoticeCommitFailed, Token: l.req.token, Grant: l.req.grant, Err: err})
			told = true
		}
		if store.IsDefinite(err) || sleep(l.r.halt, pause) != nil {
			return failed(err)
		}
	}
}

func (l *lease) stored(ctx context.Context) {
	i, upstream := l.r.i, l.req.provider.Upstream
	if !l.taken {
		i.rotating.add(upstream.Issuer())
		i.notify(ctx, Notice{Kind: NoticeUnexpectedRotation, Grant: l.req.grant, Detail: upstream.Issuer()})
	}
	i.notify(ctx, Notice{Kind: NoticeRefreshTokenStored, Token: l.req.token, Grant: l.req.grant})
}

// fail ends the lease after the provider gave no tokens, and says what that
// means for the request.
func (l *lease) fail(ctx context.Context, err error) error {
	var up *oidcupstream.Error
	if !errors.As(err, &up) {
		l.end(ctx, store.RefreshNotSent)
		return err
	}
	out := &UpstreamError{Status: http.StatusBadGateway, Code: up.Code, Description: up.Description, cause: up}
	switch {
	case up.InvalidGrant() && !l.taken:
		return up // not the last word
	case up.InvalidGrant():
		l.end(ctx, store.RefreshRefused)
		l.r.i.notify(ctx, Notice{Kind: NoticeGrantDead, Token: l.req.token, Grant: l.req.grant, Err: up})
		return &ReconnectError{Grant: l.req.grant}
	case up.Outcome == oidcupstream.Refused:
		l.end(ctx, store.RefreshUnknown)
		switch up.Code {
		case "invalid_scope", "invalid_target", "invalid_request", "access_denied":
			out.Status = http.StatusBadRequest
		}
	case errors.Is(up, oidcupstream.ErrRequest):
		l.end(ctx, store.RefreshNotSent)
		out.Status, out.Description = http.StatusBadRequest, cmp.Or(up.Description, "the request cannot be sent to the provider")
	case up.Outcome == oidcupstream.NotSent:
		l.end(ctx, store.RefreshNotSent)
		out.Status = http.StatusServiceUnavailable
	default:
		l.end(ctx, store.RefreshUnknown)
		out.Charged = true
	}
	return out
}

// end gives the lease back. If the store does not answer the lease lapses, and
// the next holder waits a little longer. So it does if a refresh token is still
// to be committed: only a lease that lapsed tells the next holder to wait for
// it, and a strict provider would take the old one for stolen.
func (l *lease) end(ctx context.Context, outcome store.Outcome) {
	if !l.taken || l.uncommitted {
		return
	}
	step, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	i := l.r.i
	gen := max(l.gen, 1) // the store may have taken the lease and not told the generation
	err := i.ledger.EndRefresh(step, l.req.grant, l.id, gen, outcome)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		i.cfg.Logger.WarnContext(ctx, "mytoken", "kind", "lease_not_ended", "error", err.Error())
	}
}

// sleep waits in real time, and less if the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
