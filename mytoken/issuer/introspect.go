package issuer

import (
	"context"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// IntrospectRequest asks about a token.
type IntrospectRequest struct {
	Token  mytoken.Secret
	Client Client
}

// Introspection describes a token (protocol section 5.8.1).
type Introspection struct {
	// Type is the form in which the token was presented.
	Type   mytoken.ResponseType
	Claims *mytoken.Token
	// Counters has one entry for each clause: how often it was used, and how often it can
	// still be used. What is left includes the limits of ancestors.
	Counters []mytoken.Counter
	// Reconnect says that the provider has ended the login.
	Reconnect bool
}

// Introspect describes a live token, and spends nothing. It needs the capability
// tokeninfo:introspect and a clause that admits the client now (D28). Errors are
// [*TokenError], [*mytoken.CapabilityError], [*RefusedError], [ErrUnknownProvider] and
// [*StoreError].
func (i *Issuer) Introspect(ctx context.Context, req IntrospectRequest) (*Introspection, error) {
	return again(ctx, req.Client, func() (*Introspection, error) { return i.introspectOnce(ctx, req) })
}

func (i *Issuer) introspectOnce(ctx context.Context, req IntrospectRequest) (*Introspection, error) {
	p, spent, err := i.presentAndCharge(ctx, req.Token, operation{
		kind: restriction.Uncounted, needs: capability.TokeninfoIntrospect, client: req.Client, event: EventIntrospected, state: true,
	})
	if err != nil {
		return nil, err
	}
	return introspection(p, spent.State), nil
}

func introspection(p *presented, state *store.State) *Introspection {
	return &Introspection{Type: p.form(), Claims: p.token, Counters: state.Counters, Reconnect: state.Dead}
}
