package seal

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/mytoken-go/sdk/store"
)

// MinShortToken is the length in characters from which on a token that is not
// a JWT counts as a short token (protocol section 1.7). It has to be hard to
// guess, because [ShortTokenID] uses no key.
const MinShortToken = 32

// Lookup returns the ids under which a code of that kind may be stored: that
// under the active key first, by which new codes are stored, then one for each
// other key of the ring. Codes are short, so their ids need a key: without it
// a database would tell which codes it holds to who tries them all.
//
// There are no ids, which finds nothing, for an empty code, for no kind, and
// for short tokens, which have a [ShortTokenID].
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

// ShortTokenID returns the id under which a short token is stored: its
// SHA-256, which survives every replacement of keys. One of less than
// [MinShortToken] characters has the zero id, which no store accepts.
func ShortTokenID(short string) store.TicketID {
	if len(short) < MinShortToken {
		return store.TicketID{}
	}
	return sha256.Sum256([]byte(short))
}
