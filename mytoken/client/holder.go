package client

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Holder uses the mytoken in a [TokenStore]. It is what a program should use instead
// of the methods of [Client] with the same names, because it survives rotation:
//
//   - The successor of a rotated token is saved before anything else is done with the
//     answer that brought it. If that fails, the answer is withheld.
//   - Uses of a token that rotates happen one after the other, over all processes that
//     share the store: a server may revoke the tree of a token of which it sees an
//     outdated generation.
//   - A token that the server refuses, while the store holds another one by now, is
//     replaced by that, and the request repeated.
//   - A use that may have rotated the token and whose answer is lost is repeated at
//     once: servers with a grace window then answer with the same successor. That is a
//     second use, and without it the token itself would be lost.
//   - A request that may rotate the token is waited for although its context ends, for
//     Config.Timeout at most.
//
// A Holder is safe for concurrent use.
type Holder struct {
	c     *Client
	store TokenStore

	mu sync.Mutex
	// unsaved is a successor that the store did not take, of a token that was in
	// it.
	unsaved, replaces Secret
}

// NewHolder returns a holder of the token in the store.
func (c *Client) NewHolder(store TokenStore) *Holder { return &Holder{c: c, store: store} }

// Client returns the client that the holder uses.
func (h *Holder) Client() *Client { return h.c }

// maxRepeats bounds how often a use is repeated because its answer was lost, or
// because another process was faster.
const maxRepeats = 3

// held makes one use of the token.
func held[T any](ctx context.Context, h *Holder, u use, call func(context.Context, *Client, Secret) (T, *Token, error)) (T, error) {
	var none T
	token, err := h.load(ctx)
	if err != nil {
		return none, err
	}
	c, exclusive := h.c, rotates(token) || h.isUnsaved(token)
	if exclusive {
		unlock, err := h.store.Lock(ctx)
		if err != nil {
			return none, err
		}
		defer unlock()
		if token, err = h.current(ctx); err != nil {
			return none, err
		}
	}
	rotating := exclusive && mayRotate(token, u)
	if rotating {
		c = c.finishing()
	}
	for attempt := 1; ; attempt++ {
		out, update, err := call(ctx, c, token)
		if update != nil {
			if err := h.replace(ctx, token, update, exclusive); err != nil {
				return none, err
			}
		}
		if err == nil {
			return out, nil
		}
		next, again := h.recover(ctx, token, err, rotating && update == nil, attempt)
		if !again {
			return none, err
		}
		token = next
	}
}

// recover says with which token a use that failed is repeated.
func (h *Holder) recover(ctx context.Context, token Secret, err error, rotating bool, attempt int) (next Secret, again bool) {
	if attempt > maxRepeats || ctx.Err() != nil {
		return token, false
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeInvalidToken {
		next, err := h.load(ctx)
		return next, err == nil && !next.Equal(token)
	}
	if !rotating || !answerLost(err) {
		return token, false
	}
	return token, sleep(ctx, h.c.cfg.Clock, backOff(attempt, mostWait)) == nil
}

// answerLost: the server may have done what was asked for.
func answerLost(err error) bool {
	if lost, ok := errors.AsType[*NetworkError](err); ok {
		return lost.Sent
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status >= http.StatusInternalServerError && !notActedOn(e)
	}
	_, ok := errors.AsType[*AnswerError](err)
	return ok
}

// load returns the token to use: the successor that the store did not take, as long
// as nobody else has put another one there.
func (h *Holder) load(ctx context.Context) (Secret, error) {
	token, err := h.store.Load(ctx)
	if err != nil {
		return token, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.unsaved.IsEmpty() && token.Equal(h.replaces) {
		return h.unsaved, nil
	}
	return token, nil
}

// current is load under the lock; it tries again to save what could not be saved.
func (h *Holder) current(ctx context.Context) (Secret, error) {
	token, err := h.load(ctx)
	if err != nil {
		return token, err
	}
	if h.isUnsaved(token) {
		if err := h.store.Save(ctx, token); err != nil {
			return token, &SaveError{err}
		}
	}
	h.keep(Secret{}, Secret{})
	return token, nil
}

func (h *Holder) isUnsaved(token Secret) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.unsaved.IsEmpty() && h.unsaved.Equal(token)
}

func (h *Holder) keep(unsaved, replaces Secret) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsaved, h.replaces = unsaved, replaces
}

// saveTimeout bounds saving: a successor is saved although the context of the use has
// ended.
const saveTimeout = 30 * time.Second

// replace saves the successor of a token.
func (h *Holder) replace(ctx context.Context, token Secret, update *Token, locked bool) error {
	if update.Token.IsEmpty() {
		return &AnswerError{Operation: "rotation", Reason: "the successor of the token is empty"}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if !locked { // the token did not say that it rotates
		unlock, err := h.store.Lock(ctx)
		if err != nil {
			h.keep(update.Token, token)
			return &SaveError{err}
		}
		defer unlock()
		if stored, err := h.store.Load(ctx); err == nil && !stored.Equal(token) {
			return nil // somebody else has saved a later one
		}
	}
	if err := h.store.Save(ctx, update.Token); err != nil {
		h.keep(update.Token, token)
		return &SaveError{err}
	}
	return nil
}
