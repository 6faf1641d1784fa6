package oidcupstream

import (
	"context"
	"net/url"
)

// Revoke revokes a refresh token at the provider (RFC 7009). A token that the provider
// does not know is no error. Unlike Exchange and Refresh, Revoke may be repeated after
// any failure.
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
	_, err = p.post(ctx, op, m.RevocationEndpoint, url.Values{
		"token":           {refreshToken},
		"token_type_hint": {"refresh_token"},
	}, []string{refreshToken})
	return err
}
