package client

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// DeriveRequest asks for a child of a mytoken (protocol section 5.4.3).
type DeriveRequest struct {
	Properties
	// Provider is the issuer that the parent is expected to be of; empty: any.
	Provider string
	// Adjust lets the server replace restrictions that are not within those of
	// the parent; the result is in the answer. Otherwise that fails.
	Adjust bool
}

// revokeTimeout bounds the revocation of what should not have been issued.
const revokeTimeout = 10 * time.Second

// Derive creates a child of a mytoken. It counts as a use of the parent, so it is
// repeated only if the server certainly did not act on it.
//
// Some servers adjust restrictions although they were told not to (protocol section
// 10, D20). A child that is not within Restrictions is revoked, and the error is a
// [*WiderError]. Other errors are those of [Client.AccessToken].
func (c *Client) Derive(ctx context.Context, parent Secret, req DeriveRequest) (*Token, error) {
	const operation = "derive"
	body := wire.TokenRequest{
		GrantType: wire.GrantMytoken, Mytoken: wire.NewSecret(parent.Reveal()), OIDCIssuer: req.Provider, ErrorOnRestrictions: !req.Adjust,
	}
	if err := req.fill(&body); err != nil {
		return nil, err
	}
	asked := c.now()
	answer, err := c.post(ctx, endpointMytoken, request{operation: operation, body: body, secrets: []Secret{parent}})
	if err != nil {
		return nil, err
	}
	child, err := c.readToken(operation, answer, asked)
	if err != nil {
		return nil, err
	}
	if !req.Adjust && len(req.Restrictions) > 0 && !isWithin(child.Restrictions, req.Restrictions) {
		return nil, c.tooWide(ctx, child)
	}
	return child, nil
}

// isWithin compares what was issued with what was asked for. What the host "this" has
// become is known to the server alone; then hosts are left out.
func isWithin(issued, asked restriction.List) bool {
	own := slices.ContainsFunc(asked, func(c restriction.Clause) bool {
		return slices.ContainsFunc(c.Hosts, func(host string) bool { return strings.EqualFold(host, "this") })
	})
	if own {
		issued, asked = issued.Clone(), asked.Clone()
		for _, list := range []restriction.List{issued, asked} {
			for i := range list {
				list[i].Hosts = nil
			}
		}
	}
	return restriction.Within(issued, asked, nil)
}

// tooWide revokes a token that should not have been issued.
func (c *Client) tooWide(ctx context.Context, child *Token) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	secret := child.Token
	if secret.IsEmpty() {
		secret = child.TransferCode
	}
	return &WiderError{Token: child, Revoked: c.Revoke(ctx, secret, true) == nil}
}
