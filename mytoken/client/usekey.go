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
	mu    sync.Mutex
	text  string
	sent  bool // a request with it may have reached the server since the last begin
	keyed bool // the server of the last one counts all requests with it once
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

// begin forgets whether a request with the key was sent.
func (k *useKey) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent = false
}

// goesTo notes that a request with the key is sent. keyed says that the server counts all
// requests with it once.
func (k *useKey) goesTo(keyed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent, k.keyed = true, keyed
}

// state returns whether a request with the key was sent, and whether the server knows
// keys.
func (k *useKey) state() (sent, keyed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sent, k.keyed
}

type useKeyOf struct{}

// withUse returns a context for requests that are one use. Without a key, each request is
// a use of its own.
func withUse(ctx context.Context, k *useKey) context.Context {
	return context.WithValue(ctx, useKeyOf{}, k)
}

// useOf returns the key of the context, or a new one.
func useOf(ctx context.Context) *useKey {
	if k, ok := ctx.Value(useKeyOf{}).(*useKey); ok && k != nil {
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
