package mytoken

import (
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// newClaims are the claims of a new token (protocol section 1.2).
func (i *Issuer) newClaims(provider *Provider, subject string, p Properties, authTime time.Time) claims {
	issuer := provider.Upstream.Issuer()
	c := claims{
		version: TokenVersion, tokenType: tokenType, issuer: i.cfg.Issuer, audience: i.cfg.Issuer,
		subject: Owner(issuer, subject).String(), jti: NewJTI(), seq: 1, name: p.Name,
		oidcIssuer: issuer, oidcSubject: subject,
		capabilities: p.Capabilities, restrictions: p.Restrictions, rotation: p.Rotation,
	}
	if !authTime.IsZero() {
		c.authTime = authTime.Unix()
	}
	c.setTimes(i.now())
	return c
}

// clause returns the clause that a use was charged to, or nil.
func (t *Token) clause(n int) *restriction.Clause {
	if n < 0 || n >= len(t.claims.restrictions) {
		return nil
	}
	return &t.claims.restrictions[n]
}
