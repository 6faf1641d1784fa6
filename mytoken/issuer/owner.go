package issuer

import (
	"context"
	"errors"
	"slices"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
)

// ownerReason is the comment on revocations that no token authorised.
const ownerReason = "by the user, without a token"

// OwnerAccess acts on behalf of a user, without a token of his: for an
// embedding service that has authenticated him itself. Nothing here looks at
// capabilities or restrictions, and nothing is reachable with a mytoken.
type OwnerAccess struct {
	i     *Issuer
	owner mytoken.OwnerID
}

// Owner returns access to the tokens of the user with the given subject at the
// provider with the given issuer. It fails with ErrUnknownProvider.
func (i *Issuer) Owner(issuer, subject string) (*OwnerAccess, error) {
	p, err := i.provider(issuer)
	if err != nil {
		return nil, err
	}
	if subject == "" {
		return nil, &RequestError{Field: "sub", Reason: "empty"}
	}
	return &OwnerAccess{i: i, owner: mytoken.Owner(p.Upstream.Issuer(), subject)}, nil
}

// List tells of all tokens of the user.
func (o *OwnerAccess) List(ctx context.Context) (*mytoken.Records, error) {
	return o.i.collect(ctx, o.i.ledger.ofOwner(o.owner))
}

// Subtree tells of one of the user's tokens and its descendants. It fails with
// ErrNotOwned.
func (o *OwnerAccess) Subtree(ctx context.Context, id mytoken.TokenID) (*mytoken.Records, error) {
	if err := o.check(ctx, id); err != nil {
		return nil, err
	}
	return o.i.collect(ctx, o.i.ledger.subtree(id))
}

// History tells what happened to one of the user's tokens. It fails with
// ErrNotOwned.
func (o *OwnerAccess) History(ctx context.Context, id mytoken.TokenID) (*mytoken.History, error) {
	if err := o.check(ctx, id); err != nil {
		return nil, err
	}
	return o.i.events(ctx, []mytoken.TokenID{id})
}

// Revoke revokes one of the user's tokens. The refresh token is not revoked at
// the provider: nobody can open it without a token. It fails with ErrNotOwned.
func (o *OwnerAccess) Revoke(ctx context.Context, id mytoken.TokenID, recursive bool, client Client) error {
	if err := o.check(ctx, id); err != nil {
		return err
	}
	_, err := o.i.revoke(ctx, id, recursive, nil, client, ownerReason)
	return err
}

// RevokeAll revokes all tokens of the user that exist when it is called. On an
// error some are revoked; call it again.
func (o *OwnerAccess) RevokeAll(ctx context.Context, client Client) error {
	ended := make(map[mytoken.TokenID]bool)
	return each(ctx, o.i.ledger.ofOwner(o.owner), func(info *store.TokenInfo) (bool, error) {
		if !info.Live || slices.ContainsFunc(info.Ancestors, func(id mytoken.TokenID) bool { return ended[id] }) {
			return true, nil
		}
		ended[info.ID] = true
		_, err := o.i.revoke(ctx, info.ID, true, nil, client, ownerReason)
		return true, err
	})
}

// Delete deletes everything that is stored about the user. When it has
// returned nil, none of his tokens is usable. Refresh tokens are not revoked
// at the provider.
func (o *OwnerAccess) Delete(ctx context.Context) error {
	return o.i.ledger.deleteOwner(ctx, o.owner)
}

// check says whether the token is one of the user's.
func (o *OwnerAccess) check(ctx context.Context, id mytoken.TokenID) error {
	info, err := o.i.ledger.token(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && info.Owner != o.owner {
		return ErrNotOwned
	}
	return err
}
