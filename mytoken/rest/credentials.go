package rest

import (
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// token finds the mytoken of a request: in the body, else in the Authorization
// header, else in the cookie; the first that is not empty (protocol section
// 5.0.2). A cookie counts only if the request comes from this service's own pages.
func (c *call) token(inBody ...wire.Secret) (mytoken.Secret, error) {
	for _, s := range inBody {
		if !s.IsEmpty() {
			return c.hold(s.Reveal()), nil
		}
	}
	if s := bearer(c.r.Header.Get("Authorization")); s != "" {
		return c.hold(s), nil
	}
	return c.cookieToken()
}

// cookieToken finds the mytoken of a web login.
func (c *call) cookieToken() (mytoken.Secret, error) {
	cookie, err := c.r.Cookie(wire.CookieMytoken)
	if err != nil || cookie.Value == "" || c.fromElsewhere() {
		return mytoken.Secret{}, errNoToken
	}
	c.cookie = true
	return c.hold(cookie.Value), nil
}

// bearer reads an Authorization header (RFC 6750 section 2.1). Another scheme is
// no token: oidc-agent may send Basic.
func bearer(value string) string {
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.Trim(token, " ")
}
