package mytokentest

import (
	"cmp"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
)

// signingKeys makes the keys of Sign once.
var signingKeys = sync.OnceValues(func() (*mytoken.Keys, error) {
	key, err := mytoken.GenerateKey(mytoken.ES256)
	if err != nil {
		return nil, err
	}
	return mytoken.NewKeys(key)
})

// Sign returns a token for the test of a service that accepts mytokens, and the
// configuration of a verifier that accepts it. No issuer is needed.
//
// Each field of the claims that is zero gets a value that verifiers accept: the issuer
// [IssuerURL], the user alice of https://op.example.org, the capability AT, and now as the
// time of issue. NotBefore and ExpiresAt follow from the restrictions, as those of an
// issuer do. So a token is expired if its clauses are, and the test needs no clock.
//
// All tokens of a process have the same key, so one verifier serves a whole test. For a
// service that fetches the keys, serve the Keys.JWKS of the configuration and set JWKSURL
// instead of Keys. Errors are those of [mytoken.Keys.Sign].
func Sign(c mytoken.Claims) (mytoken.Secret, mytoken.VerifierConfig, error) {
	c.Issuer = cmp.Or(c.Issuer, IssuerURL)
	c.OIDCIssuer = cmp.Or(c.OIDCIssuer, "https://op.example.org")
	c.OIDCSubject = cmp.Or(c.OIDCSubject, "alice")
	if c.Capabilities == nil {
		c.Capabilities = capability.Set{capability.AT}
	}
	c.IssuedAt = cmp.Or(c.IssuedAt, time.Now().Unix())
	usual := c
	usual.SetTimes(time.Unix(c.IssuedAt, 0))
	c.NotBefore, c.ExpiresAt = cmp.Or(c.NotBefore, usual.NotBefore), cmp.Or(c.ExpiresAt, usual.ExpiresAt)
	keys, err := signingKeys()
	if err != nil {
		return mytoken.Secret{}, mytoken.VerifierConfig{}, err
	}
	token, err := keys.Sign(c)
	return token, mytoken.VerifierConfig{Issuer: c.Issuer, Keys: keys}, err
}
