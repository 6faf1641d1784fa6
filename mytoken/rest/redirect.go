package rest

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// maxCookie is the greatest length of a token in a cookie, in bytes. Browsers drop
// cookies longer than 4096 bytes, name and attributes included.
const maxCookie = 3800

// startWebLogin starts a login whose token goes to this browser (protocol section 6.2).
func startWebLogin(c *call, login issuer.LoginRequest, redirectURI string) (*answer, error) {
	switch {
	case redirectURI == "":
		return nil, badRequest("parameter redirect_uri must be given for client_type=web")
	case !c.redirectAllowed(redirectURI):
		return nil, badRequest("redirect_uri is not allowed")
	}
	login.ReturnTo = redirectURI
	if r := &login.Response; r.MaxLength == 0 && r.Type != mytoken.ResponseShortToken && r.Type != mytoken.ResponseTransferCode {
		r.MaxLength = maxCookie // a longer token becomes a short token, which fits
	}
	if matches(c.trusted, redirectURI) {
		started, err := c.issuer.StartLogin(c.ctx(), login)
		if err != nil {
			return nil, err
		}
		return c.forward(started), nil
	}
	started, err := c.issuer.StartConsent(c.ctx(), login)
	if err != nil {
		return nil, err
	}
	return ok(wire.LoginResponse{ConsentURI: c.consentURI(started.ConsentCode)}), nil
}

// forward tells a script where the browser has to go, and binds the login to the browser.
func (c *call) forward(login *issuer.Login) *answer {
	c.setCookie(c.loginCookie(login))
	return &answer{status: wire.StatusForward, body: wire.Forward{AuthorizationURI: login.URL}}
}

// redirect takes a browser that comes back from the provider (protocol section 5.19).
// There is such a page only where the redirect URL of a provider leads. The issuer checks
// that it is the page of the provider that was asked.
//
// The address of this page holds a code and a state. A page that is shown here would
// leave them in the address bar, the history and every Referer. So redirect shows none:
// it puts the response into a cookie of the login and leads the browser to a clean
// address, which finishes the login; see landing. Finishing here and keeping the outcome
// for the next page would be no better: somebody would have to keep a new token that is
// shown once. The clean page can be loaded again, above all if the provider was away.
func redirect(c *call) (*answer, error) {
	path, query := c.r.URL.Path, c.r.URL.Query()
	if !slices.ContainsFunc(c.issuer.Providers(), func(p issuer.Provider) bool { return p.Upstream.RedirectPath() == path }) {
		return notFound(c)
	}
	state := query.Get("state")
	handle, _ := loginHandle(state)
	if c.boundTo(state) {
		back := &response{path: path, query: query}
		if len(back.encode()) > maxCookie { // it fits into no cookie
			a, err := c.finish(back)
			if f, ok := errors.AsType[*loginFailure](err); ok && f.again == "" { // the next page can tell it again
				return seeOther(c.prefix + pathLogin + handle), nil
			}
			return a, err
		}
		c.setCookie(c.responseCookie(back))
	} else if kept := c.kept(handle); kept == nil && !c.wantsPage() {
		return nil, errOtherBrowser // a program reads the error here
	}
	return seeOther(c.prefix + pathLogin + handle), nil
}

// response is what a browser brought back from the provider, in a cookie until the login
// has ended. Then the cookie keeps the state alone, which tells what became of the login.
type response struct {
	redact.Hidden

	path  string // where the browser arrived; empty: the login has ended
	query url.Values
}

func (r *response) state() string { return r.query.Get("state") }

// ended is what is left of a response when the login is over.
func ended(state string) *response { return &response{query: url.Values{"state": {state}}} }

// encode writes the response with the characters that a cookie may have.
func (r *response) encode() string { return url.QueryEscape(r.path) + "?" + r.query.Encode() }

func parseResponse(text string) (*response, error) {
	path, query, _ := strings.Cut(text, "?")
	path, err := url.QueryUnescape(path)
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(query)
	return &response{path: path, query: values}, err
}

// responseLifetime is how long a browser keeps a response. It is longer than logins wait.
const responseLifetime = 15 * time.Minute

// responseCookie makes the cookie with a response. Each login has its own, so that logins
// in two tabs do not meet. The response is of no use in another browser: a login is
// finished only where the user agreed to it.
func (c *call) responseCookie(r *response) *http.Cookie {
	handle, _ := loginHandle(r.state())
	cookie := c.cookieFor(c.loginCookieName("response", handle), r.encode())
	cookie.MaxAge = int(responseLifetime.Seconds())
	return cookie
}

// kept returns the response that this browser keeps for a login, or nil.
func (c *call) kept(handle string) *response {
	cookie, err := c.r.Cookie(c.loginCookieName("response", handle))
	if err != nil {
		return nil
	}
	r, err := parseResponse(cookie.Value)
	if err != nil {
		return nil
	}
	if own, _ := loginHandle(r.state()); own != handle {
		return nil
	}
	return r
}
