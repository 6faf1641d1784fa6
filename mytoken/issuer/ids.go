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

// useID returns the id of a request with the token: a new one if the caller gave none.
// The same ID with another token is another request, so that nobody can use up, or ask
// about, the IDs of somebody else.
func (p *presented) useID(id UseID) UseID {
	if id.IsZero() {
		return NewUseID()
	}
	sum := derived("mytoken: request with token "+p.id.ID.String(), id, 0)
	return UseID(sum[:len(id)])
}

func newGrantID() (id GrantID) {
	rand.Read(id[:])
	return id
}
