package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/store"
)

// A request for an access token with an ID may run several times, one after the other or
// at once, on any node. Two rules keep "handed out" and "charged" together.
//
// An attempt that was called off stays called off: its use is refunded, and the id of
// that use is refused for good. The same request then goes on to its next attempt.
// Everybody derives the ids of the attempts in the same way.
//
// An attempt is either handed out or called off, never both. The step that charges it
// also stores a ticket, its verdict, which can be completed in one way only. Delivery
// completes it as ready, refund as failed. The first of the two wins, and the other one
// follows it. Completing it again in the same way succeeds, so parallel calls with the
// same ID may all hand out what is charged once.

// maxAttempts bounds the attempts of one ID.
const maxAttempts = 32

// errCalledOff says that another call with the same id called the use off.
var errCalledOff = errors.New("issuer: the use was called off")

// attempt returns the operation as the n-th attempt of a request.
func (i *Issuer) attempt(op operation, id UseID, n int) operation {
	sum := derived("mytoken: use of an access token request", id, n)
	op.id = UseID(sum[:len(op.id)])
	op.verdict = store.TicketRef{Kind: store.TicketReply, ID: derived("mytoken: verdict on an access token request", id, n)}
	op.tickets = store.TicketChanges{Put: []store.Ticket{{
		TicketRef: op.verdict, Status: store.TicketPending, Expires: i.ledger.now().Add(store.Remembered),
	}}}
	return op
}

func derived(purpose string, id UseID, n int) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(purpose))
	h.Write(id[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return [sha256.Size]byte(h.Sum(nil))
}

// claim makes a charge final. Call it before anything is handed out, and hand nothing out
// if it returns an error.
func (i *Issuer) claim(ctx context.Context, p *presented, op operation) error {
	if op.verdict.ID.IsZero() {
		return nil
	}
	err := i.ledger.complete(ctx, op.verdict, store.TicketReady)
	switch {
	case errors.Is(err, store.ErrTicketTaken):
		// The other call may have stopped before its refund.
		_ = i.errands.Do(ctx, "refund", storeTimeout, func(ctx context.Context) { _ = i.refund(ctx, p, op.id) })
		return errCalledOff
	case isA[*StoreError](err):
		return asRepeatable(err, false) // the charge stays for the repetition
	case err != nil:
		return ErrRepeatedID // the store forgot the verdict after a day
	}
	return nil
}

// callOff refunds a use for which nothing is handed out. off is false if another call with
// the same id handed out an access token, or may have. It returns a [*StoreError] if
// nobody knows whether the use still counts, or not yet: calling off goes on when the
// request has no time left.
func (i *Issuer) callOff(ctx context.Context, p *presented, op operation) (off bool, err error) {
	off, err = errand.Call(ctx, i.errands, "call off a use", storeTimeout, func(ctx context.Context) (bool, error) {
		if !op.verdict.ID.IsZero() {
			err := i.ledger.complete(ctx, op.verdict, store.TicketFailed)
			if isA[*StoreError](err) {
				i.notify(ctx, Notice{Kind: NoticeRefundFailed, Token: p.id.ID, Err: err})
				return false, err
			} else if err != nil {
				return false, nil
			}
		}
		return true, i.refund(ctx, p, op.id)
	})
	return off, lateError(err)
}

// chargeElsewhere is for a repeated use whose clause does not admit the request any more,
// while another clause does.
func (i *Issuer) chargeElsewhere(ctx context.Context, p *presented, op operation) error {
	off, err := i.callOff(ctx, p, op)
	switch {
	case off:
		return errCalledOff
	case err != nil:
		return asRepeatable(err, false)
	}
	return i.refuseID(ctx, p, op)
}

// refuseID refuses a request whose ID cannot be used any more.
func (i *Issuer) refuseID(ctx context.Context, p *presented, op operation) error {
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: op.client, Err: ErrRepeatedID})
	return ErrRepeatedID
}
