package issuer

import (
	"crypto/rand"

	"github.com/mytoken-go/sdk/store"
)

// UseID names a request, so that it can be repeated. See [NewUseID].
type UseID = store.UseID

// GrantID names a login: one refresh token, and the tree of tokens that share it.
type GrantID = store.GrantID

// Cleaned counts the rows that [Issuer.Sweep] deleted.
type Cleaned = store.Cleaned

// NewUseID draws an ID for a request. Store it with the request if the request may be
// repeated by another process.
func NewUseID() (id UseID) {
	rand.Read(id[:]) // never fails
	return id
}

// useID returns the caller's ID, or a new one.
func useID(id UseID) UseID {
	if id.IsZero() {
		return NewUseID()
	}
	return id
}

func newGrantID() (id GrantID) {
	rand.Read(id[:])
	return id
}
