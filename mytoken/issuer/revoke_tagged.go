package issuer

import (
	"context"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// RevokeTaggedRequest revokes all tokens of the user that have a tag.
type RevokeTaggedRequest struct {
	Token mytoken.Secret
	// ID names the request. A repetition with the same ID counts once. Zero: a new one.
	ID  UseID
	Tag string // its name
	// Recursive revokes all their descendants too.
	Recursive bool
	Client    Client
}

// RevokedTokens is the outcome of [Issuer.RevokeTagged].
type RevokedTokens struct {
	// Count is how many live tokens had the tag.
	Count int
	// Self says that the authorising token is one of those that were revoked.
	Self bool
	// Update replaces the authorising token. It is nil if that was not rotated.
	Update *mytoken.Issued
}

// RevokeTagged revokes the tokens that have a tag when it is called. It needs
// manage_mytokens:revoke, and counts as one other use. Refresh tokens stay valid at the
// provider. If RevokeTagged returns an error, some tokens are revoked and some may not be:
// call it again. Errors are those of [Issuer.AccessToken] and [ErrUnknownTag].
func (i *Issuer) RevokeTagged(ctx context.Context, req RevokeTaggedRequest) (*RevokedTokens, error) {
	p, err := i.present(ctx, req.Token, req.Client)
	if err != nil {
		return nil, err
	}
	op := operation{
		id: p.useID(req.ID), kind: restriction.Other, needs: capability.ManageMytokensRevoke, client: req.Client, event: EventRevokedOther,
	}
	if _, _, err := i.admit(ctx, p, op); err != nil {
		return nil, i.refusedUse(ctx, p, op, err)
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	item, err := i.tagNamed(ctx, p.token.Owner(), req.Tag)
	if err != nil {
		return nil, err
	}
	op.comment = tagComment(item)
	spent, err := i.charge(ctx, p, op)
	if err != nil {
		return nil, err
	}
	ended, err := i.revokeTagged(ctx, p.token.Owner(), item, req.Recursive, req.Client)
	if err != nil {
		return nil, p.afterCharge(asRepeatable(err, true))
	}
	out := &RevokedTokens{Count: len(ended), Self: ended[p.id.ID]}
	for _, ancestor := range state.Ancestors {
		out.Self = out.Self || req.Recursive && ended[ancestor]
	}
	if !out.Self {
		out.Update = i.rotate(ctx, p, op.kind, spent.Key, req.Client)
	}
	return out, nil
}

// tagNamed returns the tag with a name, or [ErrUnknownTag].
func (i *Issuer) tagNamed(ctx context.Context, owner mytoken.OwnerID, name string) (store.ItemID, error) {
	book, err := i.readTags(ctx, owner)
	if err != nil {
		return store.ItemID{}, err
	}
	tag, known := book.find(strings.TrimSpace(name))
	if !known {
		return tag.ID, ErrUnknownTag
	}
	return tag.ID, nil
}

// revokeTagged revokes the tokens of a user that have a tag, and returns which had it.
func (i *Issuer) revokeTagged(ctx context.Context, owner mytoken.OwnerID, tag store.ItemID, recursive bool, client Client) (ended map[mytoken.TokenID]bool, err error) {
	ended = make(map[mytoken.TokenID]bool)
	gone := func(id mytoken.TokenID) bool { return ended[id] }
	revoke := func(info *store.TokenInfo) error {
		above := recursive && slices.ContainsFunc(info.Ancestors, gone)
		ended[info.ID] = true
		if above {
			return nil
		}
		_, err := i.revoke(ctx, info.ID, recursive, nil, client, taggedReason)
		return err
	}
	var page []store.TokenInfo
	flush := func() error {
		var tokens []mytoken.TokenID
		for _, info := range page {
			tokens = append(append(tokens, info.ID), info.Ancestors...)
		}
		links, err := i.readLinks(ctx, tokens, tag)
		for n := range page {
			if info := &page[n]; err == nil && info.Live && links.Reach(tag, info.ID, info.Ancestors).Own {
				err = revoke(info)
			}
		}
		page = page[:0]
		return err
	}
	err = each(ctx, &i.ledger, i.ledger.ofOwner(owner), tokenPage, func(info *store.TokenInfo) (bool, error) {
		if page = append(page, *info); len(page) < tokenPage {
			return true, nil
		}
		return true, flush()
	})
	if err == nil {
		err = flush()
	}
	return ended, err
}

// taggedReason is the comment on the revocation of a token because of its tag.
const taggedReason = "because of a tag"
