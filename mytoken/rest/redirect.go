package rest

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// maxCookie is the greatest length of a value in a cookie, in bytes. Browsers drop
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
	c.setLoginCookie(c.loginCookie(login))
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
	clean := seeOther(c.prefix + pathLogin + loginHandle(state))
	if !c.boundTo(state) {
		if c.kept(loginHandle(state)) == nil && !c.wantsPage() {
			return nil, errOtherBrowser // a program reads the error here
		}
		return clean, nil
	}
	back := &response{path: path, query: query}
	cookie := c.responseCookie(back)
	switch {
	case len(cookie.Value) <= maxCookie:
		c.setLoginCookie(cookie)
		return clean, nil
	case c.looksAhead():
		return clean, nil
	}
	a, err := c.finish(back)                                             // it fits into no cookie
	if f, ok := errors.AsType[*loginFailure](err); ok && f.again == "" { // the next page can tell it again
		return clean, nil
	}
	return a, err
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

// responseLifetime is how long a browser keeps a response. No login waits longer.
const responseLifetime = goodFor

// responseCookie makes the cookie with a response. Each login has its own, so that logins
// in two tabs do not meet. It begins with the proof that this is the browser of the login.
// So nobody reads with a mere state what became of a login.
func (c *call) responseCookie(r *response) *http.Cookie {
	proof := c.issuer.BrowserProof(mytoken.NewSecret(r.state())).Reveal()
	cookie := c.cookieFor(c.loginCookieName("response", loginHandle(r.state())), proof+"."+r.encode())
	cookie.MaxAge = int(responseLifetime.Seconds())
	return cookie
}

// kept returns the response that this browser keeps for a login, or nil.
func (c *call) kept(handle string) *response {
	cookie, err := c.r.Cookie(c.loginCookieName("response", handle))
	if err != nil {
		return nil
	}
	proof, text, _ := strings.Cut(cookie.Value, ".")
	r, err := parseResponse(text)
	if err != nil || loginHandle(r.state()) != handle || !c.issuer.IsBrowserProof(mytoken.NewSecret(r.state()), mytoken.NewSecret(proof)) {
		return nil
	}
	return r
}
