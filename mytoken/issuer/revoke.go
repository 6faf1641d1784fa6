package issuer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// RevokeRequest revokes the token that is presented. Possession is enough (protocol
// section 5.7).
type RevokeRequest struct {
	// Token is a compact token, a short token, or a transfer or polling code. It is empty if
	// Client.Key is set.
	Token mytoken.Secret
	// Recursive revokes all descendants too.
	Recursive bool
	// Provider is the issuer that the client expects. Empty: any.
	Provider string
	Client   Client
}

// Revocation is the outcome of a revocation.
type Revocation struct {
	// Revoked is the token that is revoked now. It is zero if nothing was found.
	Revoked mytoken.TokenID
	// AtProvider says that the refresh token was revoked at the provider too, because no
	// token uses it any more. ProviderErr says why that failed. The holder can then call
	// Revoke again, for ten minutes.
	AtProvider  bool
	ProviderErr error
}

// Revoke revokes a token. Once it has returned nil, the token is not usable on any node.
// With Recursive, the same holds for all its descendants. Revoke accepts outdated and
// expired tokens if their signature is valid. It erases a code, and revokes the token
// that was created for the code.
//
// An unknown token counts as revoked: Revocation.Revoked is zero then, and there is no
// error. A token with a line break at its end is unknown, too: trim what you read from a
// file. Errors are [ErrWrongProvider], [ErrUnknownProvider], [*StoreError] and, if Token
// is empty, [*RequestError].
func (i *Issuer) Revoke(ctx context.Context, req RevokeRequest) (*Revocation, error) {
	out, err := i.revokePresented(ctx, req)
	return out, asRepeatable(err, true) // revoking once more changes nothing
}

func (i *Issuer) revokePresented(ctx context.Context, req RevokeRequest) (*Revocation, error) {
	if req.Token.IsEmpty() && req.Client.Key == nil { // a caller that lost the token must not take it for revoked
		return nil, &RequestError{Field: "token", Reason: "missing"}
	}
	if req.Provider != "" {
		if _, err := i.provider(req.Provider); err != nil {
			return nil, err
		}
	}
	if s := req.Token.Reveal(); len(s) < minTokenLength && req.Client.Key == nil {
		return i.revokeCode(ctx, s, req)
	}
	compact, short, err := i.resolveFrom(ctx, req.Token, req.Client)
	if refused, ok := errors.AsType[*TokenError](err); ok { // it may have been revoked before
		if refused.Reason == TokenUnknown {
			return i.nothingToRevoke(ctx)
		}
		return &Revocation{}, nil
	} else if err != nil {
		return nil, err
	}
	token, err := i.verifier.Decode(ctx, compact)
	if isA[*mytoken.InvalidTokenError](err) {
		i.reject(ctx, mytoken.TokenID{}, req.Client, &TokenError{Reason: TokenMalformed, cause: err})
		return &Revocation{}, nil
	} else if err != nil { // nobody knows yet whether it is valid
		return nil, err
	}
	p := newPresented(token, compact, short)
	if err := checkProvider(req.Provider, token); err != nil {
		return nil, err
	}
	return i.revoke(ctx, p.id.ID, req.Recursive, p, req.Client, "")
}

// nothingToRevoke is the outcome for a token or code that the store does not know. It
// writes a ticket first and deletes it: a store that cannot write may be a copy that lags
// behind, and must not make anybody believe that their token is revoked.
func (i *Issuer) nothingToRevoke(ctx context.Context) (*Revocation, error) {
	proof := store.TicketRef{Kind: store.TicketReply, ID: derived("mytoken: proof that the store can write", NewUseID(), 0)}
	for _, changes := range []store.TicketChanges{
		{Put: []store.Ticket{{TicketRef: proof, Status: store.TicketPending, Expires: i.ledger.now().Add(time.Minute)}}},
		{Drop: []store.TicketRef{proof}},
	} {
		if err := i.ledger.changeTickets(ctx, changes); err != nil {
			return nil, err
		}
	}
	return &Revocation{}, nil
}

// revokeCode erases a transfer or polling code, and revokes the token that was created
// for it.
func (i *Issuer) revokeCode(ctx context.Context, code string, req RevokeRequest) (*Revocation, error) {
	for _, form := range []struct {
		kind   store.TicketKind
		prefix string
	}{{store.TicketTransfer, ""}, {store.TicketPolling, ""}, {store.TicketPolling, keyLoginPrefix}} {
		kind, name := form.kind, form.prefix+code
		t, err := i.findCode(ctx, kind, name)
		if t == nil && err == nil {
			continue
		}
		if err == nil && t.Status == store.TicketPending {
			// A login that is being finished must not leave a token behind that nobody
			// holds.
			t, err = i.cancelPolling(ctx, t, name)
		}
		if err != nil {
			return nil, err
		} else if t == nil {
			return i.nothingToRevoke(ctx)
		}
		holder := i.codeHolder(ctx, *t, code)
		if holder != nil {
			if err := checkProvider(req.Provider, holder.token); err != nil {
				return nil, err
			}
		}
		if owned := t.OwnsToken || kind == store.TicketPolling; owned && !t.Token.IsZero() {
			return i.revoke(ctx, t.Token, true, holder, req.Client, "") // this erases the code too
		}
		if err := i.changeTickets(ctx, store.TicketChanges{Drop: []store.TicketRef{t.TicketRef}}); err != nil {
			return nil, err
		}
		return &Revocation{}, nil
	}
	return i.nothingToRevoke(ctx)
}

// findCode returns the ticket of a code, or nil if there is none any more.
func (i *Issuer) findCode(ctx context.Context, kind store.TicketKind, code string) (*store.Ticket, error) {
	t, err := i.ledger.resolveTicket(ctx, kind, i.cfg.Seal.Lookup(kind, code))
	switch {
	case isA[*CodeError](codeError(err)):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &t, nil
}

// cancelPolling ends the wait for a login. If the login was finished at the same time,
// the returned ticket has a token.
func (i *Issuer) cancelPolling(ctx context.Context, t *store.Ticket, code string) (*store.Ticket, error) {
	err := i.changeTickets(ctx, store.TicketChanges{Complete: []store.Completion{{TicketRef: t.TicketRef, Status: store.TicketDeclined}}})
	if isA[*StoreError](err) {
		return nil, err
	}
	return i.findCode(ctx, t.Kind, code)
}

// codeHolder returns the token behind a code, which opens the refresh token to revoke at
// the provider. It returns nil if the token cannot be read.
func (i *Issuer) codeHolder(ctx context.Context, t store.Ticket, code string) *presented {
	compact, err := i.codeToken(t, code)
	if err != nil {
		return nil
	}
	token, err := i.verifier.Decode(ctx, compact)
	if err != nil {
		return nil
	}
	return newPresented(token, compact, "")
}

func (i *Issuer) codeToken(t store.Ticket, code string) (string, error) {
	if t.Kind == store.TicketTransfer {
		return i.openToken(t, code)
	}
	key, err := i.ticketKey(t, code)
	if err != nil {
		return "", err
	}
	rec, err := i.openIssuedRecord(store.TicketPayloadPlace(t.TicketRef), key, t.Payload)
	return rec.Compact, err
}

// RevokeOtherRequest revokes another token of the same user by its mom_id.
type RevokeOtherRequest struct {
	// Token authorises: it is an ancestor of the other token, or has the capability
	// manage_mytokens:revoke.
	Token mytoken.Secret
	// ID names the request. A repetition with the same ID counts once. Zero: a new one.
	ID    UseID
	Other mytoken.TokenID
	// Recursive revokes all descendants of the other token too.
	Recursive bool
	// Provider is the issuer that the client expects. Empty: any.
	Provider string
	Client   Client
}

// RevokeOther revokes a token by its mom_id. It counts as one other use of the
// authorising token, which does not rotate: public clients ignore the replacement in the
// answer, and would lose their token (protocol section 5.7). A token that revokes itself may
// be revoked already. Errors are those of [Issuer.AccessToken] and [ErrNotOwned].
func (i *Issuer) RevokeOther(ctx context.Context, req RevokeOtherRequest) (*Revocation, error) {
	return again(ctx, req.Client, func() (*Revocation, error) { return i.revokeOtherOnce(ctx, req) })
}

func (i *Issuer) revokeOtherOnce(ctx context.Context, req RevokeOtherRequest) (*Revocation, error) {
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	op := operation{
		id: p.useID(req.ID), kind: restriction.Other, provider: req.Provider, client: req.Client,
		event: EventRevokedOther, comment: "mom_id: " + req.Other.String(),
	}
	if op.needs, err = i.needsFor(ctx, p, req.Other, capability.ManageMytokensRevoke, ""); err != nil {
		return nil, i.refusedOther(ctx, p, op, err)
	}
	spent, err := i.charge(ctx, p, op)
	if refused, ok := errors.AsType[*TokenError](err); ok && refused.Reason == TokenRevoked && req.Other == p.id.ID {
		out, err := i.revoke(ctx, req.Other, req.Recursive, p, req.Client, "") // as Revoke does: possession is enough
		return out, asRepeatable(err, true)
	}
	if err != nil {
		return nil, err
	}
	p.spent = spent
	out, err := i.revoke(ctx, req.Other, req.Recursive, p, req.Client, "")
	if err != nil {
		return nil, p.afterCharge(asRepeatable(err, true))
	}
	return out, nil
}

// refusedOther refuses an operation on another token. If the authorising token may not be
// used now, that is the error (protocol section 5.3).
func (i *Issuer) refusedOther(ctx context.Context, p *presented, op operation, err error) error {
	switch {
	case isA[*StoreError](err):
		return err
	case errors.Is(err, ErrNotOwned):
		op.needs = ""
		if _, _, aerr := i.admit(ctx, p, op); aerr != nil {
			err = aerr
		}
	}
	return i.refused(ctx, p, op.client, err)
}

// needsFor returns the capability that a token needs for an operation on another token of
// its user: own if it is that token or an ancestor of it, else foreign.
func (i *Issuer) needsFor(ctx context.Context, p *presented, other mytoken.TokenID, foreign, own capability.Capability) (capability.Capability, error) {
	if other == p.id.ID {
		return own, nil
	}
	info, err := i.ledger.Token(ctx, other)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && info.Owner != p.token.Owner():
		// A token without that capability does not learn which other tokens exist.
		if !p.token.Allows(foreign) {
			return foreign, nil
		}
		return "", ErrNotOwned
	case err != nil:
		return "", err
	case slices.Contains(info.Ancestors, p.id.ID):
		return own, nil
	}
	return foreign, nil
}

// revoke marks the token as revoked in the store. Then it revokes the refresh token at
// the provider, if no token uses it any more. by is the presented token that authorises.
// It is nil for the embedding service, which cannot revoke at the provider.
func (i *Issuer) revoke(ctx context.Context, id mytoken.TokenID, recursive bool, by *presented, client Client, reason string) (*Revocation, error) {
	r := store.Revocation{Token: id, Recursive: recursive, Event: i.newEvent(EventRevoked, reason, client)}
	if by != nil {
		r.By = by.id
	}
	revoked, err := i.ledger.revoke(ctx, r)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return i.nothingToRevoke(ctx)
	case err != nil:
		return nil, err
	}
	out := &Revocation{Revoked: id}
	i.notify(ctx, Notice{Kind: NoticeRevoked, Token: id, Grant: revoked.Grant, Client: client, Detail: reason})
	if by != nil && len(revoked.Key) == 0 && by.spent.Grant == revoked.Grant {
		revoked.Key = by.spent.Key // an attempt whose answer was lost has erased it
	}
	if revoked.LiveLeft || by == nil || len(revoked.Key) == 0 {
		return out, nil
	}
	provider, err := i.provider(by.token.OIDCIssuer())
	if err == nil {
		var key seal.DataKey
		if key, err = i.dataKey(by, revoked.Key); err == nil {
			err = i.revokeState(ctx, provider, revoked.Grant, key, revoked.Refresh)
		}
	}
	out.AtProvider, out.ProviderErr = err == nil, err
	if r.By.ID == id && (err == nil || errors.Is(err, oidcupstream.ErrUnsupported)) {
		i.settleRevocation(ctx, r)
	}
	return out, nil
}

// settleRevocation erases the key that the store has kept so that a repeated call could
// revoke at the provider. If that fails, Sweep erases it.
func (i *Issuer) settleRevocation(ctx context.Context, r store.Revocation) {
	r.Settled = true
	_ = i.errands.Do(ctx, "erase a key", storeTimeout, func(ctx context.Context) { _, _ = i.ledger.revoke(ctx, r) })
}

// revokeOrphan revokes a refresh token that a refresh stored after the last token of its
// tree was revoked.
func (i *Issuer) revokeOrphan(ctx context.Context, id mytoken.TokenID, provider *Provider, key seal.DataKey) {
	_ = i.errands.Do(ctx, "revoke an orphan", storeTimeout+provider.Upstream.Timeout(), func(ctx context.Context) {
		revoked, err := i.ledger.revoke(ctx, store.Revocation{Token: id})
		if err == nil && !revoked.LiveLeft {
			_ = i.revokeState(ctx, provider, revoked.Grant, key, revoked.Refresh) // the observer is told
		}
	})
}

// revokeState revokes the refresh token of a grant, and its spares.
func (i *Issuer) revokeState(ctx context.Context, provider *Provider, grant GrantID, key seal.DataKey, state store.RefreshState) error {
	all := append([]store.Spare{{Generation: state.Generation, Token: state.Token}}, state.Spares...)
	var errs []error
	for _, s := range all {
		plain, err := i.cfg.Seal.OpenWith(store.RefreshTokenPlace(grant, s.Generation), key, s.Token)
		if err == nil {
			err = i.revokeRefreshToken(ctx, provider.Upstream, grant, string(plain))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
