package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/mytoken-go/sdk/store"
)

// A request for an access token whose caller names it with an ID may run
// several times, one after the other or at once, on one node or on several.
// Two things keep "handed out" and "charged" together.
//
// An attempt that was called off stays called off: its use is refunded and its
// id refused for good. The same ID then goes on to the next attempt, whose id
// everybody derives in the same way.
//
// An attempt is either handed out or called off, never both: the step that
// charges it also stores a ticket, its verdict, which can be completed in one
// way only. Who wants to hand out completes it as ready, who wants to refund as
// failed, and who comes second obeys. Repeating the first verdict is a success,
// so parallel calls with the same ID may all hand out what is charged once.

// maxAttempts bounds how often the use of one ID can be called off.
const maxAttempts = 32

// errCalledOff says that a use was called off by another call with its id.
var errCalledOff = errors.New("issuer: the use was called off")

// attempt is the operation with the identity of the n-th attempt of a request.
func (i *Issuer) attempt(op operation, id store.UseID, n int) operation {
	sum := derived("mytoken: use of an access token request", id, n)
	op.id = store.UseID(sum[:len(op.id)])
	op.verdict = store.TicketRef{Kind: store.TicketReply, ID: derived("mytoken: verdict on an access token request", id, n)}
	op.tickets = store.TicketChanges{Put: []store.Ticket{{
		TicketRef: op.verdict, Status: store.TicketPending, Expires: store.At(i.now()).Add(store.Remembered),
	}}}
	return op
}

func derived(purpose string, id store.UseID, n int) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(purpose))
	h.Write(id[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return [sha256.Size]byte(h.Sum(nil))
}

// claim is asked before something is handed out: nil means that the use is
// charged and stays so.
func (i *Issuer) claim(ctx context.Context, p *presented, op operation) error {
	if op.verdict.ID.IsZero() {
		return nil
	}
	err := i.ledger.complete(ctx, op.verdict, store.TicketReady)
	switch {
	case errors.Is(err, store.ErrTicketTaken):
		i.refund(ctx, p, op.id) // whoever called it off may not have come that far
		return errCalledOff
	case store.IsDefinite(err):
		return ErrRepeatedID // forgotten, a day later
	case err != nil:
		return err // the charge stands for whoever repeats the request
	}
	return nil
}

// callOff gives a use back for which nothing is handed out. It reports false
// if a call with the same id handed out, or may have.
func (i *Issuer) callOff(ctx context.Context, p *presented, op operation) bool {
	if !op.verdict.ID.IsZero() {
		step, cancel := detached(ctx)
		defer cancel()
		if err := i.ledger.complete(step, op.verdict, store.TicketFailed); err != nil {
			if !store.IsDefinite(err) {
				i.notify(ctx, Notice{Kind: NoticeRefundFailed, Token: p.id.ID, Err: err})
			}
			return false
		}
	}
	i.refund(ctx, p, op.id)
	return true
}

// chargeElsewhere is for a repeated use whose clause does not admit the request
// any more, while another one does.
func (i *Issuer) chargeElsewhere(ctx context.Context, p *presented, op operation) error {
	if i.callOff(ctx, p, op) {
		return errCalledOff
	}
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: op.client, Err: ErrRepeatedID})
	return ErrRepeatedID
}
