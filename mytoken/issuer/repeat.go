package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
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
//
// They all hand out one access token, too. The step that completes the verdict as
// ready also keeps the access token, sealed, for as long as it is valid. Every other call
// with the ID hands out that one. Otherwise a holder could turn one use into many access
// tokens.

// maxAttempts bounds the attempts of one ID.
const maxAttempts = 32

// errCalledOff says that another call with the same id called the use off.
var errCalledOff = errors.New("issuer: the use was called off")

// attempt returns the operation as the n-th attempt of a request.
func (i *Issuer) attempt(op operation, id UseID, n int) operation {
	sum := derived("mytoken: use of an access token request", id, n)
	op.id, op.request = UseID(sum[:len(op.id)]), id
	op.kept = store.TicketRef{Kind: store.TicketReply, ID: derived("mytoken: access token of a request", id, n)}
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

// claim makes a charge final and returns what to hand out for it: the given access token,
// or the one that another call with the same id has handed out. Hand nothing out if it
// returns an error.
func (i *Issuer) claim(ctx context.Context, p *presented, op operation, key seal.DataKey, out *AccessToken) (*AccessToken, error) {
	if op.verdict.ID.IsZero() {
		return out, nil
	}
	kept, err := i.keepAccess(p, op, key, out)
	if err != nil {
		return nil, i.giveBack(ctx, p, op, err)
	}
	err = i.ledger.changeTickets(ctx, store.TicketChanges{
		Complete: []store.Completion{{TicketRef: op.verdict, Status: store.TicketReady}}, Put: []store.Ticket{kept},
	})
	switch {
	case errors.Is(err, store.ErrTicketTaken):
		// The other call may have stopped before its refund.
		_ = i.errands.Do(ctx, "refund", storeTimeout, func(ctx context.Context) { _ = i.refund(ctx, p, op.id) })
		return nil, errCalledOff
	case errors.Is(err, store.ErrExists): // another call was faster
		if out, err = i.keptAccess(ctx, p, op, key); out == nil && err == nil {
			err = i.refuseID(ctx, p, op)
		}
		return out, err
	case isA[*StoreError](err):
		return nil, asRepeatable(err, false) // the charge stays for the repetition
	case err != nil:
		return nil, ErrRepeatedID // the store forgot the verdict after a day
	}
	return out, nil
}

// window returns the ticket that marks for how long a request may be repeated that is
// answered anew each time.
func (i *Issuer) window(p *presented, op operation) store.Ticket {
	return store.Ticket{
		TicketRef: store.TicketRef{Kind: store.TicketReply, ID: derived("mytoken: time for repetitions", op.id, 0)},
		Status:    store.TicketReady, Token: p.id.ID, Expires: store.At(i.Now().Add(i.cfg.CodeLifetime)),
	}
}

// stillOpen returns [ErrRepeatedID] if that time is over.
func (i *Issuer) stillOpen(ctx context.Context, p *presented, op operation) error {
	_, err := i.ledger.resolveTicket(ctx, store.TicketReply, []store.TicketID{i.window(p, op).ID})
	switch {
	case isA[*StoreError](err):
		return p.afterCharge(err)
	case err != nil:
		return i.refuseID(ctx, p, op)
	}
	return nil
}

// isRepeated reports whether a request with this ID was charged before.
func (i *Issuer) isRepeated(ctx context.Context, p *presented, op operation) (bool, error) {
	if !op.brief {
		return false, nil
	}
	_, err := i.ledger.resolveTicket(ctx, store.TicketReply, []store.TicketID{i.window(p, op).ID})
	if isA[*StoreError](err) {
		return false, err
	}
	return err == nil, nil
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

// elsewhere reports whether the clause that a repeated use was charged to does not admit
// the repetition, while another clause does. That clause was not charged, and the first
// one gives nothing to this request.
func elsewhere(spent store.Spent, candidates []int) bool {
	return spent.Repeated && len(candidates) > 0 && !slices.Contains(candidates, spent.Clause)
}

// chargeElsewhere calls off such a use, unless an access token was handed out for it. Then
// it refuses the ID.
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
