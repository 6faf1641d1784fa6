package issuer

import (
	"context"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// Preview tells what [Issuer.Derive] would make of a request: the properties of
// the child, after everything that the parent does not allow is gone. It spends
// nothing, stores nothing and leaves no trace. Errors are those of Derive.
func (i *Issuer) Preview(ctx context.Context, req DeriveRequest) (*mytoken.Properties, error) {
	p, err := i.present(ctx, req.Token.Reveal())
	if err != nil {
		return nil, err
	}
	_, provider, err := i.admit(ctx, p, operation{
		kind: restriction.Other, needs: capability.CreateMytoken, provider: req.Provider, client: req.Client,
	})
	if err != nil {
		return nil, i.refused(ctx, p, req.Client, err)
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	props, _, err := i.childProperties(ctx, p.token, provider, usages(state.Counters), req)
	if err != nil {
		return nil, err
	}
	return &props, nil
}
