package issuer

import (
	"context"
	"errors"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// AuthorizeRequest asks whether a token may do something that the embedding
// service offers, such as changing a setting of the user.
type AuthorizeRequest struct {
	Token mytoken.Secret
	// ID names the request, so that it can be repeated after a lost answer and
	// counts once. Zero: a new one.
	ID store.UseID
	// Needs is the capability that the token must have. Empty is refused.
	Needs capability.Capability
	// Event is recorded in the token's history, with Comment. Empty is refused.
	Event, Comment string
	// Provider is the issuer that the client expects; empty: any.
	Provider string
	Client   Client
}

// Authorized is a token that may do what was asked.
type Authorized struct {
	Claims *mytoken.Token
	// Update replaces the authorising token; nil if it was not rotated.
	Update *mytoken.Issued
}

var errAuthorize = errors.New("issuer: authorize: no capability or no event is named")

// Authorize makes every check that an operation of the issuer's own makes, and
// counts as one other use of the token. Call it before the operation: a use is
// not given back if the operation fails afterwards. Errors are those of
// AccessToken.
func (i *Issuer) Authorize(ctx context.Context, req AuthorizeRequest) (*Authorized, error) {
	if req.Needs == "" || req.Event == "" {
		return nil, errAuthorize
	}
	p, err := i.present(ctx, req.Token.Reveal())
	if err != nil {
		return nil, err
	}
	spent, _, err := i.charge(ctx, p, operation{
		id: useID(req.ID), kind: restriction.Other, needs: req.Needs, provider: req.Provider, client: req.Client,
		event: req.Event, comment: req.Comment,
	})
	if err != nil {
		return nil, err
	}
	out := &Authorized{Claims: p.token}
	if r := p.token.Rotation(); r != nil && r.OnOther {
		out.Update = i.rotate(ctx, p, spent.Key, req.Client)
	}
	return out, nil
}

// InspectRequest asks about a token that somebody else presented.
type InspectRequest struct {
	Token mytoken.Secret
}

// Inspect tells about a live token on behalf of a service that the operator
// trusts: the caller has authenticated it. Unlike with [Issuer.Introspect] the
// token needs no capability for it, where it may be used from is not asked, and
// nothing is recorded. It fails with *TokenError or *StoreError.
func (i *Issuer) Inspect(ctx context.Context, req InspectRequest) (*Introspection, error) {
	p, err := i.present(ctx, req.Token.Reveal())
	if err != nil {
		return nil, err
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	return &Introspection{Type: p.form(), Claims: p.token, Counters: state.Counters, Reconnect: state.Dead}, nil
}
