package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"
)

// useKey names a request that counts as a use, in the header Idempotency-Key (protocol
// section 5.0.9). Servers that know the header count all requests with the same key once.
// Others ignore it.
type useKey struct {
	mu   sync.Mutex
	text string
}

func newUseKey() *useKey {
	k := new(useKey)
	k.renew()
	return k
}

// renew draws another key, for another use.
func (k *useKey) renew() {
	var random [16]byte
	rand.Read(random[:]) // never fails
	k.mu.Lock()
	defer k.mu.Unlock()
	k.text = hex.EncodeToString(random[:])
}

// header returns the key as a string of RFC 9651.
func (k *useKey) header() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return `"` + k.text + `"`
}

type useKeyOf struct{}

// withUse returns a context for requests that are one use.
func withUse(ctx context.Context, k *useKey) context.Context {
	return context.WithValue(ctx, useKeyOf{}, k)
}

// useOf returns the key of the context, or a new one.
func useOf(ctx context.Context) *useKey {
	if k, ok := ctx.Value(useKeyOf{}).(*useKey); ok {
		return k
	}
	return newUseKey()
}

// keyIsOver reports whether the server says that a key cannot be used again. It did
// nothing for the request.
func keyIsOver(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusUnprocessableEntity && e.Code == CodeInvalidRequest
}
