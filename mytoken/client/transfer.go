package client

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// TransferCode lets another device fetch a mytoken, once (protocol section 1.8).
type TransferCode struct {
	Code Secret
	// Expires is when the server forgets it.
	Expires time.Time
}

// Transfer creates a transfer code for a mytoken (protocol section 5.6). It is
// repeated where its answer is lost; the code that nobody got expires.
func (c *Client) Transfer(ctx context.Context, token Secret) (*TransferCode, error) {
	const operation = "create a transfer code"
	asked := c.now()
	body, err := c.post(ctx, endpointTransfer, request{
		operation: operation, body: wire.TransferRequest{Mytoken: wire.NewSecret(token.Reveal())}, secrets: []Secret{token}, safe: true,
	})
	if err != nil {
		return nil, err
	}
	var resp wire.TokenResponse
	if wire.Unmarshal(body, &resp) != nil || resp.TransferCode.IsEmpty() {
		return nil, &AnswerError{Operation: operation, Reason: "the answer holds no transfer code"}
	}
	return &TransferCode{Code: NewSecret(resp.TransferCode.Reveal()), Expires: after(asked, resp.ExpiresIn)}, nil
}

// Redeem fetches the mytoken behind a transfer code (protocol section 5.4.4). A code
// is used up by the first request, whatever becomes of its answer, so it is repeated
// only if the server certainly did not act on it.
func (c *Client) Redeem(ctx context.Context, code Secret) (*Token, error) {
	return c.redeem(ctx, "redeem a transfer code", code, wire.TokenRequest{
		GrantType: wire.GrantTransferCode, TransferCode: wire.NewSecret(code.Reveal()),
	})
}
