package issuer

import (
	"crypto/subtle"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
)

// markLength is the number of letters of a mark: 39 bits.
const markLength = 7

// MarkCode appends letters to a code by which every issuer with the same server
// keys recognises, without asking the store, that one of them made it. An edge
// that limits guessing lets marked codes pass and so never stops those who hold
// one. A marked polling code still is shorter than any token (protocol section
// 1.11). The empty code stays empty.
func (i *Issuer) MarkCode(code mytoken.Secret) mytoken.Secret {
	if code.IsEmpty() {
		return code
	}
	return mytoken.NewSecret(code.Reveal() + i.marks(code.Reveal())[0])
}

// UnmarkCode returns the code without its mark, and whether it had one that is
// genuine. Without one, the code is returned as it is.
func (i *Issuer) UnmarkCode(marked mytoken.Secret) (code mytoken.Secret, genuine bool) {
	s := marked.Reveal()
	at := len(s) - markLength
	if at <= 0 || len(s) > maxCodeLength+markLength {
		return marked, false
	}
	ok := 0
	for _, mark := range i.marks(s[:at]) {
		ok |= subtle.ConstantTimeCompare([]byte(mark), []byte(s[at:]))
	}
	if ok != 1 {
		return marked, false
	}
	return mytoken.NewSecret(s[:at]), true
}

// marks are the marks of a code under each of the readable keys, the active one
// first.
func (i *Issuer) marks(code string) []string {
	ids := i.cfg.Seal.Lookup(store.TicketPolling, "mark "+code) // no code holds a space
	out := make([]string, len(ids))
	for n, id := range ids {
		mark := make([]byte, markLength)
		for at := range mark { // two bytes a letter, so that all are about as likely
			mark[at] = codeLetters[(int(id[2*at])<<8|int(id[2*at+1]))%len(codeLetters)]
		}
		out[n] = string(mark)
	}
	return out
}
