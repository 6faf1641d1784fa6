package rest

import (
	"net/http"
	"slices"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
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

// redirect finishes a login that comes back from the provider (protocol section 5.19).
// There is such a page only where the redirect URL of a provider leads. The issuer checks
// that it is the page of the provider that was asked.
func redirect(c *call) (*answer, error) {
	path, query := c.r.URL.Path, c.r.URL.Query()
	if !slices.ContainsFunc(c.issuer.Providers(), func(p issuer.Provider) bool { return p.Upstream.RedirectPath() == path }) {
		return notFound(c)
	}
	state := query.Get("state")
	// The user agreed in this browser. Otherwise a user could get, or give away, a token
	// without ever being asked (D3). Programs that keep their cookies pass, too.
	if !c.boundTo(state) {
		return nil, errOtherBrowser
	}
	done, err := c.issuer.FinishLogin(c.ctx(), issuer.FinishRequest{Path: path, Query: query, Client: c.client})
	if err != nil {
		return nil, err
	}
	name, _ := c.loginCookieOf(state)
	cleared := c.cookieFor(name, "")
	cleared.MaxAge = -1
	c.setCookie(cleared)
	switch {
	case done.Polled:
		return seeOther(c.landing(pathNative, done.Application)), nil
	case done.ReturnTo == returnCreated:
		return c.createdPage(done.Issued)
	case done.ReturnTo == returnSession && done.Issued != nil:
		c.setCookie(c.sessionCookie(done.Issued.Token.Reveal(), c.opts.CookieLifetime))
		return seeOther(c.prefix + pathManageLogin), nil
	}
	if done.Issued != nil {
		c.setCookie(c.tokenCookie(done.Issued))
	}
	return seeOther(c.target(done.ReturnTo)), nil
}

// nativePage tells the user to go back to the program (protocol section 5.19).
func nativePage(c *call) (*answer, error) {
	return c.message(http.StatusOK, pages.Message{
		Title: "Done", Text: "You are logged in. You can close this window and go back to " + c.application() + ".", Application: c.application(),
	})
}

func nativeAbortPage(c *call) (*answer, error) {
	return c.message(http.StatusOK, pages.Message{
		Title: "Declined", Text: "You declined. Nothing was given to " + c.application() + ". You can close this window.", Application: c.application(),
	})
}

// application returns the name of a program from the address of a landing page. Anybody
// can write such an address.
func (c *call) application() string {
	if name := c.r.URL.Query().Get("application"); name != "" {
		return legible.Show(clip.Name(name))
	}
	return "the program"
}
