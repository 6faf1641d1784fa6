package client

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// TransferCode lets another device fetch a mytoken, once (protocol section 1.8).
type TransferCode struct {
	Code mytoken.Secret
	// Expires is when the server forgets the code; zero if it did not say.
	Expires time.Time
}

// Transfer creates a transfer code for a mytoken (protocol section 5.6). The client
// repeats the request if its answer is lost: a code that nobody received expires unused.
// Errors are those of [Client.AccessToken].
func (c *Client) Transfer(ctx context.Context, token mytoken.Secret) (*TransferCode, error) {
	const operation = "create a transfer code"
	asked := c.now()
	body, err := c.post(ctx, endpointTransfer, request{
		operation: operation, body: wire.TransferRequest{Mytoken: wire.NewSecret(token.Reveal())}, secrets: []mytoken.Secret{token}, safe: true,
	})
	if err != nil {
		return nil, err
	}
	var resp wire.TokenResponse
	if wire.Unmarshal(body, &resp) != nil || resp.TransferCode.IsEmpty() {
		return nil, &AnswerError{Operation: operation, Reason: "the answer holds no transfer code"}
	}
	return &TransferCode{Code: mytoken.NewSecret(resp.TransferCode.Reveal()), Expires: after(asked, resp.ExpiresIn)}, nil
}

// Redeem fetches the mytoken behind a transfer code (protocol section 5.4.4). The first
// request uses up the code, whether or not its answer arrives. So the client repeats it
// only if the server certainly did not act on it. For an unknown or used code, the error
// is an [*Error] with [CodeInvalidToken]. Other errors are those of [Client.AccessToken].
func (c *Client) Redeem(ctx context.Context, code mytoken.Secret) (*mytoken.Issued, error) {
	return c.redeem(ctx, "redeem a transfer code", code, wire.TokenRequest{
		GrantType: wire.GrantTransferCode, TransferCode: wire.NewSecret(code.Reveal()),
	})
}

// redeem exchanges a code for a token. It does not repeat a request that may have used up
// the code.
func (c *Client) redeem(ctx context.Context, operation string, code mytoken.Secret, body wire.TokenRequest) (*mytoken.Issued, error) {
	asked := c.now()
	answer, err := c.post(ctx, endpointMytoken, request{operation: operation, body: body, secrets: []mytoken.Secret{code}})
	if err != nil {
		return nil, err
	}
	return readIssued(operation, answer, asked)
}
