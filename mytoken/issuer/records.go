package issuer

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// InfoRequest asks for tokens.
type InfoRequest struct {
	Token  mytoken.Secret
	ID     store.UseID
	Client Client
}

// Subtree tells of a token and its descendants. It needs tokeninfo:subtokens
// and counts as one other use. Errors are those of AccessToken.
func (i *Issuer) Subtree(ctx context.Context, req InfoRequest) (*mytoken.Records, error) {
	return i.records(ctx, req, capability.TokeninfoSubtokens, mytoken.EventSubtokensRead, func(p *presented) pager[store.TokenInfo] {
		return i.ledger.subtree(p.id.ID)
	})
}

// List tells of all tokens of the user. It needs manage_mytokens:list and
// counts as one other use. Errors are those of AccessToken.
func (i *Issuer) List(ctx context.Context, req InfoRequest) (*mytoken.Records, error) {
	return i.records(ctx, req, capability.ManageMytokensList, mytoken.EventListRead, func(p *presented) pager[store.TokenInfo] {
		return i.ledger.ofOwner(p.token.Owner())
	})
}

func (i *Issuer) records(ctx context.Context, req InfoRequest, needs capability.Capability, event string, of func(*presented) pager[store.TokenInfo]) (*mytoken.Records, error) {
	p, err := i.present(ctx, req.Token.Reveal())
	if err != nil {
		return nil, err
	}
	spent, _, err := i.charge(ctx, p, operation{id: useID(req.ID), kind: restriction.Other, needs: needs, client: req.Client, event: event})
	if err != nil {
		return nil, err
	}
	out, err := i.collect(ctx, of(p))
	if err != nil {
		return nil, err
	}
	if r := p.token.Rotation(); r != nil && r.OnOther {
		if out.Update, err = i.rotateOrFail(ctx, p, spent.Key, req.Client); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// collect reads all pages and builds the trees. Tokens that are not live are
// left out, unless a live descendant hangs below them; expired ones are
// listed. A token whose parent is not there any more hangs below the nearest
// ancestor that is (D97).
func (i *Issuer) collect(ctx context.Context, next pager[store.TokenInfo]) (*mytoken.Records, error) {
	out := &mytoken.Records{}
	byID := make(map[mytoken.TokenID]*mytoken.Record)
	above := make(map[mytoken.TokenID]*mytoken.Record)
	var order []*mytoken.Record
	err := each(ctx, next, func(info *store.TokenInfo) (bool, error) {
		if len(order) == mytoken.MaxRecords {
			out.Truncated = true
			return false, nil
		}
		r, err := i.record(*info)
		if err != nil {
			return false, err
		}
		for _, ancestor := range info.Ancestors {
			if a := byID[ancestor]; a != nil {
				above[r.ID] = a
				break
			}
		}
		byID[r.ID] = r
		order = append(order, r)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	// Children follow their parents, so one pass backwards decides which dead
	// tokens still hold something up.
	for _, r := range slices.Backward(order) {
		if r.Revoked && len(r.Children) == 0 {
			continue
		}
		slices.Reverse(r.Children)
		if parent := above[r.ID]; parent != nil {
			parent.Children = append(parent.Children, r)
		} else {
			out.Roots = append(out.Roots, r)
		}
	}
	slices.Reverse(out.Roots)
	return out, nil
}

func (i *Issuer) record(info store.TokenInfo) (*mytoken.Record, error) {
	r := &mytoken.Record{
		ID: info.ID, Created: info.Created.Time(), Expires: info.Expires.Time(), LastUsed: info.LastUsed.Time(),
		Revoked: !info.Live, Counters: info.Counters,
	}
	if len(info.Ancestors) > 0 {
		r.Parent = info.Ancestors[0]
	}
	a, err := i.openAbout(&info)
	if err != nil {
		return nil, err
	}
	r.Name, r.Address, r.Provider = a.Name, a.Address, a.Issuer
	r.Capabilities, r.Restrictions, r.Rotation = a.Capabilities, a.Restrictions, a.Rotation
	return r, nil
}
