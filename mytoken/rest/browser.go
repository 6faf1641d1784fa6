package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
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
	cookie := c.cookieFor(c.loginCookieName("login", loginHandle(login.State.Reveal())), c.issuer.BrowserProof(login.State).Reveal())
	cookie.MaxAge = int(c.secondsUntil(login.Expires))
	return cookie
}

// loginHandle names a login in addresses and cookies. It is derived from the state or the
// consent code of the login, and does not reveal it.
func loginHandle(code string) string {
	sum := sha256.Sum256([]byte("mytoken login " + code))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
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
	cookie, err := c.r.Cookie(c.loginCookieName("login", loginHandle(state)))
	return err == nil && c.issuer.IsBrowserProof(mytoken.NewSecret(state), mytoken.NewSecret(cookie.Value))
}

// maxLoginCookies bounds the cookies of all logins that a browser sends with each request,
// in bytes. Proxies refuse a header line of more than 8 KiB, which also holds the cookie of
// a session or a web login, and those of other programs on this host.
const maxLoginCookies = 4 << 10

// setLoginCookie sends a cookie of a login. If there are too many, it removes the oldest
// ones: logins that the user left or that have ended. A browser sends the oldest cookies
// first (RFC 6265 section 5.4).
func (c *call) setLoginCookie(cookie *http.Cookie) {
	c.setCookie(cookie)
	kinds := []string{c.loginCookieName("login", ""), c.loginCookieName("response", "")}
	room := maxLoginCookies - cookieSize(cookie)
	for _, old := range slices.Backward(c.r.Cookies()) {
		if !slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasPrefix(old.Name, kind) }) ||
			slices.ContainsFunc(c.cookies, func(sent *http.Cookie) bool { return sent.Name == old.Name }) {
			continue
		}
		if room -= cookieSize(old); room < 0 {
			c.setCookie(c.removed(old.Name))
		}
	}
}

// cookieSize is what a cookie takes in a request.
func cookieSize(c *http.Cookie) int { return len(c.Name) + len(c.Value) + len("=; ") }

// removed removes a cookie that cookieFor made.
func (c *call) removed(name string) *http.Cookie {
	cookie := c.cookieFor(name, "")
	cookie.MaxAge = -1
	return cookie
}

// looksAhead reports whether the answer will be thrown away, perhaps with a token: the
// client asks for the header alone, or a browser loads a page before its user wants it.
func (c *call) looksAhead() bool {
	return c.r.Method == http.MethodHead || strings.Contains(c.r.Header.Get("Sec-Purpose"), "prefetch")
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
