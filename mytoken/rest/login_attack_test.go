package rest_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// sent returns the cookies that a browser would send to an address, as one header line.
func (b *browser) sent(address string) string {
	b.t.Helper()
	u, err := url.Parse(address)
	require.NoError(b.t, err)
	var all []string
	for _, c := range b.client.Jar.Cookies(u) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

// TestLeakedResponse: somebody reads the address at which a user came back, in the log of
// a proxy for example. It holds the code and the state. They finish no login with them in
// a browser of their own, and read nothing about the login. // proves P9
func TestLeakedResponse(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(m{"application_name": "nightly backup"})
	b := s.browser()
	back, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	u, err := url.Parse(back)
	require.NoError(t, err)
	state := u.Query().Get("state")
	sum := sha256.Sum256([]byte("mytoken login " + state))
	text := base64.RawURLEncoding.EncodeToString(sum[:])
	handle := text[:12]
	require.Contains(t, b.sent(back), "mytoken-login-"+handle+"=", "this is the login of the cookie")
	forged := func(value, response string) string {
		return "mytoken-login-" + handle + "=" + value + "; mytoken-response-" + handle + "=" + response
	}
	guesses := []string{text[12:], text, state, u.Query().Get("code"), ""}
	for _, guess := range guesses {
		for _, path := range []string{back, "/login/" + handle} {
			r := s.do(http.MethodGet, path, "", "Cookie", forged(guess, guess+".%2Fredirect?"+u.RawQuery))
			s.fails(r, 400, "invalid_request", "State mismatched")
			r = s.do(http.MethodGet, path, "", "Cookie", forged(guess, "%2Fredirect?"+u.RawQuery))
			s.fails(r, 400, "invalid_request", "State mismatched")
		}
	}
	require.Zero(t, s.Provider.Count(optest.Exchanged))
	page := b.follow(b.comeBack(back))
	require.Contains(t, page.text, "nightly backup")
	s.object(s.poll(polling), 200)
	for _, guess := range guesses {
		for _, response := range []string{"?state=" + state, guess + ".?state=" + state} {
			r := s.do(http.MethodGet, page.Request.URL.String(), "", "Accept", "text/html", "Cookie", forged(guess, response))
			assert.NotContains(t, r.text, "nightly backup")
		}
	}
}

// TestManyLoginsInOneBrowser: the cookies of many logins, of finished ones and of those
// that wait, do not pile up. Proxies refuse a header line of more than 8 KiB, and then the
// user would reach nothing on the host. The newest logins go on.
func TestManyLoginsInOneBrowser(t *testing.T) {
	var fault atomic.Pointer[optest.Fault]
	s := start(t, faulty(&fault), func(o *setup) { o.rest.Logins = rest.LoginLimits{PerAddress: 1000, Overall: 1000} })
	for name, n := range map[string]int{"finished": 60, "agreed": 60, "waiting": 60, "long": 8} {
		t.Run(name, func(t *testing.T) {
			fault.Store(nil)
			if name == "waiting" || name == "long" {
				fault.Store(&optest.Fault{Throttle: time.Second})
			}
			b := s.browser()
			most, last := 0, ""
			for range n {
				consent, _ := s.startNative(m{"application_name": "the last one"})
				to := b.approve(consent, nil)
				if name == "agreed" {
					last = to
				} else {
					back, err := optest.Login(t.Context(), to, "alice")
					require.NoError(t, err)
					if name == "long" {
						back += "&session_state=" + strings.Repeat("x", 3000)
					}
					last = b.comeBack(back).Request.URL.String()
				}
				most = max(most, len(b.sent(s.URL+"/login/x")))
			}
			assert.Less(t, most, 4<<10+100)
			fault.Store(nil)
			s.Clock.Advance(2 * time.Second)
			r := b.open(last)
			if name == "agreed" {
				r = b.login(last, "alice")
			}
			assert.Contains(t, b.follow(r).text, "the last one")
		})
	}
}

// TestLookingFinishesNothing: a browser that looks ahead, or asks for the header alone,
// throws the answer away. A token that is shown once would be lost.
func TestLookingFinishesNothing(t *testing.T) {
	s := start(t)
	b := s.manager("alice")
	f := formOf(t, b.page("/manage/create"), "create-form")
	back, err := optest.Login(t.Context(), continues(t, b.send(f, "decision", "create")), "alice")
	require.NoError(t, err)
	exchanged := s.Provider.Count(optest.Exchanged)
	long := back + "&session_state=" + strings.Repeat("x", 5000) // fits into no cookie
	clean := s.URL + b.open(back).Header.Get("Location")
	for _, address := range []string{back, long, clean} {
		b.with(b.client, http.MethodHead, address, "", browserHeader...)
		for _, purpose := range []string{"prefetch", "prefetch;prerender"} {
			r := b.with(b.client, http.MethodGet, address, "", append(browserHeader, "Sec-Purpose", purpose)...)
			assert.NotEqual(t, http.StatusOK, r.StatusCode)
		}
	}
	require.Equal(t, exchanged, s.Provider.Count(optest.Exchanged))
	assert.Contains(t, b.open(clean).text, "This token is shown once")
}

// TestLongResponseWhileTheProviderIsAway: a response that fits into no cookie can be loaded
// again, too. The link of the page leads to the whole address. // proves P8
func TestLongResponseWhileTheProviderIsAway(t *testing.T) {
	var fault atomic.Pointer[optest.Fault]
	s := start(t, faulty(&fault))
	fault.Store(&optest.Fault{Throttle: time.Second})
	b := s.browser()
	consent, polling := s.startNative(nil)
	back, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	page := b.open(back + "&session_state=" + strings.Repeat("x", 5000))
	require.Equal(t, http.StatusServiceUnavailable, page.StatusCode, page.text)
	fault.Store(nil)
	s.Clock.Advance(2 * time.Second)
	link := regexp.MustCompile(`id="next" href="([^"]+)"`).FindStringSubmatch(page.text)
	require.NotNil(t, link, page.text)
	b.follow(b.open(html.UnescapeString(link[1])))
	s.object(s.poll(polling), 200)
}

// TestLandingOfAnotherKind: the page of programs that poll says nothing about a login whose
// token went elsewhere.
func TestLandingOfAnotherKind(t *testing.T) {
	s := start(t)
	b := s.browser()
	back := b.login(continues(t, b.send(formOf(t, b.click(s.URL+"/manage"), "login"), "provider", s.Provider.Issuer())), "alice")
	handle := strings.TrimPrefix(back.Request.URL.Path, "/login/")
	assert.Contains(t, b.open(s.URL+"/native?login="+handle).text, "<h1>This login is over</h1>")
}

// TestSessionAgain: a login for the page of a token still leads there when the browser
// loads the address again.
func TestSessionAgain(t *testing.T) {
	s := start(t)
	b := s.browser()
	f := formOf(t, b.click(s.URL+"/manage/token?id="+s.issued("alice", mytoken.Properties{}).ID.URLSafe()), "login")
	first := b.login(continues(t, b.send(f, "provider", s.Provider.Issuer())), "alice")
	require.Contains(t, first.Header.Get("Location"), "/manage/login?id=")
	assert.Equal(t, first.Header.Get("Location"), b.open(first.Request.URL.String()).Header.Get("Location"))
}

// TestResponseIsKeptAsLongAsItsLogin: whatever the operator chose for that. // proves P8
func TestResponseIsKeptAsLongAsItsLogin(t *testing.T) {
	s := start(t, func(o *setup) { o.Config = func(c *issuer.Config) { c.CodeLifetime = time.Hour } })
	consent, _ := s.startNative(nil)
	b := s.browser()
	back, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	for _, c := range b.open(back).Cookies() {
		assert.GreaterOrEqual(t, c.MaxAge, 3600)
	}
}

// TestConsentLinkCutShort: a link that lost its code, but not its last slash, is the same
// page.
func TestConsentLinkCutShort(t *testing.T) {
	s := start(t)
	page := s.browser().open(s.URL + "/c/")
	assert.Equal(t, http.StatusNotFound, page.StatusCode)
	assert.Contains(t, page.text, "<h1>A part of this link is missing</h1>")
}

// TestPolicyBeforeTheLogin: the page of a refusal says the truth about the login: the user
// has not logged in when a policy refuses before. A policy that panics is no rule.
func TestPolicyBeforeTheLogin(t *testing.T) {
	for name, c := range map[string]struct {
		policy func() error
		status int
		title  string
	}{
		"refuses": {func() error { return errors.New("not on Sundays") }, http.StatusForbidden, "This service does not allow it"},
		"panics":  {func() error { panic("broken") }, http.StatusInternalServerError, "Something went wrong"},
	} {
		s := start(t, func(o *setup) {
			o.Config = func(cfg *issuer.Config) {
				cfg.Policy = func(context.Context, *issuer.Issuance) error { return c.policy() }
			}
		})
		b := s.browser()
		page := b.send(formOf(t, b.click(s.URL+"/manage"), "login"), "provider", s.Provider.Issuer())
		assert.Equal(t, c.status, page.StatusCode, name)
		assert.Contains(t, page.text, "<h1>"+c.title+"</h1>", name)
		assert.NotContains(t, page.text, "You logged in", name)
		assert.NotContains(t, page.text, "the program", name)
	}
}
