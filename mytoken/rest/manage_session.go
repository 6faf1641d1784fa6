package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
	"github.com/mytoken-go/sdk/restriction"
)

// A user manages tokens with a mytoken that can list, tag and revoke them and read their
// history, and nothing else. It expires with its cookie. Only the management pages get
// the cookie. Web pages that use the API have another one (protocol section 6.2).

// sessionName is the name of that token in lists.
const sessionName = "mytoken-web"

var sessionCapabilities = capability.Set{
	capability.ManageMytokensList, capability.ManageMytokensRevoke, capability.ManageMytokensHistory, capability.ManageMytokensTags,
}

// These values of LoginRequest.ReturnTo mark logins of the management pages. They are not
// addresses. The function redirectAllowed refuses them for every other login.
const (
	returnManage  = "manage:"
	returnSession = returnManage + "session"
	returnCreated = returnManage + "created"
)

// session is a user who is logged in to the management pages.
type session struct {
	c      *call
	token  mytoken.Secret
	claims *mytoken.Token // of the token as it was presented
}

// managed serves a page to users who are logged in. Other users get the login page.
func managed(fn func(*call, *session) (*answer, error)) handle {
	return func(c *call) (*answer, error) {
		// First of all: a page of another origin must not learn who is logged in.
		if err := c.sameSite(); err != nil {
			return nil, err
		}
		token := c.sessionToken()
		if token.IsEmpty() && c.r.Method == http.MethodGet && c.fromElsewhere() {
			// The browser came from another site, so it withholds the cookie. It sends
			// the cookie when this page leads it on.
			return c.message(http.StatusOK, pages.Message{
				Title: "Your tokens", Text: "You are sent on.", Continue: c.origin + c.r.URL.RequestURI(),
			})
		}
		a, err := c.withSession(token, fn)
		if c.wantsPage() && (errors.Is(err, errNoToken) || sessionEnded(err)) {
			return c.loginPage(!errors.Is(err, errNoToken))
		}
		return a, err
	}
}

func (c *call) withSession(token mytoken.Secret, fn func(*call, *session) (*answer, error)) (*answer, error) {
	if token.IsEmpty() {
		return nil, errNoToken
	}
	got, err := c.issuer.Inspect(c.ctx(), issuer.InspectRequest{Token: token, Client: c.client})
	if err != nil {
		return nil, err
	}
	return fn(c, &session{c: c, token: token, claims: got.Claims})
}

// sessionEnded reports whether the token of a session is no longer of use: it is not
// valid, or a policy or restriction denies what the pages need.
func sessionEnded(err error) bool {
	_, invalid := errors.AsType[*issuer.TokenError](err)
	_, refused := errors.AsType[*issuer.RefusedError](err)
	_, incapable := errors.AsType[*mytoken.CapabilityError](err)
	return invalid || refused || incapable
}

// loginPage asks the user to log in.
func (c *call) loginPage(ended bool) (*answer, error) {
	status := http.StatusOK
	if ended || c.r.Method == http.MethodPost {
		status = http.StatusUnauthorized
	}
	if ended {
		c.dropSession()
	}
	want, query := "", c.r.URL.Query()
	switch c.route.path {
	case pathManageToken, pathManageRevoke:
		want = wantedOf(query.Get("id"))
	case pathManageCreate:
		want = wantedOf(wantedLink + query.Get(linkParameter))
	}
	page, err := c.pages.Login(ended, c.opts.CookieLifetime, want)
	return html(status, page, err)
}

// manageLogin starts the login at the provider that the user chose.
func manageLogin(c *call) (*answer, error) {
	values, err := c.form()
	if err != nil {
		return nil, err
	}
	if err := c.admitLogin(); err != nil {
		return nil, err
	}
	until := c.issuer.Now().Add(c.opts.CookieLifetime)
	login, err := c.issuer.StartLogin(c.ctx(), issuer.LoginRequest{
		Provider: values.Get("provider"), ReturnTo: returnSession + wantedOf(values.Get("wanted")), Client: c.client, Label: pages.SessionLabel,
		Properties: mytoken.Properties{
			Name: sessionName, Capabilities: sessionCapabilities, Restrictions: restriction.List{{Expires: until.Unix()}},
		},
		Response: mytoken.Response{MaxLength: maxCookie},
	})
	if err != nil {
		return nil, err
	}
	return c.toProvider(login)
}

// manageLoggedIn leads a browser from a finished login to the user's tokens. It is not a
// redirect, because the browser sends the cookie only when this site leads it on.
func manageLoggedIn(c *call) (*answer, error) {
	to, query := c.base+pathManage, c.r.URL.Query()
	if id, err := mytoken.ParseMomID(query.Get("id")); err == nil {
		to = c.pages.TokenLink(id)
	} else if link := query.Get(linkParameter); isLink(link) {
		to = c.base + linkTo(link)
	}
	return c.message(http.StatusOK, pages.Message{Title: "Your tokens", Text: "You are sent to your tokens.", Continue: to})
}

// wantedLink begins what a user wants who comes from a link that fills in the form for a new
// token. The parameter of the link follows.
const wantedLink = linkParameter + "="

// wantedOf returns what the user wants to see after the login: the mom_id of a token, or the
// form that a link fills in. It returns nothing for any other text.
func wantedOf(text string) string {
	if link, ok := strings.CutPrefix(text, wantedLink); ok && isLink(link) {
		return text
	}
	if _, err := mytoken.ParseMomID(text); err != nil {
		return ""
	}
	return text
}

// wanted is the query of the page behind a login, from its LoginRequest.ReturnTo.
func wanted(returnTo string) string {
	want := strings.TrimPrefix(returnTo, returnSession)
	if link, ok := strings.CutPrefix(want, wantedLink); ok {
		return "?" + url.Values{linkParameter: {link}}.Encode()
	}
	if want != "" {
		return "?" + url.Values{"id": {want}}.Encode()
	}
	return ""
}

// manageLogout ends the session by revoking its token. Tokens that the user created stay
// valid.
func manageLogout(c *call) (*answer, error) {
	if _, err := c.form(); err != nil {
		return nil, err
	}
	if token := c.sessionToken(); !token.IsEmpty() {
		if err := c.revoke(issuer.RevokeRequest{Token: token, Client: c.client}); err != nil {
			return nil, err
		}
	}
	c.dropSession()
	return seeOther(c.prefix + pathHome), nil
}

// took keeps the token that replaces the token of the session.
func (s *session) took(update *mytoken.Issued) {
	if update != nil {
		s.token = update.Token
		s.c.setCookie(s.c.sessionCookie(update.Token.Reveal(), s.c.opts.CookieLifetime))
	}
}

// tokens lists the user's tokens. It describes those in full that describe chooses; nil
// chooses all.
func (s *session) tokens(describe func(*mytoken.Record) bool) (*mytoken.Records, error) {
	got, err := s.c.issuer.List(s.c.ctx(), issuer.InfoRequest{Token: s.token, Client: s.c.client, Describe: describe})
	if err != nil {
		return nil, err
	}
	s.took(got.Update)
	return got, nil
}

// find returns a token of the user, its parent, which may be nil, and the list. It does not
// find tokens of other users.
func (s *session) find(text string) (record, parent *mytoken.Record, all []*mytoken.Record, err error) {
	id, err := mytoken.ParseMomID(text)
	if err != nil {
		return nil, nil, nil, errNotFound
	}
	records, err := s.tokens(func(r *mytoken.Record) bool { return r.ID == id })
	if err != nil {
		return nil, nil, nil, err
	}
	if record, parent = search(records.Roots, nil, id); record == nil {
		return nil, nil, nil, errNotFound
	}
	return record, parent, records.Roots, nil
}

func search(records []*mytoken.Record, above *mytoken.Record, id mytoken.TokenID) (record, parent *mytoken.Record) {
	for _, r := range records {
		if r.ID == id {
			return r, above
		}
		if found, parent := search(r.Children, r, id); found != nil {
			return found, parent
		}
	}
	return nil, nil
}

// sessionToken returns the token of the session from its cookie, or an empty one.
func (c *call) sessionToken() mytoken.Secret {
	cookie, err := c.r.Cookie(c.sessionCookieName())
	if err != nil {
		return mytoken.Secret{}
	}
	return mytoken.NewSecret(cookie.Value)
}

// sessionCookie makes the cookie of the management pages. A negative lifetime removes it.
func (c *call) sessionCookie(value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: c.sessionCookieName(), Value: value, Path: c.prefix + pathManage, MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteStrictMode,
	}
}

func (c *call) dropSession() { c.setCookie(c.sessionCookie("", -time.Second)) }

// sessionCookieName is the name of the cookie of the management pages. The prefix keeps
// an attacker on plain HTTP from planting a cookie that logs the user in as somebody
// else. The prefix "__Host-" would allow no path, and the cookie would go to everything
// that the host serves.
func (c *call) sessionCookieName() string {
	if c.secure {
		return "__Secure-mytoken-manage"
	}
	return wire.CookieMytoken
}
