package issuer

import (
	"context"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// MaxRecords bounds lists and histories. They leave out further entries and set
// Truncated.
const MaxRecords = 20000

// InfoRequest asks for a list of tokens; see [Issuer.List] and [Issuer.Subtree].
type InfoRequest struct {
	Token mytoken.Secret
	// ID names the request. A repetition with the same ID is answered anew and counts
	// once, within the lifetime of a code. After that it returns [ErrRepeatedID]. Zero: a
	// new ID.
	ID     UseID
	Client Client
	// Describe chooses the tokens that the list describes in full, as far as
	// Limits.ListBytes reaches. It gets each record as a brief one, without children; see
	// [mytoken.Record.Brief]. Nil: all of them.
	Describe func(*mytoken.Record) bool
}

// Subtree returns a token and its descendants. Tokens that have expired or were revoked stay
// listed for Config.Retention. Subtree needs tokeninfo:subtokens, and counts as one other
// use. Errors are those of [Issuer.AccessToken]. It returns a [*BusyError] if too many lists
// are being read.
func (i *Issuer) Subtree(ctx context.Context, req InfoRequest) (*mytoken.Records, error) {
	return i.records(ctx, req, capability.TokeninfoSubtokens, EventSubtokensRead, func(p *presented) pager[store.TokenInfo] {
		return i.ledger.subtree(p.id.ID)
	})
}

// List returns all tokens of the user, as Subtree does. It needs manage_mytokens:list, and
// counts as one other use. Errors are those of [Issuer.Subtree].
func (i *Issuer) List(ctx context.Context, req InfoRequest) (*mytoken.Records, error) {
	return i.records(ctx, req, capability.ManageMytokensList, EventListRead, func(p *presented) pager[store.TokenInfo] {
		return i.ledger.ofOwner(p.token.Owner())
	})
}

func (i *Issuer) records(ctx context.Context, req InfoRequest, needs capability.Capability, event string, of func(*presented) pager[store.TokenInfo]) (*mytoken.Records, error) {
	p, leave, err := i.presentToList(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	defer leave()
	op := operation{id: p.useID(req.ID), brief: !req.ID.IsZero(), kind: restriction.Other, needs: needs, client: req.Client, event: event}
	spent, err := i.charge(ctx, p, op)
	if err != nil {
		return nil, err
	}
	out, err := i.collect(ctx, of(p), req.Describe)
	if err != nil {
		return nil, p.afterCharge(err)
	}
	if out.Update, err = i.rotateOrFail(ctx, p, op.kind, spent.Key, req.Client); err != nil {
		return nil, p.afterCharge(err)
	}
	return out, nil
}

// collect reads all pages and builds the trees. Expired and revoked tokens are listed until
// Sweep deletes them. A token whose parent was deleted hangs below the nearest ancestor
// that is left (D97).
func (i *Issuer) collect(ctx context.Context, next pager[store.TokenInfo], describe func(*mytoken.Record) bool) (*mytoken.Records, error) {
	out := &mytoken.Records{}
	byID := make(map[mytoken.TokenID]*mytoken.Record)
	above := make(map[mytoken.TokenID]*mytoken.Record)
	var order []*mytoken.Record
	reader := recordReader{i: i, describe: describe, room: i.cfg.Limits.ListBytes}
	err := each(ctx, &i.ledger, next, tokenPage, func(info *store.TokenInfo) (bool, error) {
		if len(order) == MaxRecords {
			out.Truncated = true
			return false, nil
		}
		r, err := reader.read(info)
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
	for _, r := range order {
		if parent := above[r.ID]; parent != nil {
			parent.Children = append(parent.Children, r)
		} else {
			out.Roots = append(out.Roots, r)
		}
	}
	return out, nil
}

// recordReader makes the records of one list.
type recordReader struct {
	i        *Issuer
	describe func(*mytoken.Record) bool // nil: all
	room     int                        // bytes of memory that are left for descriptions
}

// heading is the part of a description that every list tells.
type heading struct {
	Name    string `json:"name"`
	Address string `json:"ip"`
	Issuer  string `json:"oidc_iss"`
	Label   string `json:"label"`
}

func (l *recordReader) read(info *store.TokenInfo) (*mytoken.Record, error) {
	r := &mytoken.Record{
		ID: info.ID, Created: info.Created.Time(), Expires: info.Expires.Time(), LastUsed: info.LastUsed.Time(),
		Revoked: !info.Live, Brief: true,
	}
	if len(info.Ancestors) > 0 {
		r.Parent = info.Ancestors[0]
	}
	text, err := l.i.openDescription(info)
	if err != nil {
		return nil, err
	}
	var head heading
	if err := readDescription(text, &head); err != nil {
		return nil, err
	}
	r.Name, r.Address, r.Provider = legible.Show(head.Name), head.Address, head.Issuer
	r.Label = head.Label
	held := descriptionBytes(len(text), len(info.Counters))
	if held > l.room || l.describe != nil && !l.describe(r) {
		return r, nil
	}
	l.room -= held
	var a about
	if err := readDescription(text, &a); err != nil {
		return nil, err
	}
	r.Brief, r.Counters = false, info.Counters
	r.Capabilities, r.Restrictions, r.Rotation = a.Capabilities, a.Restrictions, a.Rotation
	return r, nil
}

// descriptionBytes is about the memory that a description takes in a list. A clause of
// few characters takes much more memory than text.
func descriptionBytes(text, clauses int) int { return 2*text + 512*clauses }
