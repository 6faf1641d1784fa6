package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
)

// Holder uses the mytoken in a [TokenStore]. Programs should use it instead of the
// methods of [Client] with the same names, because it survives rotation:
//
//   - Before a use that may rotate the token, it asks the store whether it could save the
//     successor (see [SaveChecker]). If not, it returns an [*UnsavableError] and does not
//     use the token. It asks the server by introspection, which is no use, whether a short
//     token rotates at all.
//   - It saves the successor of a rotated token before it returns the answer that came
//     with it. If saving fails, it returns a [*SaveError] and no answer.
//   - It makes uses of a rotating token one after the other, over all processes that
//     share the store. A server may revoke the whole tree when it sees an outdated
//     generation.
//   - If the server refuses a token, and the store has another one by then, it repeats
//     the request with that one.
//   - If the answer to a use is lost, and the use may have rotated the token, it repeats
//     the use at once. Servers with a grace period then answer with the same successor.
//     At a server without [Metadata].IdempotencyKeys this counts as a second use; without
//     it, the token itself would be lost.
//   - It waits for a request that may rotate the token even if its context ends, for
//     Config.Timeout at most.
//
// A Holder is safe for concurrent use.
type Holder struct {
	c     *Client
	store TokenStore

	mu sync.Mutex
	// unsaved is a successor that the store failed to save. It replaces a token that was
	// in the store.
	unsaved, replaces mytoken.Secret
	// fixed is a token that never rotates, as the server said.
	fixed mytoken.Secret
}

// NewHolder returns a holder of the token in the store.
func (c *Client) NewHolder(store TokenStore) *Holder { return &Holder{c: c, store: store} }

// Client returns the client that the holder uses.
func (h *Holder) Client() *Client { return h.c }

// maxRepeats bounds how often a holder repeats a use, because its answer was lost or
// another process was faster. Repetitions by the client after lost answers count too.
const maxRepeats = 3

// held makes one use of the token. update finds the token's successor in an answer; it is
// nil for uses that never rotate a token.
func held[T any](ctx context.Context, h *Holder, u use, update func(T) *mytoken.Issued, call func(*Client, context.Context, mytoken.Secret) (T, error)) (T, error) {
	var none T
	key := useOf(ctx) // all requests are one use, whichever generation they present
	ctx = withUse(ctx, nil)
	token, err := h.load(ctx)
	if err != nil {
		return none, err
	}
	c, exclusive := h.c, rotates(token) || h.isUnsaved(token)
	if exclusive {
		unlock, err := h.lock(ctx)
		if err != nil {
			if exclusive, err = h.withoutLock(ctx, token, u, err); err != nil {
				return none, err
			}
		} else {
			defer unlock()
			if token, err = h.current(ctx); err != nil {
				return none, err
			}
		}
	}
	rotating := exclusive && mayRotate(token, u)
	if rotating {
		if err := h.checkSave(ctx); err == nil {
			c = c.finishing()
		} else if rotating = !h.isFixed(ctx, token); rotating {
			return none, err
		}
	}
	for attempt := 1; ; attempt++ {
		out, err := call(c, withUse(ctx, key), token)
		successor := updateIn(err)
		if err == nil && update != nil {
			successor = update(out)
		}
		if successor != nil {
			if err := h.replace(ctx, token, successor, exclusive); err != nil {
				return none, err
			}
		}
		if err == nil {
			return out, nil
		}
		next, again := h.recover(ctx, key, token, err, rotating && successor == nil, attempt)
		if !again {
			return none, err
		}
		token = next
	}
}

// impatient marks the context of a program that asks again anyway.
type impatient struct{}

// lockPatience is how long such a program waits for the lock.
const lockPatience = 2 * time.Minute

var errLockKept = errors.New("client: another process has kept the lock of the mytoken for two minutes: it may be suspended")

// lock takes the lock of the store. Its context lasts until the caller gives the lock
// back, because the lock may depend on it.
func (h *Holder) lock(ctx context.Context) (func(), error) {
	if ctx.Value(impatient{}) == nil {
		return h.store.Lock(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	patience := time.AfterFunc(lockPatience, func() { cancel(errLockKept) })
	unlock, err := h.store.Lock(ctx)
	patience.Stop()
	if err != nil {
		if errors.Is(context.Cause(ctx), errLockKept) {
			err = fmt.Errorf("%w: %w", errLockKept, err)
		}
		cancel(nil)
		return nil, err
	}
	return func() { unlock(); cancel(nil) }, nil
}

// withoutLock decides about a use for which the store gave no lock. A token that never
// rotates needs none.
func (h *Holder) withoutLock(ctx context.Context, token mytoken.Secret, u use, cause error) (exclusive bool, err error) {
	unsavable := h.checkSave(ctx)
	switch {
	case unsavable == nil:
		return true, cause
	case h.isFixed(ctx, token):
		return false, nil
	case mayRotate(token, u):
		return true, unsavable
	}
	return true, cause
}

// isFixed asks the server whether a token never rotates that does not tell itself, such as
// a short token. Without an answer, it may rotate.
func (h *Holder) isFixed(ctx context.Context, token mytoken.Secret) bool {
	if _, readable := peekRotation(token.Reveal()); readable {
		return false // or else nobody would ask
	}
	h.mu.Lock()
	known := h.fixed
	h.mu.Unlock()
	if !known.IsEmpty() && known.Equal(token) {
		return true
	}
	info, err := h.c.Introspect(ctx, token)
	if err != nil || !info.Valid {
		return false
	}
	if r := info.Claims.Rotation; r != nil && (r.OnAT || r.OnOther) {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fixed = token
	return true
}

// checkSave asks the store whether it could save a successor.
func (h *Holder) checkSave(ctx context.Context) error {
	if store, ok := h.store.(SaveChecker); ok {
		if err := store.CheckSave(ctx); err != nil {
			return &UnsavableError{err}
		}
	}
	return nil
}

// recover decides whether to repeat a failed use, and with which token.
func (h *Holder) recover(ctx context.Context, key *useKey, token mytoken.Secret, err error, rotating bool, attempt int) (next mytoken.Secret, again bool) {
	if attempt > maxRepeats || ctx.Err() != nil {
		return token, false
	}
	if IsCode(err, CodeInvalidToken) {
		next, err := h.load(ctx)
		return next, err == nil && !next.Equal(token)
	}
	sent, keyed := key.state()
	if !rotating || !sent || !answerLost(err) {
		return token, false
	}
	if keyed && (attempt+1)*h.c.cfg.Attempts > maxRepeats+1 {
		return token, false // the client has repeated it
	}
	return token, sleep(ctx, h.c.cfg.Clock, backOff(attempt, mostWait)) == nil
}

// answerLost reports whether the server may have acted on the request although the caller
// got no usable answer.
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

// load returns the token to use: the one in the store, or the successor of it that the
// store failed to save.
func (h *Holder) load(ctx context.Context) (mytoken.Secret, error) {
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

// current does what load does, under the lock. It also tries again to save an unsaved
// successor.
func (h *Holder) current(ctx context.Context) (mytoken.Secret, error) {
	token, err := h.load(ctx)
	if err != nil {
		return token, err
	}
	if h.isUnsaved(token) {
		if err := h.store.Save(ctx, token); err != nil {
			return token, &SaveError{err}
		}
	}
	h.keep(mytoken.Secret{}, mytoken.Secret{})
	return token, nil
}

func (h *Holder) isUnsaved(token mytoken.Secret) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.unsaved.IsEmpty() && h.unsaved.Equal(token)
}

func (h *Holder) keep(unsaved, replaces mytoken.Secret) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsaved, h.replaces = unsaved, replaces
}

// saveTimeout bounds saving. A holder saves a successor even if the context of the use
// has ended.
const saveTimeout = 30 * time.Second

// replace saves the successor of a token.
func (h *Holder) replace(ctx context.Context, token mytoken.Secret, update *mytoken.Issued, locked bool) error {
	if update.Token.IsEmpty() {
		return &AnswerError{Operation: "rotate the mytoken", Reason: "the successor in the answer is empty"}
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
	}
	if stored, err := h.store.Load(ctx); err == nil && !stored.Equal(token) {
		return nil // another process has saved a later one, or the user has logged in again
	}
	if err := h.store.Save(ctx, update.Token); err != nil {
		h.keep(update.Token, token)
		return &SaveError{err}
	}
	return nil
}
