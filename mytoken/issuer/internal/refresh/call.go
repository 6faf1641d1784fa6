package refresh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// question is what a request asks the provider for.
type question struct{ scopes, audiences []string }

func (q question) key() string { return setKey(q.scopes) + setKey(q.audiences) }

// known returns what the provider gave before, as far as anybody knows: the scopes that
// worked last; and no scopes, and so those of the login. Either may fail alone: consent for
// one scope is taken back, or the provider demands to be asked for some. They name no
// audience, because those that worked are not recorded, and none is more than the login
// asked for.
func known(state store.RefreshState) []question {
	if state.Worked == "" {
		return []question{{}}
	}
	return []question{{scopes: strings.Fields(state.Worked)}, {}}
}

// asking is what the request of the lease asks for.
func (l *lease) asking() question { return question{l.req.Scopes, l.req.Audiences} }

// tries is what a lease has asked the provider for one question.
type tries struct {
	tokens map[string]bool // sealed
	err    error           // the last one
}

func (l *lease) triesOf(q question) *tries {
	if l.tries == nil {
		l.tries = make(map[string]*tries)
	}
	key := q.key()
	if l.tries[key] == nil {
		l.tries[key] = &tries{tokens: make(map[string]bool)}
	}
	return l.tries[key]
}

// refresh asks the provider, keeps a new refresh token, and ends the lease. The context
// must be one that no client can cancel.
//
// A refusal (invalid_grant) may be about what was asked for. Then refresh asks for what is
// known to have worked. If that works, this request alone is refused. If that is refused
// too, with every refresh token that there is, the grant is suspect; see [lease.suspect]. A
// grant that is suspect already is asked for what is known first, and for what the request
// wants if all of that is refused.
func (l *lease) refresh(ctx context.Context, state store.RefreshState) (*oidcupstream.Tokens, error) {
	defer endOnPanic(ctx, &l, store.RefreshUnknown)
	l.state = state
	asked, questions := l.asking(), known(state)
	if l.taken && state.Suspect.Refusals > 0 {
		questions = append(questions, asked)
	} else {
		tokens, err := l.askCurrent(ctx, asked)
		if !isInvalidGrant(err) || !l.taken { // without a lease it is asked again
			return tokens, l.conclude(ctx, asked, err)
		}
	}
	tokens, err := l.prove(ctx, questions)
	switch {
	case err != nil:
		return nil, l.conclude(ctx, asked, err)
	case l.proof.key() == asked.key():
		return tokens, l.conclude(ctx, asked, nil)
	}
	tries := l.triesOf(asked)
	if err = tries.err; !tries.tokens[string(l.sent)] { // the ones before were not the right refresh token
		tokens, err = l.askCurrent(ctx, asked)
	}
	if err != nil {
		return nil, l.conclude(ctx, asked, l.unlessKnownWorks(err))
	}
	return tokens, l.conclude(ctx, asked, nil)
}

// prove asks the questions, each with every refresh token, until one works. That is the
// proof then. If each is refused, prove returns an invalid_grant among the refusals, or
// else the last one.
func (l *lease) prove(ctx context.Context, questions []question) (*oidcupstream.Tokens, error) {
	var refusal error
	for _, q := range questions {
		tokens, err := l.askAll(ctx, q)
		switch {
		case err == nil:
			l.proof = &q
			return tokens, nil
		case !isRefusal(err):
			return nil, err
		case isInvalidGrant(err) || !isInvalidGrant(refusal):
			refusal = err
		}
	}
	return nil, refusal
}

// askCurrent asks with the current refresh token. While the provider refuses it and
// another process, or a new login, has stored another one, askCurrent asks again.
func (l *lease) askCurrent(ctx context.Context, q question) (*oidcupstream.Tokens, error) {
	return l.askEach(ctx, q, false)
}

// askAll is askCurrent, and also asks with each spare.
func (l *lease) askAll(ctx context.Context, q question) (*oidcupstream.Tokens, error) {
	return l.askEach(ctx, q, true)
}

func (l *lease) askEach(ctx context.Context, q question, spares bool) (*oidcupstream.Tokens, error) {
	tries := l.triesOf(q)
	for {
		if l.asked { // the lease must outlast this call, too
			if err := l.reread(ctx); err != nil {
				return nil, storeFailure(err) // there may be others, but nobody can tell
			}
		}
		candidate, spare, found := untried(l.state, tries.tokens)
		if !found || spare && !spares {
			return nil, tries.err
		}
		tries.tokens[string(candidate.Token)] = true
		token, err := l.open(candidate)
		if err != nil && spare { // the other ones may still work
			l.r.Logger.ErrorContext(ctx, "mytoken", "kind", "spare_not_readable", "error", errtext.ForLog(err))
			continue
		} else if err != nil {
			return nil, err
		}
		l.asked, l.sent = true, candidate.Token
		tokens, err := l.attempt(ctx, q, token, spare)
		tries.err = err
		if !isInvalidGrant(err) {
			return tokens, err
		}
		if !l.replayed {
			l.replay(ctx)
			l.replayed = true
		}
	}
}

// reread reads the state of the grant again, and prolongs the lease.
func (l *lease) reread(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.r.StepTimeout)
	defer cancel()
	state, err := l.read(ctx)
	if err == nil {
		l.state = state
	}
	return err
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

// isRefusal reports whether a question was refused, or cannot be asked, so that another one
// may still work.
func isRefusal(err error) bool {
	up, ok := errors.AsType[*oidcupstream.Error](err)
	return ok && (up.Outcome == oidcupstream.Refused || errors.Is(up, oidcupstream.ErrRequest))
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
func (l *lease) attempt(ctx context.Context, q question, sent string, spare bool) (*oidcupstream.Tokens, error) {
	tokens, err := l.req.Provider.Refresh(ctx, oidcupstream.RefreshRequest{
		RefreshToken: sent, Subject: l.req.Subject, Scopes: q.scopes, Audiences: q.audiences, LoginAudiences: LoginAudiences(l.state),
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
		done := err == nil && q.key() == l.asking().key()
		if err := l.commit(ctx, fresh, done); err != nil {
			return nil, err
		}
	} else if err == nil && !l.taken {
		l.r.rotates.LoadOrStore(l.req.Provider.Issuer(), false)
	}
	if tokens != nil && tokens.RefreshToken == "" { // it is not replaced
		tokens.RefreshToken = sent
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
// the store accepts or refuses the token, or until Close stops waiting. If the refresh is
// done, the same step ends the lease. Its errors are for the client.
func (l *lease) commit(ctx context.Context, token string, done bool) error {
	l.uncommitted = true
	sealed, err := l.r.Seal.SealWith(store.RefreshTokenPlace(l.req.Grant, l.state.Generation+1), l.req.Key, []byte(token))
	if err != nil {
		return notKept(err)
	}
	c := store.Commit{Grant: l.req.Grant, Lease: l.id, Generation: l.state.Generation, Token: sealed, Now: store.At(l.r.Clock())}
	if done && l.taken {
		c.Ends, c.Worked = true, joined(l.req.Scopes)
	}
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
			l.uncommitted, l.committed, l.ended = false, true, c.Ends
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
			return notKept(err)
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
