package issuer

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// A repeated request that issues a token gets the same token again, if it has an ID (P8).
// The reply is stored for the lifetime of a code. Only the ID together with the secret of
// the request finds it: the authorising token, or the adopted refresh token. The reply to
// an authorising token opens only with the key of the grant as well, so that the token
// opens nothing any more once its wrapped key is erased.

// purposeReply is the purpose of the key that opens a reply.
const purposeReply seal.Purpose = "reply v1"

// replySecret returns the code of a reply, which finds it.
func replySecret(id UseID, secret string) string { return hex.EncodeToString(id[:]) + secret }

// replyKey returns what opens a reply. The key of the grant is zero for an adoption.
func replyKey(code string, grant seal.DataKey) seal.Secret {
	if !grant.IsZero() {
		code += hex.EncodeToString(grant.Reveal())
	}
	return seal.FromSecret(purposeReply, code)
}

// putReply adds the reply to the changes that the request makes. A request without an ID
// cannot be repeated and has no reply. The reply belongs to the new token, and ends with
// it.
func (i *Issuer) putReply(changes *store.TicketChanges, id UseID, secret string, grant seal.DataKey, rec issuedRecord, token mytoken.TokenID) error {
	if id.IsZero() {
		return nil
	}
	code := replySecret(id, secret)
	ref := i.codeRef(store.TicketReply, code)
	payload, err := i.sealJSON(store.TicketPayloadPlace(ref), replyKey(code, grant), rec)
	if err != nil {
		return err
	}
	changes.Put = append(changes.Put, store.Ticket{
		TicketRef: ref, Status: store.TicketReady, Payload: payload, Token: token, Expires: store.At(i.Now().Add(i.cfg.CodeLifetime)),
	})
	return nil
}

// replied returns the reply to an earlier request with this ID, or nil if there was none.
func (i *Issuer) replied(ctx context.Context, id UseID, secret string) (*store.Ticket, error) {
	if id.IsZero() {
		return nil, nil
	}
	t, err := i.ledger.resolveTicket(ctx, store.TicketReply, i.cfg.Seal.Lookup(store.TicketReply, replySecret(id, secret)))
	switch {
	case errors.Is(err, store.ErrTicketNotFound):
		return nil, nil
	case isA[*StoreError](err):
		return nil, err
	case err != nil:
		return nil, ErrRepeatedID
	}
	return &t, nil
}

// openReply opens what replied found.
func (i *Issuer) openReply(t *store.Ticket, id UseID, secret string, grant seal.DataKey) (issuedRecord, error) {
	return i.openIssuedRecord(store.TicketPayloadPlace(t.TicketRef), replyKey(replySecret(id, secret), grant), t.Payload)
}
