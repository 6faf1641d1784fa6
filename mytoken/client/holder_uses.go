package client

import (
	"context"
	"errors"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// AccessToken is [Client.AccessToken] with the token of the store.
func (h *Holder) AccessToken(ctx context.Context, req AccessTokenRequest) (*AccessToken, error) {
	return held(ctx, h, useAT, func(t *AccessToken) *mytoken.Issued { return t.Update },
		func(c *Client, ctx context.Context, token mytoken.Secret) (*AccessToken, error) {
			return c.AccessToken(ctx, token, req)
		})
}

// Derive is [Client.Derive] with the token of the store as parent.
func (h *Holder) Derive(ctx context.Context, req DeriveRequest) (*mytoken.Issued, error) {
	return held(ctx, h, useOther, func(child *mytoken.Issued) *mytoken.Issued { return child.Update },
		func(c *Client, ctx context.Context, token mytoken.Secret) (*mytoken.Issued, error) {
			return c.Derive(ctx, token, req)
		})
}

// History is [Client.History] with the token of the store.
func (h *Holder) History(ctx context.Context, momIDs ...string) (*mytoken.History, error) {
	return held(ctx, h, useOther, func(t *mytoken.History) *mytoken.Issued { return t.Update },
		func(c *Client, ctx context.Context, token mytoken.Secret) (*mytoken.History, error) {
			return c.History(ctx, token, momIDs...)
		})
}

// Subtree is [Client.Subtree] with the token of the store.
func (h *Holder) Subtree(ctx context.Context) (*mytoken.Records, error) {
	return held(ctx, h, useOther, updateOfRecords, (*Client).Subtree)
}

// List is [Client.List] with the token of the store.
func (h *Holder) List(ctx context.Context) (*mytoken.Records, error) {
	return held(ctx, h, useOther, updateOfRecords, (*Client).List)
}

func updateOfRecords(r *mytoken.Records) *mytoken.Issued { return r.Update }

// RevokeByID is [Client.RevokeByID] with the token of the store. It saves the token's
// successor.
func (h *Holder) RevokeByID(ctx context.Context, id mytoken.TokenID, recursive bool) error {
	_, err := held(ctx, h, useOther, func(update *mytoken.Issued) *mytoken.Issued { return update },
		func(c *Client, ctx context.Context, token mytoken.Secret) (*mytoken.Issued, error) {
			return c.RevokeByID(ctx, token, id, recursive)
		})
	return err
}

// Tags is [Client.Tags] with the token of the store. It saves the token's successor, as the
// other methods about tags do.
func (h *Holder) Tags(ctx context.Context) ([]mytoken.Tag, error) {
	type listed struct {
		tags   []mytoken.Tag
		update *mytoken.Issued
	}
	out, err := held(ctx, h, useOther, func(l listed) *mytoken.Issued { return l.update },
		func(c *Client, ctx context.Context, token mytoken.Secret) (out listed, err error) {
			out.tags, out.update, err = c.Tags(ctx, token)
			return out, err
		})
	return out.tags, err
}

// CreateTag is [Client.CreateTag] with the token of the store.
func (h *Holder) CreateTag(ctx context.Context, tag mytoken.Tag) error {
	return h.changeTags(ctx, func(c *Client, ctx context.Context, token mytoken.Secret) (*mytoken.Issued, error) {
		return c.CreateTag(ctx, token, tag)
	})
}

// UpdateTag is [Client.UpdateTag] with the token of the store.
func (h *Holder) UpdateTag(ctx context.Context, name string, tag mytoken.Tag) error {
	return h.changeTags(ctx, func(c *Client, ctx context.Context, token mytoken.Secret) (*mytoken.Issued, error) {
		return c.UpdateTag(ctx, token, name, tag)
	})
}

// DeleteTag is [Client.DeleteTag] with the token of the store.
func (h *Holder) DeleteTag(ctx context.Context, name string) error {
	return h.changeTags(ctx, func(c *Client, ctx context.Context, token mytoken.Secret) (*mytoken.Issued, error) {
		return c.DeleteTag(ctx, token, name)
	})
}

// TagToken is [Client.TagToken] with the token of the store.
func (h *Holder) TagToken(ctx context.Context, id mytoken.TokenID, tag mytoken.Tag) error {
	return h.changeTags(ctx, func(c *Client, ctx context.Context, token mytoken.Secret) (*mytoken.Issued, error) {
		return c.TagToken(ctx, token, id, tag)
	})
}

// UntagToken is [Client.UntagToken] with the token of the store.
func (h *Holder) UntagToken(ctx context.Context, id mytoken.TokenID, name string) error {
	return h.changeTags(ctx, func(c *Client, ctx context.Context, token mytoken.Secret) (*mytoken.Issued, error) {
		return c.UntagToken(ctx, token, id, name)
	})
}

func (h *Holder) changeTags(ctx context.Context, change func(*Client, context.Context, mytoken.Secret) (*mytoken.Issued, error)) error {
	_, err := held(ctx, h, useOther, func(update *mytoken.Issued) *mytoken.Issued { return update }, change)
	return err
}

// Introspect is [Client.Introspect] with the token of the store.
func (h *Holder) Introspect(ctx context.Context) (*Introspection, error) {
	return held(ctx, h, useUncounted, nil, (*Client).Introspect)
}

// Explain is [Client.Explain] with the token of the store.
func (h *Holder) Explain(ctx context.Context, req ExplainRequest) (*restriction.Explanation, error) {
	return held(ctx, h, useUncounted, nil, func(c *Client, ctx context.Context, token mytoken.Secret) (*restriction.Explanation, error) {
		return c.Explain(ctx, token, req)
	})
}

// Transfer is [Client.Transfer] with the token of the store. The code stands for the
// current generation of the token. Whoever redeems it shares the token with this holder.
func (h *Holder) Transfer(ctx context.Context) (*TransferCode, error) {
	return held(ctx, h, useUncounted, nil, (*Client).Transfer)
}

// Revoke is [Client.Revoke] with the token of the store. The token stays in the store.
func (h *Holder) Revoke(ctx context.Context, recursive bool) error {
	_, err := held(ctx, h, useUncounted, nil, func(c *Client, ctx context.Context, token mytoken.Secret) (struct{}, error) {
		return struct{}{}, c.Revoke(ctx, token, recursive)
	})
	return err
}

// updateIn finds a successor in an error.
func updateIn(err error) *mytoken.Issued {
	if e, ok := errors.AsType[*AnswerError](err); ok {
		return e.Update
	}
	if e, ok := errors.AsType[*WiderError](err); ok {
		return e.Token.Update
	}
	return nil
}
