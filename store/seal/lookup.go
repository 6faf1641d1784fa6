package seal

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/mytoken-go/sdk/store"
)

// MinShortToken is the least length of a short token, in bytes (protocol section 1.7). A
// short token has to be hard to guess, because [ShortTokenID] uses no key.
const MinShortToken = 32

// Lookup returns the ids under which a code of that kind may be stored. Store new codes
// under the first id, which belongs to the active key. The other keys of the ring follow
// with one id each. Codes are short, so their ids depend on a key. Otherwise a thief of
// the database could find the codes by trying them all.
//
// Lookup returns no id for a nil or zero Ring, for an empty code, for kind 0, and for
// short tokens, which have a [ShortTokenID]. ResolveTicket finds no ticket without an id.
func (r *Ring) Lookup(kind store.TicketKind, code string) []store.TicketID {
	if r == nil || code == "" || kind == 0 || kind == store.TicketShort {
		return nil
	}
	message := append([]byte{byte(kind)}, code...)
	ids := make([]store.TicketID, 0, len(r.lookups))
	for _, k := range r.lookups {
		mac := hmac.New(sha256.New, k())
		mac.Write(message)
		ids = append(ids, store.TicketID(mac.Sum(nil)))
	}
	return ids
}

// ShortTokenID returns the id under which a short token is stored. It is the SHA-256 of
// the token, so it stays the same when keys are replaced. It returns the zero id, which
// no store accepts, if the token is shorter than [MinShortToken].
func ShortTokenID(short string) store.TicketID {
	if len(short) < MinShortToken {
		return store.TicketID{}
	}
	return sha256.Sum256([]byte(short))
}
