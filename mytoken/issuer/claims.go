package issuer

import (
	"time"

	"github.com/mytoken-go/sdk/mytoken"
)

// newClaims are the claims of a new token (protocol section 1.2).
func (i *Issuer) newClaims(provider *Provider, subject string, p mytoken.Properties, authTime time.Time) mytoken.Claims {
	c := mytoken.Claims{
		Issuer: i.cfg.Issuer, Name: p.Name,
		OIDCIssuer: provider.Upstream.Issuer(), OIDCSubject: subject,
		Capabilities: p.Capabilities, Restrictions: p.Restrictions, Rotation: p.Rotation,
	}
	if !authTime.IsZero() {
		c.AuthTime = authTime.Unix()
	}
	c.SetTimes(i.now())
	return c
}
