package client

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// DeriveRequest asks for a child of a mytoken (protocol section 5.4.3).
//
// If a list is empty but not nil, [Client.Derive] returns [ErrEmptyList] and sends
// nothing. See [mytoken.Properties] for what nil means.
type DeriveRequest struct {
	Properties mytoken.Properties
	Response   mytoken.Response
	// RestrictionsJSON replaces Properties.Restrictions, see [LoginRequest].
	RestrictionsJSON []byte
	// Include names profiles of the server; nil: none.
	Include []string
	// Provider is the issuer that the caller expects; empty: any.
	Provider string
	// Adjust lets the server replace restrictions that are not within those of the
	// parent. The answer says what the child got. Without Adjust, the server refuses such
	// a request.
	Adjust bool
}

// revokeTimeout bounds the revocation of a child that is too wide.
const revokeTimeout = 10 * time.Second

// Derive creates a child of a mytoken. It counts as a use of the parent. The client
// repeats it when it repeats [Client.AccessToken], and gets the same child.
//
// Some servers adjust restrictions although they were told not to (protocol section 10,
// D20). Derive revokes a child that is not within the requested restrictions, and returns
// a [*WiderError]. Other errors are [ErrEmptyList] and those of [Client.AccessToken].
func (c *Client) Derive(ctx context.Context, parent mytoken.Secret, req DeriveRequest) (*mytoken.Issued, error) {
	const operation = "derive a mytoken"
	body := wire.TokenRequest{
		GrantType: wire.GrantMytoken, Mytoken: wire.NewSecret(parent.Reveal()), OIDCIssuer: req.Provider, ErrorOnRestrictions: !req.Adjust,
	}
	if err := (properties{req.Properties, req.Response, req.RestrictionsJSON, req.Include}).fill(&body); err != nil {
		return nil, err
	}
	asked := c.now()
	answer, err := c.post(ctx, endpointMytoken, request{operation: operation, spends: true, body: body, secrets: []mytoken.Secret{parent}})
	if err != nil {
		return nil, err
	}
	child, err := readIssued(operation, answer, asked)
	if err != nil {
		return nil, err
	}
	limits := req.Properties.Restrictions
	if !req.Adjust && len(limits) > 0 && !isWithin(child.Restrictions, limits) {
		return nil, c.tooWide(ctx, child)
	}
	return child, nil
}

// isWithin compares the restrictions of the child with the requested ones. Only the
// server knows what the host "this" has become, so isWithin ignores hosts if "this" is
// among them.
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

// tooWide revokes a child that is not within the requested restrictions.
func (c *Client) tooWide(ctx context.Context, child *mytoken.Issued) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	secret := child.Token
	if secret.IsEmpty() {
		secret = child.TransferCode
	}
	err := c.Revoke(ctx, secret, true)
	return &WiderError{Token: child, Revoked: err == nil, RevokeErr: err}
}
