package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// DeriveRequest asks for a child of a mytoken (protocol section 5.4.3).
//
// If a list is empty but not nil, [Client.Derive] returns [ErrEmptyList] and sends
// nothing. See [mytoken.Properties] for what nil means.
type DeriveRequest struct {
	// Properties are what the child gets. A clause of the restrictions may leave out what
	// the parent's clauses state: [restriction.Intersect] has the rule. The client follows
	// it before it sends the request, if it can read the parent's restrictions and if
	// neither RestrictionsJSON, Include nor Adjust is set. It reads them in a JWT, and asks
	// the server about a short token. If it cannot read them, each clause must state all
	// that the parent's clause states, or the server refuses the request.
	//
	// Servers drop capabilities that the parent lacks (protocol section 3.3). If the client
	// can read those of the parent, and neither Include nor Adjust is set, it returns a
	// [*mytoken.CapabilityError] instead.
	Properties mytoken.Properties
	Response   mytoken.Response
	// RestrictionsJSON replaces Properties.Restrictions, see [LoginRequest].
	RestrictionsJSON []byte
	// Include names profiles of the server; nil: none.
	Include []string
	// Provider is the issuer that the caller expects; empty: any.
	Provider string
	// Adjust lets the server replace restrictions that are not within those of the
	// parent, and drop capabilities that the parent lacks. The answer says what the child
	// got. Without Adjust, such a request fails.
	Adjust bool
}

// revokeTimeout bounds the revocation of a child that is too wide.
const revokeTimeout = 10 * time.Second

// Derive creates a child of a mytoken. It counts as a use of the parent. The client
// repeats it when it repeats [Client.AccessToken], and gets the same child.
//
// Some servers adjust restrictions although they were told not to (protocol section 10,
// D20). Derive revokes a child that is not within the requested restrictions, and returns
// a [*WiderError]. A [*restriction.ChildError] says which clause and key go beyond the
// parent's, and a [*mytoken.CapabilityError] which capability the parent lacks; nothing was
// sent then. Other errors are [ErrEmptyList] and those of [Client.AccessToken].
func (c *Client) Derive(ctx context.Context, parent mytoken.Secret, req DeriveRequest) (*mytoken.Issued, error) {
	const operation = "derive a mytoken"
	body := wire.TokenRequest{
		GrantType: wire.GrantMytoken, Mytoken: wire.NewSecret(parent.Reveal()), OIDCIssuer: req.Provider, ErrorOnRestrictions: !req.Adjust,
	}
	if err := (properties{req.Properties, req.Response, req.RestrictionsJSON, req.Include}).fill(&body); err != nil {
		return nil, err
	}
	limits, err := c.narrowed(ctx, operation, parent, &req)
	if err != nil {
		return nil, err
	}
	if len(limits) > 0 {
		if body.Restrictions, err = encodeList("Restrictions", limits); err != nil {
			return nil, err
		}
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
	if !req.Adjust && len(limits) > 0 && !isWithin(child.Restrictions, limits, asked) {
		return nil, c.tooWide(ctx, child)
	}
	return child, nil
}

// narrowed returns the restrictions to send: what the wanted ones and the parent's have in
// common, as far as the client can tell. It returns an error if the parent lacks
// something that is wanted. The server decides about the rest.
func (c *Client) narrowed(ctx context.Context, operation string, parent mytoken.Secret, req *DeriveRequest) (restriction.List, error) {
	wanted, capabilities := req.Properties.Restrictions, req.Properties.Capabilities
	if req.Adjust || len(req.Include) > 0 || len(wanted)+len(capabilities) == 0 {
		return wanted, nil
	}
	held, has := c.held(ctx, parent)
	if _, lacks := capability.Narrow(held, capabilities); len(held) > 0 && len(lacks) > 0 {
		return nil, fmt.Errorf("client: %s: Capabilities: %w; leave it out, or log in for a token that has it", operation, &mytoken.CapabilityError{Needed: lacks[0]})
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	states := func(key func(*restriction.Clause) bool) bool {
		return slices.ContainsFunc(has, func(clause restriction.Clause) bool { return key(&clause) })
	}
	if namesThis(wanted) && states(func(clause *restriction.Clause) bool { return clause.Hosts != nil }) {
		return wanted, nil // only the server knows the address
	}
	now := c.now()
	both, err := restriction.Intersect(has, wanted.Normalize(now), now, restriction.NarrowOptions{})
	if _, beyond := errors.AsType[*restriction.ChildError](err); beyond && states(func(clause *restriction.Clause) bool { return len(clause.Extra) > 0 }) {
		return wanted, nil // only the server knows whether one value of such a key is within another
	}
	if err != nil {
		return nil, fmt.Errorf("client: %s: Restrictions: %w", operation, err)
	}
	return both.List, nil
}

// held returns the capabilities and the restrictions of a token. Either is nil if the
// client cannot read it. A token that is not readable may still be known to the server.
func (c *Client) held(ctx context.Context, token mytoken.Secret) (capability.Set, restriction.List) {
	capabilities := peekCapabilities(token.Reveal())
	list, readable := peekRestrictions(token.Reveal())
	if readable && capabilities != nil {
		return capabilities, list
	}
	if info, err := c.Introspect(ctx, token); err == nil && info.Valid {
		return info.Claims.Capabilities, info.Claims.Restrictions
	}
	return capabilities, list
}

// namesThis reports whether a list uses the host "this".
func namesThis(list restriction.List) bool {
	return slices.ContainsFunc(list, func(c restriction.Clause) bool {
		return slices.ContainsFunc(c.Hosts, func(host string) bool { return strings.EqualFold(host, "this") })
	})
}

// isWithin compares the restrictions of the child with the requested ones. Only the
// server knows what the host "this" has become. So if "this" is among the hosts, isWithin
// looks only whether there are hosts. A schedule that counts days from the request may
// count from the day before or after, because the server has a clock of its own.
func isWithin(issued, asked restriction.List, at time.Time) bool {
	if namesThis(asked) {
		issued, asked = issued.Clone(), asked.Clone()
		for _, list := range []restriction.List{issued, asked} {
			for i := range list {
				if list[i].Hosts != nil {
					list[i].Hosts = []string{"this"}
				}
			}
		}
	}
	for _, days := range []int{0, -1, 1} {
		if restriction.WithinBudgets(issued, asked.Normalize(at.AddDate(0, 0, days)), nil) {
			return true
		}
	}
	return false
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
