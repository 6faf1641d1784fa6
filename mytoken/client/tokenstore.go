package client

import (
	"context"

	"github.com/mytoken-go/sdk/mytoken"
)

// TokenStore keeps one mytoken for all programs that use it. Each use may rotate the
// token. So a program takes the lock before it loads the token, and holds it until it has
// saved the successor.
//
// All methods may be called concurrently.
type TokenStore interface {
	// Load returns the token. If there is none, the error wraps [ErrNoToken]. Callers
	// need not hold the lock.
	Load(context.Context) (mytoken.Secret, error)
	// Save replaces the token. Once it has returned nil, the token survives a crash. If
	// it returns an error, the store holds the old token or the new one. The caller holds
	// the lock.
	Save(context.Context, mytoken.Secret) error
	// Lock waits until the caller has the lock. Only one caller, of all processes that
	// use the store, has it at a time. Lock returns an error if the context ends first. A
	// process that ends releases the lock. The caller calls unlock once.
	Lock(context.Context) (unlock func(), err error)
}

// SaveChecker is a [TokenStore] that can tell beforehand that Save will fail. A [Holder]
// asks it before each use that may rotate the token. If CheckSave returns an error, the
// holder does not use the token and returns an [*UnsavableError]. The caller holds the
// lock, unless Lock has failed.
type SaveChecker interface {
	CheckSave(context.Context) error
}

// MemoryStore keeps a mytoken in memory. It serves tests, and programs that store the
// token elsewhere. Use [NewMemoryStore]. Its methods do what [TokenStore] promises,
// except that nothing survives a crash.
type MemoryStore struct {
	lock  chan struct{}
	token chan mytoken.Secret
}

// NewMemoryStore returns a store that holds the token. The empty secret means no token.
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
