package issuer

import (
	"context"
	"errors"
	"slices"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
)

// ownerReason is the comment on a revocation that no token authorised.
const ownerReason = "by the user, without a token"

// OwnerAccess acts on behalf of a user without a token, for an embedding service that has
// authenticated the user itself. It ignores capabilities and restrictions. No mytoken
// gives access to it. It is safe for concurrent use. Every method may return a
// [*StoreError].
type OwnerAccess struct {
	i     *Issuer
	owner mytoken.OwnerID
}

// Owner returns access to the tokens of a user. The issuer names the provider, and the
// subject names the user there. Errors are [ErrUnknownProvider] and, for an empty
// subject, [*RequestError].
func (i *Issuer) Owner(issuer, subject string) (*OwnerAccess, error) {
	p, err := i.provider(issuer)
	if err != nil {
		return nil, err
	}
	if subject == "" {
		return nil, &RequestError{Field: "sub", Reason: "missing"}
	}
	return &OwnerAccess{i: i, owner: mytoken.Owner(p.Upstream.Issuer(), subject)}, nil
}

// List returns all tokens of the user. It describes them in full as far as
// Limits.ListBytes reaches. It returns a [*BusyError] if too many lists are being read.
func (o *OwnerAccess) List(ctx context.Context) (*mytoken.Records, error) {
	return o.list(ctx, o.i.ledger.ofOwner(o.owner))
}

func (o *OwnerAccess) list(ctx context.Context, next pager[store.TokenInfo]) (*mytoken.Records, error) {
	leave, err := o.i.awaitTurn(ctx, o.owner, mytoken.TokenID{})
	if err != nil {
		return nil, err
	}
	defer leave()
	return o.i.collect(ctx, o.owner, next, nil)
}

// Subtree returns one of the user's tokens and its descendants, or [ErrNotOwned]. In all
// else it is like List.
func (o *OwnerAccess) Subtree(ctx context.Context, id mytoken.TokenID) (*mytoken.Records, error) {
	if err := o.check(ctx, id); err != nil {
		return nil, err
	}
	return o.list(ctx, o.i.ledger.subtree(id))
}

// History returns what happened to one of the user's tokens, or [ErrNotOwned].
func (o *OwnerAccess) History(ctx context.Context, id mytoken.TokenID) (*mytoken.History, error) {
	if err := o.check(ctx, id); err != nil {
		return nil, err
	}
	return o.i.events(ctx, o.owner, []mytoken.TokenID{id})
}

// Revoke revokes one of the user's tokens, or returns [ErrNotOwned]. The refresh token
// stays valid at the provider: nobody can open it without a mytoken.
func (o *OwnerAccess) Revoke(ctx context.Context, id mytoken.TokenID, recursive bool, client Client) error {
	if err := o.check(ctx, id); err != nil {
		return err
	}
	_, err := o.i.revoke(ctx, id, recursive, nil, client, ownerReason)
	return err
}

// RevokeAll revokes all tokens that the user has when it is called. If it returns an
// error, some are revoked and some may not be: call it again.
func (o *OwnerAccess) RevokeAll(ctx context.Context, client Client) error {
	ended := make(map[mytoken.TokenID]bool)
	return each(ctx, &o.i.ledger, o.i.ledger.ofOwner(o.owner), tokenPage, func(info *store.TokenInfo) (bool, error) {
		if !info.Live || slices.ContainsFunc(info.Ancestors, func(id mytoken.TokenID) bool { return ended[id] }) {
			return true, nil
		}
		ended[info.ID] = true
		_, err := o.i.revoke(ctx, info.ID, true, nil, client, ownerReason)
		return true, err
	})
}

// RevokeTagged revokes the tokens of the user that have a tag when it is called, with their
// descendants if recursive is true. It returns how many had the tag, and [ErrUnknownTag]
// if the user has no such tag. After another error, some are revoked and some may not be:
// call it again.
func (o *OwnerAccess) RevokeTagged(ctx context.Context, tag string, recursive bool, client Client) (count int, err error) {
	item, err := o.i.tagNamed(ctx, o.owner, tag)
	if err != nil {
		return 0, err
	}
	ended, err := o.i.revokeTagged(ctx, o.owner, item, recursive, client)
	return len(ended), err
}

// Tags returns the tags of the user, in the order of their names.
func (o *OwnerAccess) Tags(ctx context.Context) ([]mytoken.Tag, error) {
	book, err := o.i.readTags(ctx, o.owner)
	if err != nil {
		return nil, err
	}
	return book.list(), nil
}

// CreateTag makes a tag as [Issuer.CreateTag] does.
func (o *OwnerAccess) CreateTag(ctx context.Context, tag mytoken.Tag) error {
	return o.changeTag(ctx, TagRequest{Name: tag.Name, Color: tag.Color}, createTag)
}

// UpdateTag gives the tag with a name the name and the colour of another one, as
// [Issuer.UpdateTag] does.
func (o *OwnerAccess) UpdateTag(ctx context.Context, name string, tag mytoken.Tag) error {
	return o.changeTag(ctx, TagRequest{Name: name, NewName: tag.Name, Color: tag.Color}, updateTag)
}

// DeleteTag deletes a tag as [Issuer.DeleteTag] does.
func (o *OwnerAccess) DeleteTag(ctx context.Context, name string) error {
	return o.changeTag(ctx, TagRequest{Name: name}, deleteTag)
}

func (o *OwnerAccess) changeTag(ctx context.Context, req TagRequest, prepare func(TagRequest) (tagChange, error)) error {
	change, err := prepare(req)
	if err != nil {
		return err
	}
	return o.i.changeTags(ctx, o.owner, mytoken.TokenID{}, change.decide)
}

// TagToken puts a tag on one of the user's tokens as [Issuer.TagToken] does. It returns
// [ErrNotOwned] for any other token.
func (o *OwnerAccess) TagToken(ctx context.Context, id mytoken.TokenID, tag mytoken.Tag) error {
	return o.changeTagOf(ctx, id, tag, o.i.tagToken)
}

// UntagToken takes a tag off one of the user's tokens as [Issuer.UntagToken] does. It
// returns [ErrNotOwned] for any other token.
func (o *OwnerAccess) UntagToken(ctx context.Context, id mytoken.TokenID, name string) error {
	return o.changeTagOf(ctx, id, mytoken.Tag{Name: name}, o.i.untagToken)
}

func (o *OwnerAccess) changeTagOf(ctx context.Context, id mytoken.TokenID, tag mytoken.Tag,
	decide func(context.Context, mytoken.TokenID, mytoken.Tag) tagDecision,
) error {
	tag, err := checkTag("tag", tag)
	if err != nil {
		return err
	}
	if err := o.check(ctx, id); err != nil {
		return err
	}
	err = o.i.changeTags(ctx, o.owner, id, decide(ctx, id, tag))
	if errors.Is(err, store.ErrNotFound) {
		return ErrNotOwned
	}
	return err
}

// Delete deletes everything that is stored about the user. When it has returned nil, none
// of the user's tokens is usable. Refresh tokens stay valid at the provider.
func (o *OwnerAccess) Delete(ctx context.Context) error {
	return o.i.ledger.deleteOwner(ctx, o.owner)
}

// check returns [ErrNotOwned] unless the token is the user's.
func (o *OwnerAccess) check(ctx context.Context, id mytoken.TokenID) error {
	info, err := o.i.ledger.Token(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && info.Owner != o.owner {
		return ErrNotOwned
	}
	return err
}
