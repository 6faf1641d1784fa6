package issuer

import (
	"context"
	"errors"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// DeriveRequest asks for a child of a token (protocol section 5.4.3).
type DeriveRequest struct {
	// Token is the parent, compact or short.
	Token mytoken.Secret
	// ID names the request, so that it can be repeated after a lost answer or an error.
	// Within the lifetime of a code, a repetition with the same parent returns the same
	// child, whatever else it asks for, and counts once. Zero: a new ID.
	ID UseID
	// Provider is the issuer that the client expects. Empty: any.
	Provider string
	// Properties are what the child gets. A clause may leave out what the parent's clauses
	// state: [restriction.Intersect] has the rule. If a clause states more than the parent
	// allows, the error is a [*RequestError] that wraps a [*restriction.ChildError]. It
	// names the clause, the key, what was asked for and what the parent has. A capability
	// that the parent lacks is a [*RequestError], too. No restrictions, and no capabilities,
	// are a request for all that the parent has.
	Properties mytoken.Properties
	Response   mytoken.Response
	// Adjust follows the protocol instead (protocol section 2.6): a clause that is not
	// within a clause of the parent as it stands is dropped. If no clause is left, the
	// child gets all clauses of the parent. Capabilities that the parent lacks are dropped
	// (protocol section 3.3). The answer says what the child got. Adjust is the protocol's
	// error_on_restrictions=false.
	Adjust bool
	// Verbatim compares each clause as it stands, and refuses one that is not within a
	// clause of the parent: it must repeat what the parent states. Capabilities that the
	// parent lacks are dropped. Verbatim is the protocol's error_on_restrictions=true
	// (protocol section 5.4.3). It makes no difference with Adjust.
	Verbatim bool
	Client   Client
}

// Derive creates a child of a token. The child admits nothing that its parent refuses,
// and shares the parent's login. Its uses count against the limits of the parent too,
// unless Config.IndependentBudgets is set.
//
// Derive counts as one other use of the parent. Errors are those of [Issuer.AccessToken],
// [*RequestError] and [*PolicyError].
func (i *Issuer) Derive(ctx context.Context, req DeriveRequest) (*mytoken.Issued, error) {
	return again(ctx, req.Client, func() (*mytoken.Issued, error) { return i.deriveOnce(ctx, req) })
}

func (i *Issuer) deriveOnce(ctx context.Context, req DeriveRequest) (*mytoken.Issued, error) {
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	if out, err := i.deriveAgain(ctx, p, req); out != nil || err != nil {
		return out, err
	}
	op := operation{
		id: p.useID(req.ID), kind: restriction.Other, needs: capability.CreateMytoken, provider: req.Provider, client: req.Client,
		event: EventMTCreated,
	}
	candidates, provider, err := i.admit(ctx, p, op)
	if err != nil {
		return nil, i.refusedUse(ctx, p, op, err)
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := i.checkBudget(ctx, p, op, candidates, state); err != nil {
		return i.deriveLate(ctx, p, req, err)
	}
	if len(state.Ancestors) >= i.cfg.MaxDepth {
		return nil, &RequestError{Field: "mytoken", Reason: "the token has too many ancestors to have a child"}
	}
	if err := i.admitChild(ctx, p.token.Owner()); err != nil {
		return i.deriveLate(ctx, p, req, err)
	}
	props, draws, err := i.childProperties(ctx, p.token, provider, usages(state.Counters), req)
	if err != nil {
		out, err := i.deriveLate(ctx, p, req, err)
		if err != nil {
			i.policyRefused(ctx, PolicyDerive, p.id.ID, req.Client, err)
		}
		return out, err
	}
	op.comment = "Created MT " + props.Name
	child, err := i.mint(ctx, i.newClaims(provider, p.token.OIDCSubject(), props, p.token.AuthTime()))
	if err != nil {
		return nil, err
	}
	key, err := i.dataKey(p, state.Key)
	if err != nil {
		return nil, err
	}
	rec, tickets, err := i.form(child, req.Response)
	if err != nil {
		return nil, err
	}
	events := []store.Event{
		i.newEvent(EventCreated, "Used grant_type mytoken", req.Client),
		i.newEvent(EventInheritedRT, "Got RT from parent", req.Client),
	}
	if rec.Transfer != "" {
		events = append(events, i.newEvent(EventTransferCodeCreated, "token type: token", req.Client))
	}
	row, err := i.row(child, state.Grant, key, draws, req.Client, events...)
	if err != nil {
		return nil, err
	}
	op.tickets.Put = tickets
	if err := i.putReply(&op.tickets, req.ID, p.compact, key, rec, row.ID); err != nil {
		return nil, err
	}
	if err := i.tagNew(ctx, row.Owner, row.ID, p.id.ID, props.Tags); errors.Is(err, store.ErrNotFound) {
		return nil, i.tokenError(ctx, p, err)
	} else if err != nil {
		return nil, err
	}
	spent, unsure, err := i.ledger.createChild(ctx, p.id, i.use(op, candidates), row)
	if err != nil {
		return i.deriveFailed(ctx, p, op, req, row.ID, unsure, err)
	}
	i.population.Grew(row.Owner)
	i.notify(ctx, Notice{Kind: NoticeIssued, Reason: issuedByDerive, Token: row.ID, Grant: row.Grant, Client: req.Client})
	out := rec.answer(child.token)
	out.Update = i.rotate(ctx, p, op.kind, spent.Key, req.Client)
	return out, nil
}

// deriveAgain answers a repeated request as long as its parent is live. It returns nil if
// the request is new. It does not evaluate the restrictions: the first call did.
func (i *Issuer) deriveAgain(ctx context.Context, p *presented, req DeriveRequest) (*mytoken.Issued, error) {
	reply, err := i.replied(ctx, req.ID, p.compact)
	if reply == nil || err != nil {
		return nil, err
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	key, err := i.dataKey(p, state.Key)
	if err != nil {
		return nil, err
	}
	rec, err := i.openReply(reply, req.ID, p.compact, key)
	if err != nil {
		return nil, err
	}
	out, err := i.issued(ctx, rec)
	if err != nil {
		return nil, err
	}
	out.Update = i.rotate(ctx, p, restriction.Other, state.Key, req.Client)
	return out, nil
}

// deriveLate answers a request that is refused because of what is left. A parallel call
// with the same ID may have taken it since deriveAgain looked: then both get its child.
func (i *Issuer) deriveLate(ctx context.Context, p *presented, req DeriveRequest, refusal error) (*mytoken.Issued, error) {
	if out, err := i.deriveAgain(ctx, p, req); out != nil || isA[*StoreError](err) {
		return out, err
	}
	return nil, refusal
}

// deriveFailed returns the error for a child that was not stored, or that may not have
// been.
//
// If the outcome of a try is not known, a request with an ID is left as it is: its repetition
// finds the child or makes it, and is charged once. Nobody can repeat a request without
// an ID, so its use is called off, and the child is revoked in case it exists.
func (i *Issuer) deriveFailed(ctx context.Context, p *presented, op operation, req DeriveRequest, child mytoken.TokenID, unsure bool, err error) (*mytoken.Issued, error) {
	switch {
	case errors.Is(err, store.ErrExists): // a parallel call with this ID was faster
		if out, rerr := i.deriveAgain(ctx, p, req); out != nil || rerr != nil {
			return out, rerr
		}
	case !unsure: // there is nothing to call off
	case !req.ID.IsZero() && isA[*StoreError](err):
		return nil, err
	case !req.ID.IsZero(): // a parallel call may have handed the child out
	default:
		if !isA[*StoreError](err) { // or else useFailed does it
			_, _ = i.callOff(ctx, p, op)
		}
		err = i.useFailed(ctx, p, op, err)
		_, rerr := errand.Call(ctx, i.errands, "revoke a child", storeTimeout, func(ctx context.Context) (*Revocation, error) {
			return i.revoke(ctx, child, true, nil, req.Client, "its creation was called off")
		})
		if rerr != nil {
			return nil, errors.Join(asRepeatable(err, false), lateError(rerr))
		}
		return nil, err
	}
	return nil, i.useFailed(ctx, p, op, err)
}
