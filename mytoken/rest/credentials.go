package rest

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// token returns the mytoken of a request: from the body, else from the Authorization
// header, else from the cookie (protocol section 5.0.2). The cookie counts only in
// requests of the service's own pages. A client with an SSH key presents nothing else.
func (c *call) token(inBody ...wire.Secret) (mytoken.Secret, error) {
	for _, s := range inBody {
		if !s.IsEmpty() {
			if c.client.Key != nil {
				return mytoken.Secret{}, errKeyAndToken
			}
			return c.hold(s.Secret), nil
		}
	}
	if c.client.Key != nil {
		return mytoken.Secret{}, nil
	}
	if s := bearer(c.r.Header.Get("Authorization")); s != "" {
		return c.hold(mytoken.NewSecret(s)), nil
	}
	return c.cookieToken()
}

// cookieToken returns the mytoken of a web login.
func (c *call) cookieToken() (mytoken.Secret, error) {
	cookie, err := c.r.Cookie(wire.CookieMytoken)
	if err != nil || cookie.Value == "" || c.fromElsewhere() {
		return mytoken.Secret{}, errNoToken
	}
	c.cookie = true
	return c.hold(mytoken.NewSecret(cookie.Value)), nil
}

// hold returns a token that a client presented, and notes whether it is a JWT.
func (c *call) hold(token mytoken.Secret) mytoken.Secret {
	c.readable = strings.Count(token.Reveal(), ".") == 2
	return token
}

// bearer reads an Authorization header (RFC 6750 section 2.1). It ignores other schemes,
// because oidc-agent may send Basic.
func bearer(value string) string {
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.Trim(token, " ")
}

// sums returns the sums of the clients' secrets by ID.
func sums(clients []Client) map[string][sha256.Size]byte {
	out := make(map[string][sha256.Size]byte)
	for _, c := range clients {
		out[c.ID] = c.sum()
	}
	return out
}

// authentic reports whether a secret is that of a client. An unknown client has none
// (D78).
func authentic(clients map[string][sha256.Size]byte, id, secret string) bool {
	want, known := clients[id]
	have := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(have[:], want[:]) == 1 && known
}
