package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

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
// short tokens and SSH keys, which have a [ShortTokenID] and an [SSHKeyID]. ResolveTicket
// finds no ticket without an id.
func (r *Ring) Lookup(kind store.TicketKind, code string) []store.TicketID {
	if r == nil || code == "" || kind == 0 || kind == store.TicketShort || kind == store.TicketSSHKey {
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

// MinSSHUser is the least length of an SSH user, in bytes (protocol section 5.11). An SSH
// user has to be hard to guess: it opens the token behind an SSH key, and [SSHKeyID] uses
// no key of the server.
const MinSSHUser = 16

// SSHKeyID returns the id under which the token behind an SSH key is stored. It depends
// on the fingerprint of the key and on the secret name of the SSH user, and stays the
// same when keys of the server are replaced. It returns the zero id, which no store
// accepts, if the fingerprint is empty or the user is shorter than [MinSSHUser].
func SSHKeyID(fingerprint, user string) store.TicketID {
	if fingerprint == "" || len(user) < MinSSHUser {
		return store.TicketID{}
	}
	h := sha256.New()
	for _, field := range []string{"mytoken seal v1 ssh key", fingerprint, user} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
		h.Write([]byte(field))
	}
	return store.TicketID(h.Sum(nil))
}
