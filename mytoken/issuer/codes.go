package issuer

import (
	"crypto/rand"
	"encoding/base64"
	"errors"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/store"
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

// unmarshal reads what was sealed in the store.
func unmarshal(data []byte, into any) error {
	if len(data) == 0 {
		return errors.New("issuer: nothing is stored")
	}
	return json.Unmarshal(data, into)
}
