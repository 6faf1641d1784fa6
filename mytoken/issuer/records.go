package issuer

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// pageSize is how many rows are asked for at once.
const pageSize = 500

// MaxRecords bounds lists and histories. What exceeds it is left out, and
// Truncated says so.
const MaxRecords = 20000

// InfoRequest asks for tokens.
type InfoRequest struct {
	Token  mytoken.Secret
	ID     store.UseID
	Client Client
}

// Subtree tells of a token and its descendants. It needs tokeninfo:subtokens
// and counts as one other use. Errors are those of AccessToken.
func (i *Issuer) Subtree(ctx context.Context, req InfoRequest) (*mytoken.Records, error) {
	return i.records(ctx, req, capability.TokeninfoSubtokens, EventSubtokensRead, func(p *presented) pager {
		return i.subtreePager(p.id.ID)
	})
}

// List tells of all tokens of the user. It needs manage_mytokens:list and
// counts as one other use. Errors are those of AccessToken.
func (i *Issuer) List(ctx context.Context, req InfoRequest) (*mytoken.Records, error) {
	return i.records(ctx, req, capability.ManageMytokensList, EventListRead, func(p *presented) pager {
		return i.ownerPager(p.token.Owner())
	})
}

type pager func(context.Context, store.Page) ([]store.TokenInfo, string, error)

func (i *Issuer) ownerPager(owner mytoken.OwnerID) pager {
	return func(ctx context.Context, page store.Page) ([]store.TokenInfo, string, error) {
		return i.cfg.Store.List(ctx, owner, page)
	}
}

func (i *Issuer) subtreePager(root mytoken.TokenID) pager {
	return func(ctx context.Context, page store.Page) ([]store.TokenInfo, string, error) {
		return i.cfg.Store.Subtree(ctx, root, page)
	}
}

// eachToken calls visit with each token, parents before their children, until
// it says that it wants no more.
func (i *Issuer) eachToken(ctx context.Context, next pager, visit func(*store.TokenInfo) (bool, error)) error {
	for after := ""; ; {
		type page struct {
			infos []store.TokenInfo
			next  string
		}
		got, err := settle(ctx, func(ctx context.Context) (page, error) {
			infos, cursor, err := next(ctx, store.Page{After: after, Limit: pageSize})
			return page{infos, cursor}, err
		})
		if err != nil {
			return storeError(err)
		}
		for n := range got.infos {
			if more, err := visit(&got.infos[n]); err != nil || !more {
				return err
			}
		}
		if got.next == "" {
			return nil
		}
		after = got.next
	}
}

func (i *Issuer) records(ctx context.Context, req InfoRequest, needs capability.Capability, event string, of func(*presented) pager) (*mytoken.Records, error) {
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
func (i *Issuer) collect(ctx context.Context, next pager) (*mytoken.Records, error) {
	out := &mytoken.Records{}
	byID := make(map[mytoken.TokenID]*mytoken.Record)
	above := make(map[mytoken.TokenID]*mytoken.Record)
	var order []*mytoken.Record
	err := i.eachToken(ctx, next, func(info *store.TokenInfo) (bool, error) {
		if len(order) == MaxRecords {
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
