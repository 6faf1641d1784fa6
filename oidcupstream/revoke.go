package oidcupstream

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
)

// Revoke revokes a refresh token at the provider (RFC 7009). A token that the provider
// does not know is no error. Unlike Exchange and Refresh, Revoke may be repeated after
// any failure.
//
// A provider that throttles gets no request; see [ErrThrottled]. The token stays valid
// then, so repeat the call after Error.RetryAfter.
//
// All errors are [*Error]. Revoke returns [ErrUnsupported] if the provider has no
// revocation endpoint.
func (p *Provider) Revoke(ctx context.Context, refreshToken string) error {
	const op = "revoke"
	if refreshToken == "" {
		return requestError(op, "the refresh token is empty")
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	m, err := p.lookup(ctx, op)
	if err != nil {
		return err
	}
	if m.RevocationEndpoint == "" {
		return notSent(op, ErrUnsupported)
	}
	r, err := p.post(ctx, op, m.RevocationEndpoint, url.Values{
		"token":           {refreshToken},
		"token_type_hint": {"refresh_token"},
	}, []string{refreshToken})
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("<")) {
		return &Error{Op: op, Status: r.status, err: fmt.Errorf("%w: a page of somebody in between", ErrAnswer)}
	}
	return err
}
