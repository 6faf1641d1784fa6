package issuer

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// A request that issues a token is answered a second time with the same token,
// if its caller names it with an ID and repeats it (P8). The reply is kept for
// the lifetime of a code, sealed so that only who holds the secret of the
// request (the authorising token, the adopted refresh token) and its ID opens
// it.

// purposeReply opens the reply to a request.
const purposeReply seal.Purpose = "reply v1"

// replySecret is what opens the reply to a request.
func replySecret(id store.UseID, secret string) string { return hex.EncodeToString(id[:]) + secret }

// putReply adds the reply to what the request stores. Without an ID there is
// nothing to repeat.
//
// The reply belongs to the token that it hands out, and ends with it.
func (i *Issuer) putReply(changes *store.TicketChanges, id store.UseID, secret string, rec issuedRecord, token mytoken.TokenID) error {
	if id.IsZero() {
		return nil
	}
	code := replySecret(id, secret)
	ref := i.codeRef(store.TicketReply, code)
	payload, err := i.sealRecord(store.TicketPayloadPlace(ref), seal.FromSecret(purposeReply, code), rec)
	if err != nil {
		return err
	}
	changes.Put = append(changes.Put, store.Ticket{
		TicketRef: ref, Status: store.TicketReady, Payload: payload, Token: token, Expires: store.At(i.now().Add(i.cfg.CodeLifetime)),
	})
	return nil
}

// replied returns the reply to an earlier request with this ID, or nil.
func (i *Issuer) replied(ctx context.Context, id store.UseID, secret string) (*issuedRecord, error) {
	if id.IsZero() {
		return nil, nil
	}
	code := replySecret(id, secret)
	t, err := i.ledger.resolveTicket(ctx, store.TicketReply, i.cfg.Seal.Lookup(store.TicketReply, code))
	switch {
	case errors.Is(err, store.ErrTicketNotFound):
		return nil, nil
	case store.IsDefinite(err):
		return nil, ErrRepeatedID
	case err != nil:
		return nil, err
	}
	rec, err := i.openIssuedRecord(store.TicketPayloadPlace(t.TicketRef), seal.FromSecret(purposeReply, code), t.Payload)
	return &rec, err
}
