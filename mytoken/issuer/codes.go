package issuer

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// codeLetters are the letters of codes and short tokens: all ASCII letters except l, I
// and O (protocol section 1.7).
const codeLetters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"

const (
	// minTokenLength is the least length of a token, in bytes. A shorter string is a code
	// (protocol section 1.11).
	minTokenLength = 32
	// maxCodeLength bounds codes, in bytes. States are the longest.
	maxCodeLength = 64

	pollingCodeBytes = 18 // 144 bits, 24 characters
	stateBytes       = 24 // 192 bits, 32 characters
)

// randomLetters returns n letters. Each letter has the same probability.
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

// isCode reports whether a text may be a code. Codes hold no space, so that a name with a
// space in front of a code stands for something else.
func isCode(text string) bool {
	return text != "" && len(text) <= maxCodeLength && !strings.Contains(text, " ")
}

// codeRef names a new code under the active look-up key.
func (i *Issuer) codeRef(kind store.TicketKind, code string) store.TicketRef {
	return store.TicketRef{Kind: kind, ID: i.cfg.Seal.Lookup(kind, code)[0]}
}

// codeError translates the errors of the store about a code.
func codeError(err error) error {
	switch {
	case errors.Is(err, store.ErrTicketExpired):
		return &CodeError{Reason: CodeExpired}
	case errors.Is(err, store.ErrTicketNotFound), errors.Is(err, store.ErrTicketTaken):
		return &CodeError{Reason: CodeUnknown}
	case errors.Is(err, store.ErrConflict):
		return &CodeError{Reason: CodePending}
	}
	return err
}

// sealJSON seals a value for openJSON.
func (i *Issuer) sealJSON(place store.Place, key seal.InnerKey, v any) (store.Sealed, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return i.cfg.Seal.SealWith(place, key, plain)
}

// openJSON reads a value that sealJSON sealed.
func (i *Issuer) openJSON(place store.Place, key seal.InnerKey, sealed store.Sealed, into any) error {
	plain, err := i.cfg.Seal.OpenWith(place, key, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, into)
}

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
