package refresh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// refresh asks the provider, keeps a new refresh token, and ends the lease. The context
// must be one that no client can cancel.
//
// While the provider refuses, refresh tries every refresh token that it has not tried
// yet: one that another process or a new login stored meanwhile, and the spares.
func (l *lease) refresh(ctx context.Context, state store.RefreshState) (*oidcupstream.Tokens, error) {
	defer l.endOnPanic(ctx, store.RefreshUnknown)
	var refused error
	tried := make(map[string]bool)
	for {
		l.generation, l.audiences = state.Generation, LoginAudiences(state)
		candidate, spare, found := untried(state, tried)
		if !found {
			return nil, l.fail(ctx, refused)
		}
		tried[string(candidate.Token)] = true
		token, err := l.open(candidate)
		if err != nil && spare { // the other ones may still work
			l.r.Logger.ErrorContext(ctx, "mytoken", "kind", "spare_not_readable", "error", errtext.ForLog(err))
			continue
		} else if err != nil {
			return nil, l.fail(ctx, err)
		}
		tokens, err := l.attempt(ctx, token, spare)
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
			return nil, l.fail(ctx, storeFailure(err)) // there may be others, but nobody can tell
		}
	}
}

// untried returns the current refresh token if it was not tried, and else the newest such
// spare.
func untried(state store.RefreshState, tried map[string]bool) (candidate store.Spare, spare, found bool) {
	if !tried[string(state.Token)] {
		return store.Spare{Generation: state.Generation, Token: state.Token}, false, true
	}
	for _, s := range state.Spares {
		if !tried[string(s.Token)] {
			return s, true, true
		}
	}
	return store.Spare{}, false, false
}

func isInvalidGrant(err error) bool {
	up, ok := errors.AsType[*oidcupstream.Error](err)
	return ok && up.InvalidGrant()
}

func (l *lease) open(s store.Spare) (string, error) {
	plain, err := l.r.Seal.OpenWith(store.RefreshTokenPlace(l.req.Grant, s.Generation), l.req.Key, s.Token)
	if err != nil {
		return "", fmt.Errorf("issuer: the stored refresh token cannot be opened: %w", err)
	}
	return string(plain), nil
}

// attempt makes one call to the provider. A new refresh token is committed before attempt
// returns, unless it is somebody else's. A spare that works becomes the current refresh
// token.
func (l *lease) attempt(ctx context.Context, sent string, spare bool) (*oidcupstream.Tokens, error) {
	tokens, err := l.req.Provider.Refresh(ctx, oidcupstream.RefreshRequest{
		RefreshToken: sent, Subject: l.req.Subject, Scopes: l.req.Scopes, Audiences: l.req.Audiences, LoginAudiences: l.audiences,
	})
	fresh := newRefreshToken(tokens, err)
	if errors.Is(err, oidcupstream.ErrSubject) {
		l.quarantine(ctx, sent, fresh, err)
		return nil, err
	}
	if fresh == "" && err == nil && spare {
		fresh = sent
	}
	if fresh != "" && (fresh != sent || spare) {
		if err := l.commit(ctx, fresh); err != nil {
			return nil, err
		}
	} else if err == nil && !l.taken {
		l.r.rotates.LoadOrStore(l.req.Provider.Issuer(), false)
	}
	return tokens, err
}

// newRefreshToken returns the refresh token of an answer, even if the rest of it is of no
// use.
func newRefreshToken(tokens *oidcupstream.Tokens, err error) string {
	if tokens != nil {
		return tokens.RefreshToken
	}
	if unusable, ok := errors.AsType[*oidcupstream.Error](err); ok {
		return unusable.RefreshToken()
	}
	return ""
}

// commit keeps a new refresh token: first in the spill, then in the store. It tries until
// the store accepts or refuses the token, or until Close stops waiting. Its errors are
// for the client.
func (l *lease) commit(ctx context.Context, token string) error {
	l.uncommitted = true
	failed := func(err error) error {
		return notKept(err)
	}
	sealed, err := l.r.Seal.SealWith(store.RefreshTokenPlace(l.req.Grant, l.generation+1), l.req.Key, []byte(token))
	if err != nil {
		return failed(err)
	}
	c := store.Commit{Grant: l.req.Grant, Lease: l.id, Generation: l.generation, Token: sealed, Now: store.At(l.r.Clock())}
	// A crash before the next line loses the refresh token: it was in this process alone.
	// After it, Recover or the next holder of the lease finds it in the spill.
	if err := l.r.spill.put(c); err != nil {
		l.notify(ctx, Event{Kind: SpillFailed, Err: err})
	}
	told := false
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		step, cancel := context.WithTimeout(ctx, l.r.StepTimeout)
		err := l.r.Ledger.CommitRefresh(step, c)
		cancel()
		switch {
		case err == nil:
			l.uncommitted = false
			l.r.spill.done(c.Lease)
			l.stored(ctx)
			return nil
		case errors.Is(err, store.ErrNotFound): // the data of the user was deleted meanwhile
			l.r.spill.done(c.Lease)
			l.r.Revoke(ctx, l.req.Provider, l.req.Grant, token)
			return storeFailure(err)
		}
		if !told {
			l.notify(ctx, Event{Kind: CommitFailed, Err: err})
			told = true
			if l.unkept != nil {
				l.unkept(err)
			}
		}
		if store.IsDefinite(err) || Sleep(l.r.halt, pause) != nil {
			return failed(err)
		}
	}
}

func (l *lease) stored(ctx context.Context) {
	if !l.taken {
		issuer := l.req.Provider.Issuer()
		l.r.rotates.Store(issuer, true)
		l.r.Notify(ctx, Event{Kind: UnexpectedRotation, Grant: l.req.Grant, Detail: issuer})
	}
	l.notify(ctx, Event{Kind: TokenStored})
}

// fail ends the lease after the provider gave no tokens. It returns the error for the
// request.
func (l *lease) fail(ctx context.Context, err error) error {
	up, ok := errors.AsType[*oidcupstream.Error](err)
	switch {
	case !ok:
		l.end(ctx, store.RefreshNotSent)
		return err
	case up.InvalidGrant() && !l.taken:
		return up // asked again under a lease
	case up.InvalidGrant():
		l.end(ctx, store.RefreshRefused)
		l.notify(ctx, Event{Kind: GrantDead, Err: up})
		return &Failure{Reason: Ended}
	}
	failure, outcome := upstreamFailure(up)
	l.end(ctx, outcome)
	return failure
}
