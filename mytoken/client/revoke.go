package client

import (
	"context"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// Revoke revokes a mytoken, with all its descendants if recursive, or a transfer or
// polling code that was not used yet (protocol section 5.7). Possession is enough.
// A token that is unknown, expired or revoked is no error, so the request is repeated
// if its answer is lost.
func (c *Client) Revoke(ctx context.Context, token Secret, recursive bool) error {
	_, err := c.post(ctx, endpointRevocation, request{
		operation: "revoke", secrets: []Secret{token}, safe: true,
		body: wire.RevocationRequest{Token: wire.NewSecret(token.Reveal()), Recursive: recursive},
	})
	return err
}

// RevokeByID revokes another token of the same user by its mom_id. The token that is
// presented must be an ancestor of it or have the capability manage_mytokens:revoke.
// It returns the successor of the presented token if the server rotated that, else
// nil.
func (c *Client) RevokeByID(ctx context.Context, token Secret, momID string, recursive bool) (update *Token, err error) {
	asked := c.now()
	body, err := c.post(ctx, endpointRevocation, request{
		operation: "revoke by mom_id", secrets: []Secret{token},
		body: wire.RevocationRequest{Token: wire.NewSecret(token.Reveal()), MomID: momID, Recursive: recursive},
	})
	if err != nil {
		return nil, err
	}
	return readUpdate(body, asked), nil
}
