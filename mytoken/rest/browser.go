package rest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// fromElsewhere reports whether a browser sent the request for a page of another origin.
func (c *call) fromElsewhere() bool {
	site, origin := c.r.Header.Get("Sec-Fetch-Site"), c.r.Header.Get("Origin")
	return site != "" && site != "same-origin" && site != "none" || origin != "" && origin != c.origin
}

// sameSite refuses requests that a page of another origin makes a browser send (CSRF).
// Clients that are not browsers pass.
func (c *call) sameSite() error {
	if c.csrf.Check(c.r) != nil {
		return errCrossOrigin
	}
	return nil
}

// loginCookie makes the cookie that binds a login to the browser in which the user agreed
// to it. It does not reveal the state, and expires with the login.
func (c *call) loginCookie(login *issuer.Login) *http.Cookie {
	handle, proof := loginHandle(login.State.Reveal())
	cookie := c.cookieFor(c.loginCookieName("login", handle), proof)
	cookie.MaxAge = int(c.secondsUntil(login.Expires))
	return cookie
}

// loginHandle derives two texts from the state or the consent code of a login. The handle
// names the login in addresses and cookies. The proof is known to the browser in which the
// user agreed. Neither reveals the code.
func loginHandle(code string) (handle, proof string) {
	sum := sha256.Sum256([]byte("mytoken login " + code))
	text := base64.RawURLEncoding.EncodeToString(sum[:])
	return text[:12], text[12:]
}

// loginCookieName is the name of a cookie of one login.
func (c *call) loginCookieName(kind, handle string) string {
	name := "mytoken-" + kind + "-" + handle
	if c.secure { // no other host can set such a cookie
		return "__Host-" + name
	}
	return name
}

// cookieFor makes a cookie that the browser also sends when it comes from another site.
func (c *call) cookieFor(name, value string) *http.Cookie {
	cookie := &http.Cookie{Name: name, Value: value, Path: c.prefix + "/", HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode}
	if c.secure {
		cookie.Path = "/"
	}
	return cookie
}

// boundTo reports whether this is the browser in which the user agreed to the login.
func (c *call) boundTo(state string) bool {
	handle, proof := loginHandle(state)
	cookie, err := c.r.Cookie(c.loginCookieName("login", handle))
	return err == nil && subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(proof)) == 1
}

// tokenCookie makes the cookie of a web login (protocol section 5.0.4). It holds the
// mytoken or the transfer code, whichever was issued (D70). It has no Domain, which would
// give the token to every host below this one.
func (c *call) tokenCookie(t *mytoken.Issued) *http.Cookie {
	if t.Type == mytoken.ResponseTransferCode {
		cookie := c.apiCookie(wire.CookieTransferCode, t.TransferCode.Reveal())
		cookie.MaxAge = int(c.secondsUntil(t.CodeExpires))
		return cookie
	}
	cookie := c.apiCookie(wire.CookieMytoken, t.Token.Reveal())
	cookie.MaxAge = int(c.opts.CookieLifetime.Seconds())
	return cookie
}

// clearedCookie removes the cookie of a web login. The attributes are the same, because a
// browser compares them (D47).
func (c *call) clearedCookie() *http.Cookie {
	cookie := c.apiCookie(wire.CookieMytoken, "")
	cookie.MaxAge = -1
	return cookie
}

func (c *call) apiCookie(name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: c.prefix + "/api", HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteStrictMode}
}

// redirectAllowed reports whether a web login may end at an address (D69). It never ends
// where a login of the management pages ends, even if a pattern of the operator matches.
func (h *Handler) redirectAllowed(to string) bool {
	return localPath(to) || !strings.HasPrefix(to, returnManage) && (matches(h.redirects, to) || matches(h.trusted, to))
}

func matches(list []*regexp.Regexp, s string) bool {
	for _, re := range list {
		if re.MatchString(s) {
			return true
		}
	}
	return false
}

// localPath reports whether every browser takes s for a path of this service. Some read a
// backslash as a slash and ignore control characters.
func localPath(s string) bool {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.Contains(s, `\`) ||
		strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "" && u.Host == "" && cleanPath(u.Path)
}

// target returns the address where a web login ends.
func (h *Handler) target(to string) string {
	switch {
	case to == "" || !h.redirectAllowed(to):
		return h.prefix + pathHome
	case localPath(to):
		return h.prefix + to
	}
	return to
}
