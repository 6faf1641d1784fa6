package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// landing finishes the login whose response the browser keeps, and shows what became of
// it. Loading the page again does nothing again: it says what became of the login the
// first time. It finishes the login only if the first try could not ask the provider.
func landing(c *call) (*answer, error) {
	back := c.kept(c.r.PathValue("login"))
	switch {
	case back == nil:
		return nil, errOtherBrowser
	case back.path == "":
		return c.becameOf(back.state())
	case c.looksAhead():
		return empty(http.StatusServiceUnavailable), nil
	}
	// The user agreed in this browser. Otherwise a user could get, or give away, a token
	// without ever being asked (D3). Programs that keep their cookies pass, too.
	if !c.boundTo(back.state()) {
		return nil, errOtherBrowser
	}
	return c.finish(back)
}

// finish finishes the login of a response.
func (c *call) finish(back *response) (*answer, error) {
	state := back.state()
	done, err := c.issuer.FinishLogin(c.ctx(), issuer.FinishRequest{Path: back.path, Query: back.query, Remember: true, Client: c.client})
	if errors.Is(err, issuer.ErrState) { // perhaps because it is finished
		return c.becameOf(state)
	} else if err != nil {
		return nil, c.asLoginFailure(state, err)
	}
	c.over(state)
	switch {
	case done.Polled:
		return seeOther(c.landingPage(pathNative, state)), nil
	case done.ReturnTo == returnCreated:
		return c.createdPage(done.Issued)
	case strings.HasPrefix(done.ReturnTo, returnSession) && done.Issued != nil:
		c.setCookie(c.sessionCookie(done.Issued.Token.Reveal(), c.opts.CookieLifetime))
		return seeOther(c.prefix + pathManageLogin + wanted(done.ReturnTo)), nil
	}
	if done.Issued != nil {
		c.setCookie(c.tokenCookie(done.Issued))
	}
	return seeOther(c.target(done.ReturnTo)), nil
}

// over forgets the response of a login that has ended, and keeps the code that tells what
// became of it: the state, or the consent code of a login that was declined.
func (c *call) over(code string) {
	c.setCookie(c.removed(c.loginCookieName("login", loginHandle(code))))
	c.setLoginCookie(c.responseCookie(ended(code)))
}

// landingPage is the address of a page that says how a login ended (D69). It names the
// login, and nothing that the page shows.
func (h *Handler) landingPage(path, code string) string {
	return h.prefix + path + "?" + url.Values{"login": {loginHandle(code)}}.Encode()
}

// asLoginFailure adds to an error what is known of the login, for the page.
func (c *call) asLoginFailure(state string, err error) error {
	f := &loginFailure{err: err, again: c.again()}
	_, refused := errors.AsType[*issuer.PolicyError](err)
	if _, failed := errors.AsType[*issuer.LoginError](err); failed || refused {
		c.over(state)
		f.again = ""
	}
	code := mytoken.NewSecret(state)
	if e, err := c.issuer.EndedLogin(c.ctx(), code); err == nil {
		f.application, f.provider, f.alone = e.Application, e.Provider, !e.Polled
	} else if p, err := c.issuer.PendingLogin(c.ctx(), code); err == nil {
		f.application, f.provider, f.alone = p.Application, p.Provider, !p.Polled
	}
	return f
}

// becameOf answers for a login that has ended, or that another request is finishing.
func (c *call) becameOf(code string) (*answer, error) {
	e, err := c.issuer.EndedLogin(c.ctx(), mytoken.NewSecret(code))
	if unusable, ok := errors.AsType[*issuer.CodeError](err); ok {
		if unusable.Reason == issuer.CodePending {
			return nil, &loginFailure{err: errUnfinished, again: c.again()}
		}
		return nil, issuer.ErrState
	} else if err != nil {
		return nil, &loginFailure{err: err, again: c.again()}
	}
	c.over(code)
	switch {
	case e.Failure != nil:
		return nil, &loginFailure{err: e.Failure, application: e.Application, provider: e.Provider, alone: !e.Polled, before: true}
	case e.Declined:
		return c.declinedPage(e)
	case e.Polled:
		return seeOther(c.landingPage(pathNative, code)), nil
	case e.ReturnTo == returnCreated && e.Record != nil:
		return c.message(http.StatusOK, pages.Message{
			Title: "This token exists", Text: "It was created when this page was loaded first. It was shown then, and cannot be shown again.",
			Unchanged: "Loading the page again created nothing.", Advice: "If you did not keep the token, revoke it and create a new one.",
			Link: c.pages.TokenLink(e.Record.ID), LinkText: "See this token",
		})
	case strings.HasPrefix(e.ReturnTo, returnSession):
		return seeOther(c.prefix + pathManageLogin + wanted(e.ReturnTo)), nil
	}
	return seeOther(c.target(e.ReturnTo)), nil
}

// again is the address of this page. It holds a code if the response fits into no cookie.
func (c *call) again() string { return c.origin + c.r.URL.RequestURI() }

// lastLogin returns what became of the login that the address of a landing page names. It
// returns nil for a login of another browser and for one that is forgotten, so that a
// link from elsewhere shows nothing.
func (c *call) lastLogin() (*issuer.EndedLogin, error) {
	back := c.kept(c.r.URL.Query().Get("login"))
	if back == nil || back.path != "" {
		return nil, nil
	}
	e, err := c.issuer.EndedLogin(c.ctx(), mytoken.NewSecret(back.state()))
	if _, unusable := errors.AsType[*issuer.CodeError](err); unusable {
		return nil, nil
	}
	return e, err
}

// nativePage tells the user what was given to whom (protocol section 5.19).
func nativePage(c *call) (*answer, error) {
	e, err := c.lastLogin()
	switch {
	case err != nil:
		return nil, err
	case e != nil && e.Record != nil && e.Polled:
		page, err := c.pages.Given(e)
		return html(http.StatusOK, page, err)
	case e != nil && e.Declined:
		return c.declinedPage(e)
	}
	return c.nothingToTell()
}

func nativeAbortPage(c *call) (*answer, error) {
	e, err := c.lastLogin()
	switch {
	case err != nil:
		return nil, err
	case e != nil && e.Declined:
		return c.declinedPage(e)
	}
	return c.nothingToTell()
}

func (c *call) nothingToTell() (*answer, error) {
	return c.message(http.StatusOK, pages.Message{
		Title:  "This login is over",
		Text:   "This page says how a login ended: for some minutes, in the browser that was used, and until its token is revoked.",
		Advice: "You can close this window.",
	})
}

func (c *call) declinedPage(e *issuer.EndedLogin) (*answer, error) {
	m := pages.Message{
		Title: "You declined", Text: "You did not agree to what {application} asked for.",
		Unchanged:   nothingGiven,
		Application: e.Application, Advice: "You can close this window.",
	}
	if !e.Polled && e.ReturnTo != "" {
		m.Advice, m.Link, m.LinkText = "", c.target(e.ReturnTo), "Back to where you came from"
	}
	return c.message(http.StatusOK, m)
}
