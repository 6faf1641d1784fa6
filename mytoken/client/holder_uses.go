package client

import (
	"context"
	"errors"
)

// AccessToken is [Client.AccessToken] with the token held.
func (h *Holder) AccessToken(ctx context.Context, req AccessTokenRequest) (*AccessToken, error) {
	return held(ctx, h, useAT, func(ctx context.Context, c *Client, token Secret) (*AccessToken, *Token, error) {
		out, err := c.AccessToken(ctx, token, req)
		if err != nil {
			return nil, updateIn(err), err
		}
		return out, out.Update, nil
	})
}

// Derive is [Client.Derive] with the token held as parent.
func (h *Holder) Derive(ctx context.Context, req DeriveRequest) (*Token, error) {
	return held(ctx, h, useOther, func(ctx context.Context, c *Client, token Secret) (*Token, *Token, error) {
		out, err := c.Derive(ctx, token, req)
		if err != nil {
			return nil, updateIn(err), err
		}
		return out, out.Update, nil
	})
}

// History is [Client.History] with the token held.
func (h *Holder) History(ctx context.Context, momIDs ...string) (*History, error) {
	return held(ctx, h, useOther, func(ctx context.Context, c *Client, token Secret) (*History, *Token, error) {
		out, err := c.History(ctx, token, momIDs...)
		if err != nil {
			return nil, updateIn(err), err
		}
		return out, out.Update, nil
	})
}

// Subtree is [Client.Subtree] with the token held.
func (h *Holder) Subtree(ctx context.Context) (*Tokens, error) {
	return h.trees(ctx, (*Client).Subtree)
}

// List is [Client.List] with the token held.
func (h *Holder) List(ctx context.Context) (*Tokens, error) { return h.trees(ctx, (*Client).List) }

func (h *Holder) trees(ctx context.Context, call func(*Client, context.Context, Secret) (*Tokens, error)) (*Tokens, error) {
	return held(ctx, h, useOther, func(ctx context.Context, c *Client, token Secret) (*Tokens, *Token, error) {
		out, err := call(c, ctx, token)
		if err != nil {
			return nil, updateIn(err), err
		}
		return out, out.Update, nil
	})
}

// RevokeByID is [Client.RevokeByID] with the token held; its successor is saved.
func (h *Holder) RevokeByID(ctx context.Context, momID string, recursive bool) error {
	_, err := held(ctx, h, useOther, func(ctx context.Context, c *Client, token Secret) (struct{}, *Token, error) {
		update, err := c.RevokeByID(ctx, token, momID, recursive)
		return struct{}{}, update, err
	})
	return err
}

// Introspect is [Client.Introspect] with the token held.
func (h *Holder) Introspect(ctx context.Context) (*Introspection, error) {
	return held(ctx, h, useUncounted, func(ctx context.Context, c *Client, token Secret) (*Introspection, *Token, error) {
		out, err := c.Introspect(ctx, token)
		return out, nil, err
	})
}

// Transfer is [Client.Transfer] with the token held. The code stands for the present
// generation of the token: who redeems it shares the token with this holder.
func (h *Holder) Transfer(ctx context.Context) (*TransferCode, error) {
	return held(ctx, h, useUncounted, func(ctx context.Context, c *Client, token Secret) (*TransferCode, *Token, error) {
		out, err := c.Transfer(ctx, token)
		return out, nil, err
	})
}

// Revoke is [Client.Revoke] with the token held. The token stays in the store.
func (h *Holder) Revoke(ctx context.Context, recursive bool) error {
	_, err := held(ctx, h, useUncounted, func(ctx context.Context, c *Client, token Secret) (struct{}, *Token, error) {
		return struct{}{}, nil, c.Revoke(ctx, token, recursive)
	})
	return err
}

// updateIn finds a successor in an error.
func updateIn(err error) *Token {
	if e, ok := errors.AsType[*AnswerError](err); ok {
		return e.Update
	}
	if e, ok := errors.AsType[*WiderError](err); ok {
		return e.Token.Update
	}
	return nil
}
