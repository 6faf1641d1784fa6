package mytoken

import "time"

// newClaims are the claims of a new token (protocol section 1.2).
func (i *Issuer) newClaims(provider *Provider, subject string, p Properties, authTime time.Time) Claims {
	c := Claims{
		Issuer: i.cfg.Issuer, JTI: NewJTI(), Seq: 1, Name: p.Name,
		OIDCIssuer: provider.Upstream.Issuer(), OIDCSubject: subject,
		Capabilities: p.Capabilities, Restrictions: p.Restrictions, Rotation: p.Rotation,
	}
	if !authTime.IsZero() {
		c.AuthTime = authTime.Unix()
	}
	c.SetTimes(i.now())
	return c
}
