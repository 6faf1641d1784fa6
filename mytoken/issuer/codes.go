package issuer

import (
	"crypto/rand"
	"encoding/base64"

	"github.com/mytoken-go/sdk/store"
)

// codeLetters are the letters of codes and short tokens: all ASCII letters but
// l, I and O (protocol section 1.7).
const codeLetters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"

// minTokenLength is the length, in bytes, below which a string is a code and
// never a token (protocol section 1.11).
const minTokenLength = 32

// randomLetters returns n letters, each with the same probability.
func randomLetters(n int) string {
	const limit = 256 - 256%len(codeLetters)
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		rand.Read(buf[:]) // never fails, never returns short
		for _, b := range buf {
			if int(b) < limit && len(out) < n {
				out = append(out, codeLetters[int(b)%len(codeLetters)])
			}
		}
	}
	return string(out)
}

// randomURLSafe returns n random bytes in unpadded base64url.
func randomURLSafe(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// NewUseID draws an id for a request, so that it can be repeated.
func NewUseID() (id store.UseID) {
	rand.Read(id[:])
	return id
}

func newLeaseID() (id store.LeaseID) {
	rand.Read(id[:])
	return id
}

func newGrantID() (id store.GrantID) {
	rand.Read(id[:])
	return id
}

// useID returns the caller's id, or a new one.
func useID(id store.UseID) store.UseID {
	if id.IsZero() {
		return NewUseID()
	}
	return id
}
