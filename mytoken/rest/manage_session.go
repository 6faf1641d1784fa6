package rest

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// A user manages his tokens with a mytoken of his own: it can list and revoke his
// tokens and read their history, and nothing else; it ends with its cookie. The
// cookie is one of the management pages alone, so that it is not in the way of web
// pages that use the API with theirs (protocol section 6.2).

// sessionName is the name of that token in lists.
const sessionName = "mytoken-web"

var sessionCapabilities = capability.Set{
	capability.ManageMytokensList, capability.ManageMytokensRevoke, capability.ManageMytokensHistory,
}

// Where logins of the management pages end. These are no addresses, and no web
// login of somebody else ends there; see redirectAllowed.
const (
	returnManage  = "manage:"
	returnSession = returnManage + "session"
	returnCreated = returnManage + "created"
)

// manageLogin starts the login at the provider that the user chose.
func manageLogin(c *call) (*answer, error) {
	values, err := c.form()
	if err != nil {
		return nil, err
	}
	until := c.issuer.Now().Add(c.opts.CookieLifetime)
	login, err := c.issuer.StartLogin(c.ctx(), issuer.LoginRequest{
		Provider: values.Get("provider"), ReturnTo: returnSession, Client: c.client,
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

// form reads a form that only this service's own pages may send.
func (c *call) form() (url.Values, error) {
	if err := c.sameSite(); err != nil {
		return nil, err
	}
	data, err := c.body()
	if err != nil {
		return nil, err
	}
	return parseForm(data)
}

// manageLoggedIn leads a browser that comes back from a login to the user's tokens.
// It keeps the cookie to itself as long as another site is to blame for where it
// goes; from here on it is this one.
func manageLoggedIn(c *call) (*answer, error) {
	return c.message(http.StatusOK, MessagePage{Title: "Your tokens", Text: "You are sent to your tokens.", Continue: c.base + pathManage})
}

// manageAgain is the same for who follows a link from another site.
func manageAgain(c *call) (*answer, error) {
	to := c.origin + c.r.URL.RequestURI()
	return c.message(http.StatusOK, MessagePage{Title: "Your tokens", Text: "You are sent on.", Continue: to})
}

// manageLogout ends the login: its token is revoked. Tokens that were made from it
// live on.
func manageLogout(c *call) (*answer, error) {
	if _, err := c.form(); err != nil {
		return nil, err
	}
	s, err := c.session()
	if err == nil {
		err = c.revoke(issuer.RevokeRequest{Token: s.token, Client: c.client})
	}
	if err != nil && !errors.Is(err, errNoToken) {
		return nil, err
	}
	c.dropSession()
	return seeOther(c.prefix + pathHome), nil
}

// session is who is logged in to the management pages.
type session struct {
	c     *call
	token mytoken.Secret
}

// session finds the token of the login.
func (c *call) session() (*session, error) {
	cookie, err := c.r.Cookie(c.sessionCookieName())
	if err != nil || cookie.Value == "" {
		return nil, errNoToken
	}
	return &session{c: c, token: mytoken.NewSecret(cookie.Value)}, nil
}

// took keeps what replaces the token of the session.
func (s *session) took(update *mytoken.Issued) {
	if update != nil {
		s.token = update.Token
		s.c.setCookie(s.c.sessionCookie(update.Token.Reveal(), s.c.opts.CookieLifetime))
	}
}

// user tells who is logged in.
func (s *session) user() (User, mytoken.TokenID, error) {
	got, err := s.c.issuer.Inspect(s.c.ctx(), issuer.InspectRequest{Token: s.token})
	if err != nil {
		return User{}, mytoken.TokenID{}, err
	}
	return s.c.userOf(got.Claims), got.Claims.ID(), nil
}

func (c *call) userOf(t *mytoken.Token) User {
	return User{Subject: t.OIDCSubject(), ProviderName: c.providerName(t.OIDCIssuer()), Until: t.ExpiresAt()}
}

// tokens lists the user's tokens.
func (s *session) tokens() (*mytoken.Records, error) {
	got, err := s.c.issuer.List(s.c.ctx(), issuer.InfoRequest{Token: s.token, Client: s.c.client})
	if err != nil {
		return nil, err
	}
	s.took(got.Update)
	return got, nil
}

// sessionCookie is the cookie of the management pages. A lifetime below zero
// removes it.
func (c *call) sessionCookie(value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: c.sessionCookieName(), Value: value, Path: c.prefix + pathManage, MaxAge: int(lifetime.Seconds()),
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteStrictMode,
	}
}

// dropSession removes that cookie.
func (c *call) dropSession() { c.setCookie(c.sessionCookie("", -time.Second)) }

// sessionCookieName is the name of that cookie. With https nothing that came over
// plain HTTP can put another one in its place, and log the user in as somebody
// else. A "__Host-" cookie would have no path, and go to all that the host serves.
func (c *call) sessionCookieName() string {
	if c.secure {
		return "__Secure-mytoken-manage"
	}
	return wire.CookieMytoken
}

// managed is a page of a user who has to be logged in. Who is not gets the page to
// log in on.
func managed(fn func(*call, *session) (*answer, error)) handle {
	return func(c *call) (*answer, error) {
		s, err := c.session()
		if err != nil && c.r.Method == http.MethodGet && c.fromElsewhere() {
			return manageAgain(c)
		}
		var a *answer
		if err == nil {
			a, err = fn(c, s)
		}
		if c.wantsPage() && (errors.Is(err, errNoToken) || sessionEnded(err)) {
			return c.loginPage(!errors.Is(err, errNoToken))
		}
		return a, err
	}
}

// sessionEnded reports whether the token of a session is of no use any more: it is
// not valid, or a policy or restriction keeps it from what the pages need.
func sessionEnded(err error) bool {
	var (
		token      *issuer.TokenError
		refused    *issuer.RefusedError
		capability *mytoken.CapabilityError
	)
	return errors.As(err, &token) || errors.As(err, &refused) || errors.As(err, &capability)
}
