package client

import (
	"context"
	"errors"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// Revoke revokes a mytoken, with all its descendants if recursive, or a transfer or
// polling code that was not used yet (protocol section 5.7). It needs no capability. An
// unknown, expired or revoked token is no error, so the client repeats the request if its
// answer is lost. Errors are those of [Client.AccessToken].
func (c *Client) Revoke(ctx context.Context, token mytoken.Secret, recursive bool) error {
	_, err := c.post(ctx, endpointRevocation, request{
		operation: "revoke", secrets: []mytoken.Secret{token}, safe: true,
		body: wire.RevocationRequest{Token: wire.NewSecret(token.Reveal()), Recursive: recursive},
	})
	return err
}

// RevokeByID revokes another token of the same user by its id, the mom_id. The presented
// token must be an ancestor of it, or have the capability manage_mytokens:revoke.
// RevokeByID returns the successor of the presented token, or nil if the server did not
// rotate it. It returns an error for the zero id, which records have if the server sent
// an unreadable id. Other errors are those of [Client.AccessToken].
func (c *Client) RevokeByID(ctx context.Context, token mytoken.Secret, id mytoken.TokenID, recursive bool) (update *mytoken.Issued, err error) {
	if id.IsZero() {
		return nil, errors.New("client: revoke by mom_id: the id is zero: the server did not tell a readable mom_id")
	}
	asked := c.now()
	body, err := c.post(ctx, endpointRevocation, request{
		operation: "revoke by mom_id", spends: true, secrets: []mytoken.Secret{token},
		body: wire.RevocationRequest{Token: wire.NewSecret(token.Reveal()), MomID: id.String(), Recursive: recursive},
	})
	if err != nil {
		return nil, err
	}
	return readUpdate(body, asked), nil
}
