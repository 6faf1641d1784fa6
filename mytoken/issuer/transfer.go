package issuer

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// TransferCode moves a token to another device (protocol section 1.8).
type TransferCode struct {
	Code    mytoken.Secret
	Expires time.Time
}

// TransferRequest asks for a transfer code for a token that exists.
type TransferRequest struct {
	Token  mytoken.Secret
	Client Client
}

// Transfer creates a transfer code. It spends nothing, and needs no capability, only a
// token that may be used now (protocol section 5.6, D28). Errors are [*TokenError],
// [*RefusedError], [ErrUnknownProvider] and [*StoreError].
func (i *Issuer) Transfer(ctx context.Context, req TransferRequest) (*TransferCode, error) {
	if req.Client.Key != nil { // a second holder would outdate what the key holds
		return nil, &RequestError{Field: "mytoken", Reason: "the token behind an SSH key cannot be transferred"}
	}
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	code := randomLetters(i.cfg.TransferCodeLength)
	ticket, err := i.transferTicket(code, p.compact, p.id.ID, false)
	if err != nil {
		return nil, err
	}
	op := operation{
		id: NewUseID(), kind: restriction.Uncounted, client: req.Client,
		event: EventTransferCodeCreated, comment: "token type: " + string(p.form()),
	}
	op.tickets.Put = []store.Ticket{ticket}
	if _, err := i.charge(ctx, p, op); err != nil {
		return nil, err
	}
	return &TransferCode{Code: mytoken.NewSecret(code), Expires: ticket.Expires.Time()}, nil
}

// RedeemRequest redeems a transfer code.
type RedeemRequest struct {
	Code   mytoken.Secret
	Client Client
}

// Redeem exchanges a transfer code for the compact token, once (protocol section 5.4.4).
// The code stops working when its token expires, is rotated or is revoked. Errors are
// [*CodeError] and [*StoreError].
func (i *Issuer) Redeem(ctx context.Context, req RedeemRequest) (*mytoken.Issued, error) {
	t, code, err := i.resolveTransfer(ctx, req.Code)
	if err != nil {
		return nil, err
	}
	compact, err := i.openToken(t, code)
	if err != nil {
		return nil, err
	}
	issued, err := i.issued(ctx, issuedRecord{Compact: compact})
	if err != nil {
		return nil, err
	}
	// Never hand out an outdated generation: its receiver would look like a thief. For
	// the same reason, do not present the token to the store here.
	info, err := i.ledger.Token(ctx, issued.ID)
	switch end := issued.Claims.ExpiresAt(); {
	case isA[*StoreError](err):
		return nil, err
	case err != nil || !info.Live || info.Seq != issued.Claims.Seq():
		return nil, &CodeError{Reason: CodeUnknown}
	case !end.IsZero() && i.Now().Unix() > end.Unix():
		return nil, &CodeError{Reason: CodeExpired}
	}
	if err := i.take(ctx, t.TicketRef, req.Client); err != nil {
		return nil, err
	}
	return issued, nil
}

func (i *Issuer) resolveTransfer(ctx context.Context, secret mytoken.Secret) (store.Ticket, string, error) {
	code := secret.Reveal()
	if code == "" || len(code) > maxCodeLength {
		return store.Ticket{}, "", &CodeError{Reason: CodeUnknown}
	}
	t, err := i.ledger.resolveTicket(ctx, store.TicketTransfer, i.cfg.Seal.Lookup(store.TicketTransfer, code))
	return t, code, codeError(err)
}
