// Package turns lets those who read long lists take turns, so that no user keeps others
// from seeing and revoking their tokens.
package turns

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/terms"
)

// maxReaders is how many lists a process reads at once. Each of them holds one page of
// descriptions as the store has them, which are much larger than what the list keeps.
const maxReaders = 4

// maxOfToken is how many lists of one token may be read or wait.
const maxOfToken = 4

// ErrBusy says that it is not the caller's turn.
var ErrBusy = errors.New("turns: too many lists are being read")

// Turns keeps more than maxReaders lists and histories from being read at once, and more
// than one of a user. It refuses more than maxOfToken of a token, so that the holder of a
// stolen one delays its user only a little. It is safe for concurrent use.
type Turns struct {
	slots chan struct{}

	mu    sync.Mutex
	users map[terms.OwnerID]*user // those who read or wait
}

type user struct {
	turn   chan struct{}         // holds one value while a list of the user is read
	tokens map[terms.TokenID]int // lists that are read or wait, by token
}

// New returns Turns that nobody has taken yet.
func New() *Turns {
	return &Turns{slots: make(chan struct{}, maxReaders), users: make(map[terms.OwnerID]*user)}
}

// Enter waits for its turn, until the context ends or for the given time. Then it returns
// an error that wraps [ErrBusy]. The caller must call leave when the list is read. The
// token is zero if the embedding service asks.
func (t *Turns) Enter(ctx context.Context, owner terms.OwnerID, token terms.TokenID, most time.Duration) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	u := t.arrive(owner, token)
	if u == nil {
		return nil, ErrBusy
	}
	for n, turn := range []chan struct{}{u.turn, t.slots} {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			if n > 0 {
				<-u.turn
			}
			t.depart(owner, token)
			return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
		}
	}
	return func() {
		<-t.slots
		<-u.turn
		t.depart(owner, token)
	}, nil
}

// arrive returns nil if the token has too many lists.
func (t *Turns) arrive(owner terms.OwnerID, token terms.TokenID) *user {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.users[owner]
	if u == nil {
		u = &user{turn: make(chan struct{}, 1), tokens: make(map[terms.TokenID]int)}
		t.users[owner] = u
	}
	if !token.IsZero() && u.tokens[token] >= maxOfToken {
		return nil
	}
	u.tokens[token]++
	return u
}

func (t *Turns) depart(owner terms.OwnerID, token terms.TokenID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.users[owner]
	if u.tokens[token]--; u.tokens[token] == 0 {
		delete(u.tokens, token)
	}
	if len(u.tokens) == 0 {
		delete(t.users, owner)
	}
}
