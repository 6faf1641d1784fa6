package client

import (
	"context"

	"github.com/mytoken-go/sdk/mytoken"
)

// TokenStore keeps one mytoken for all who use it. The token may be rotated by any of
// them: whoever uses it holds the lock from before it loads the token until it has
// saved the successor.
//
// All methods may be called concurrently.
type TokenStore interface {
	// Load returns the token, or an error that wraps [ErrNoToken] if there is
	// none. It may be called without the lock.
	Load(context.Context) (mytoken.Secret, error)
	// Save replaces the token. When it returns nil, the token survives a crash;
	// when it fails, the old one is still there or the new one is. Its caller
	// holds the lock.
	Save(context.Context, mytoken.Secret) error
	// Lock waits until it is the only holder of the lock, among all processes
	// that use the store, or until the context ends. A lock ends with its
	// process. unlock is called once.
	Lock(context.Context) (unlock func(), err error)
}

// MemoryStore keeps a mytoken in memory: for tests, and for programs that keep it
// elsewhere. Use [NewMemoryStore].
type MemoryStore struct {
	lock  chan struct{}
	token chan mytoken.Secret
}

// NewMemoryStore returns a store that holds the token; the empty secret is none.
func NewMemoryStore(token mytoken.Secret) *MemoryStore {
	s := &MemoryStore{lock: make(chan struct{}, 1), token: make(chan mytoken.Secret, 1)}
	s.token <- token
	return s
}

// Load returns the token.
func (s *MemoryStore) Load(context.Context) (mytoken.Secret, error) {
	token := <-s.token
	s.token <- token
	if token.IsEmpty() {
		return token, ErrNoToken
	}
	return token, nil
}

// Save replaces the token.
func (s *MemoryStore) Save(_ context.Context, token mytoken.Secret) error {
	<-s.token
	s.token <- token
	return nil
}

// Lock waits for the lock.
func (s *MemoryStore) Lock(ctx context.Context) (unlock func(), err error) {
	select {
	case s.lock <- struct{}{}:
		return func() { <-s.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
