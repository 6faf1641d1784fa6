package rest_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// faulty lets a test decide what the provider does with the next codes.
func faulty(fault *atomic.Pointer[optest.Fault]) func(*setup) {
	return func(o *setup) {
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if f := fault.Load(); f != nil && p.Endpoint == optest.EndpointExchange {
				return *f
			}
			return optest.Fault{}
		}
		o.Provider.Decide = func(r optest.AuthorizationRequest) optest.Decision {
			if r.Subject == "nobody" {
				return optest.Decision{Error: "access_denied"}
			}
			return optest.Decision{}
		}
	}
}

// landed is where a login of a program leads, without the last hop.
func (s *service) landed(b *browser, request m, subject string) (page *reply, polling string) {
	s.t.Helper()
	consent, polling := s.startNative(request)
	return b.login(b.approve(consent, nil), subject), polling
}

// follow opens the address that an answer leads to.
func (b *browser) follow(r *reply) *reply {
	b.t.Helper()
	to, err := r.Location()
	require.NoError(b.t, err, r.text)
	return b.open(to.String())
}

// TestEveryOutcomeIsToldAgain: each end of a login is a page that says what happened, what
// did not, and what to do next. Loading it again says the same, and asks the provider
// nothing. // proves P10
func TestEveryOutcomeIsToldAgain(t *testing.T) {
	var fault atomic.Pointer[optest.Fault]
	for name, c := range map[string]struct {
		fault  *optest.Fault
		who    string
		policy error
		status int
		title  string
		texts  []string
	}{
		"cancelled": {nil, "nobody", nil, 555, "You were not logged in", []string{
			`The login at <strong><bdi>Example provider</bdi></strong> was cancelled or refused.`, "No token was created.",
			"Nothing was given to <strong><bdi>nightly</bdi></strong>.", "Start the login again, in <strong><bdi>nightly</bdi></strong>.",
		}},
		"refused": {&optest.Fault{Refuse: "invalid_grant", RefuseText: "<b>too late</b>"}, "alice", nil, 555, "The login did not work", []string{
			"<strong><bdi>Example provider</bdi></strong> refused the login.", "<blockquote><bdi>invalid_grant: &lt;b&gt;too late&lt;/b&gt;</bdi></blockquote>",
			"No token was created.",
		}},
		"no refresh token": {&optest.Fault{NoRefreshToken: true}, "alice", nil, 555, "The login did not work", []string{
			"gave no refresh token", "allow offline access", "No token was created.",
		}},
		"policy": {nil, "alice", errors.New("members only"), 403, "This service does not allow it", []string{
			"a rule of this service refuses this token", "<blockquote><bdi>members only</bdi></blockquote>", "Nothing was given to <strong><bdi>nightly</bdi></strong>.",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			fault.Store(c.fault)
			s := start(t, faulty(&fault), func(o *setup) {
				o.Config = func(cfg *issuer.Config) {
					cfg.Policy = func(_ context.Context, s *issuer.Issuance) error {
						if s.Kind == issuer.PolicyConsent { // it has to know who logs in
							return nil
						}
						return c.policy
					}
				}
			})
			b := s.browser()
			first, polling := s.landed(b, m{"application_name": "nightly"}, c.who)
			exchanged := s.Provider.Count(optest.Exchanged)
			for _, page := range []*reply{first, b.open(first.Request.URL.String()), b.open(first.Request.URL.String())} {
				assert.Equal(t, c.status, page.StatusCode, page.text)
				accessible(t, page)
				assert.Contains(t, page.text, "<title>"+c.title+" · mytoken</title>")
				for _, text := range c.texts {
					assert.Contains(t, page.text, text)
				}
				assert.Contains(t, page.text, "the number of the request: <code>"+page.Header.Get("X-Request-Id"))
				assert.Empty(t, page.Request.URL.RawQuery)
			}
			assert.Equal(t, exchanged, s.Provider.Count(optest.Exchanged))
			assert.NotEqual(t, http.StatusOK, s.poll(polling).StatusCode)
		})
	}
}

// TestProviderIsAway: while the provider cannot be asked, the login goes on waiting.
// Loading the clean page again finishes it, without another login. // proves P8
func TestProviderIsAway(t *testing.T) {
	var fault atomic.Pointer[optest.Fault]
	s := start(t, faulty(&fault))
	fault.Store(&optest.Fault{Throttle: 7 * time.Second})
	b := s.browser()
	page, polling := s.landed(b, m{"application_name": "nightly"}, "alice")
	for range 2 {
		assert.Equal(t, http.StatusServiceUnavailable, page.StatusCode, page.text)
		accessible(t, page)
		assert.Contains(t, page.text, "<h1><strong><bdi>Example provider</bdi></strong> does not answer</h1>")
		assert.Contains(t, page.text, "No token was created yet, and nothing is lost")
		assert.Contains(t, page.text, `id="next" href="`+page.Request.URL.String()+`">Try again</a>`)
		assert.NotEmpty(t, page.Header.Get("Retry-After"))
		page = b.open(page.Request.URL.String())
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	fault.Store(nil)
	s.Clock.Advance(8 * time.Second) // what the provider asked for
	done := b.open(page.Request.URL.String())
	require.Equal(t, http.StatusSeeOther, done.StatusCode, done.text)
	assert.Contains(t, b.follow(done).text, "<bdi>nightly</bdi>")
	s.object(s.poll(polling), 200)
}

// TestLandingPage: the page behind a login says what was given to whom and until when, and
// leads to the page that revokes it. Nobody else sees it, and no link can name a program.
// proves P10
func TestLandingPage(t *testing.T) {
	s := start(t)
	b := s.browser()
	back, polling := s.landed(b, m{
		"application_name": "nightly backup", "name": "server:backup", "capabilities": []string{"AT"}, "restrictions": []m{{"exp": 1900000000, "usages_AT": 3}},
	}, "alice")
	page := b.follow(back)
	accessible(t, page)
	for _, want := range []string{
		"<strong><bdi>nightly backup</bdi></strong> can fetch its token now", "<dd><bdi>server:backup</bdi></dd>", "Example provider", "17 March 2030 17:46 UTC",
		"<code>AT</code>", "At most 3 access tokens", "See or revoke this token",
	} {
		assert.Contains(t, page.text, want)
	}
	address := page.Request.URL.String()
	assert.NotContains(t, address, "nightly")
	token := s.object(s.poll(polling), 200)
	assert.Equal(t, http.StatusOK, b.open(address).StatusCode)
	id, err := mytoken.ParseMomID(token["mom_id"].(string))
	require.NoError(t, err)
	link := s.URL + "/manage/token?id=" + id.URLSafe()
	assert.Contains(t, html.UnescapeString(b.open(address).text), `href="`+link+`"`)

	for name, r := range map[string]*reply{
		"another browser": s.browser().open(address), "a forged name": b.open(s.URL + "/native?application=Evil&login=Evil"),
		"aborted": b.open(s.URL + "/native/abort?application=Evil"), "forged cookie": s.do(http.MethodGet, address, "", "Accept", "text/html", "Cookie", "mytoken-response-"+address[len(address)-12:]+"=?state=x"),
		"forged state": s.do(http.MethodGet, s.URL+"/native?login=x", "", "Accept", "text/html", "Cookie", "mytoken-response-x=?state=x"),
	} {
		assert.Equal(t, http.StatusOK, r.StatusCode, name)
		assert.Contains(t, r.text, "<h1>This login is over</h1>", name)
		for _, secret := range []string{"Evil", "nightly", "server:backup"} {
			assert.NotContains(t, r.text, secret, name)
		}
	}

	// Logging in leads to the page of the token, and revoking it ends what the landing
	// page tells.
	form := formOf(t, b.click(link), "login")
	manage := b.login(continues(t, b.send(form, "provider", s.Provider.Issuer())), "alice")
	shown := b.click(continues(t, b.follow(manage)))
	assert.Contains(t, shown.text, "<h1><bdi>server:backup</bdi></h1>")
	assert.Equal(t, link, shown.Request.URL.String())
	b.send(formOf(t, b.click(strings.Replace(link, "/token?", "/revoke?", 1)), "revoke-form"), "", "")
	assert.NotContains(t, b.open(address).text, "server:backup")
}

// TestLostAnswer: the answer to the browser is lost, so that the browser keeps its old
// cookies and loads the page again. It learns what became of the login, and neither a
// second token nor a second exchange comes of it. // proves P8
func TestLostAnswer(t *testing.T) {
	s := start(t)
	b := s.browser()
	consent, polling := s.startNative(m{"application_name": "nightly"})
	back, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	u, err := url.Parse(back)
	require.NoError(t, err)
	clean := b.open(back).Header.Get("Location")
	var old []string
	for _, c := range b.client.Jar.Cookies(u) {
		old = append(old, c.Name+"="+c.Value)
	}
	header := []string{"Accept", "text/html", "Cookie", strings.Join(old, "; ")}
	for range 3 {
		r := s.do(http.MethodGet, clean, "", header...)
		require.Equal(t, http.StatusSeeOther, r.StatusCode, r.text)
		require.True(t, strings.HasPrefix(r.Header.Get("Location"), "/native?login="), r.Header)
	}
	require.Equal(t, 1, s.Provider.Count(optest.Exchanged))
	s.object(s.poll(polling), 200)

	// The cookie of a login opens that one alone, under its own name.
	handle := strings.TrimPrefix(clean, "/login/")
	b.comeBack(back)
	var own string
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "mytoken-response-"+handle {
			own = c.Value
		}
	}
	require.Contains(t, s.do(http.MethodGet, "/native?login="+handle, "", "Accept", "text/html", "Cookie", "mytoken-response-"+handle+"="+own).text, "nightly")
	require.NotContains(t, s.do(http.MethodGet, "/native?login=AAAAAAAAAAAA", "", "Accept", "text/html", "Cookie", "mytoken-response-AAAAAAAAAAAA="+own).text, "nightly")
}

// TestLandingWithoutManagement: the page says how else a token is revoked.
func TestLandingWithoutManagement(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.NoManagement = true })
	b := s.browser()
	back, _ := s.landed(b, nil, "alice")
	page := b.follow(back)
	accessible(t, page)
	assert.NotContains(t, page.text, "/manage")
	assert.Contains(t, page.text, "Whoever has the token can revoke it")
	assert.Contains(t, page.text, "The program can fetch its token now")
}

// TestDeclined: declining is a page that says so, for programs and for pages, and again if
// the link to the request is opened again.
func TestDeclined(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.RedirectURIs = []string{`https://portal\.example/x`} })
	b := s.browser()
	native, polling := s.startNative(m{"application_name": "nightly"})
	web := b.startWeb(m{"application_name": "portal", "redirect_uri": "https://portal.example/x"})
	for consent, want := range map[string][]string{native: {"nightly", "You can close this window."}, web: {"portal", `href="https://portal.example/x">Back to where you came from`}} {
		r := b.send(formOf(t, b.open(consent), "consent"), "decision", "decline")
		for _, page := range []*reply{b.follow(r), b.open(consent)} {
			assert.Equal(t, http.StatusOK, page.StatusCode)
			accessible(t, page)
			assert.Contains(t, page.text, "<h1>You declined</h1>")
			assert.Contains(t, page.text, "No token was created. Nothing was given to <strong><bdi>"+want[0]+"</bdi></strong>.")
			assert.Contains(t, page.text, want[1])
		}
		other := s.browser().open(consent)
		assert.Equal(t, http.StatusNotFound, other.StatusCode)
		assert.Contains(t, other.text, "<h1>This link is not good any more</h1>")
		assert.NotContains(t, other.text, want[0])
	}
	s.fails(s.poll(polling), 401, "access_denied", "user declined consent")
}

// TestCodeLeavesNoTrace: no page that a login shows has a code, a state or a token in its
// address or its text, and the cookie loses the code when it is used. // proves P9
func TestCodeLeavesNoTrace(t *testing.T) {
	s := start(t)
	b := s.browser()
	consent, _ := s.startNative(nil)
	address, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	back, err := url.Parse(address)
	require.NoError(t, err)
	arrived := b.open(address)
	done := b.follow(arrived)
	page := b.follow(done)
	for _, secret := range []string{back.Query().Get("code"), back.Query().Get("state")} {
		for _, r := range []*reply{arrived, done, page} {
			assert.NotContains(t, r.Header.Get("Location")+r.text, secret)
			assert.Equal(t, "no-store", r.Header.Get("Cache-Control"))
			assert.Equal(t, "same-origin", r.Header.Get("Referrer-Policy"))
		}
		assert.NotContains(t, s.Log.String(), secret)
	}
	for _, c := range arrived.Cookies() {
		assert.True(t, c.HttpOnly)
		assert.Equal(t, http.SameSiteLaxMode, c.SameSite)
		assert.Equal(t, 3600, c.MaxAge)
	}
	for _, c := range b.client.Jar.Cookies(back) {
		assert.NotContains(t, c.Value, back.Query().Get("code"))
	}
}

// TestLoginsInTwoTabs: two logins of one browser do not meet, in whatever order they come
// back. A response that is too long for a cookie works too.
func TestLoginsInTwoTabs(t *testing.T) {
	s := start(t)
	b := s.browser()
	var arrived []*reply
	var polls []string
	for _, name := range []string{"one", "two"} {
		consent, polling := s.startNative(m{"application_name": name})
		back, err := optest.Login(t.Context(), b.approve(consent, nil), name)
		require.NoError(t, err)
		arrived, polls = append(arrived, b.open(back)), append(polls, polling)
	}
	for n := range 2 {
		page := b.follow(b.follow(arrived[1-n]))
		assert.Contains(t, page.text, "<strong><bdi>"+[]string{"two", "one"}[n]+"</bdi></strong>")
		s.object(s.poll(polls[1-n]), 200)
	}
	consent, polling := s.startNative(m{"application_name": "long"})
	back, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	done := b.open(back + "&session_state=" + strings.Repeat("x", 5000))
	assert.Contains(t, b.follow(done).text, "<bdi>long</bdi>")
	s.object(s.poll(polling), 200)
}

// TestPlantedResponse: a response that somebody plants in a browser finishes no login that
// the user did not agree to there, and a HEAD request finishes none at all.
func TestPlantedResponse(t *testing.T) {
	s := start(t)
	attacker := s.browser()
	consent, polling := s.startNative(nil)
	back, err := optest.Login(t.Context(), attacker.approve(consent, nil), "mallory")
	require.NoError(t, err)
	arrived := attacker.open(back)
	planted := arrived.Cookies()[0]
	clean := arrived.Header.Get("Location")
	r := s.do(http.MethodGet, clean, "", "Accept", "text/html", "Cookie", planted.Name+"="+planted.Value)
	assert.Equal(t, http.StatusBadRequest, r.StatusCode)
	assert.Contains(t, r.text, "State mismatched")
	for _, cookie := range []string{"", "%zz", "?", "%2Fredirect?state=x&code=y", strings.Repeat("x", 4000)} {
		r := s.do(http.MethodGet, clean, "", "Accept", "text/html", "Cookie", planted.Name+"="+cookie)
		assert.Equal(t, http.StatusBadRequest, r.StatusCode, cookie)
	}
	attacker.with(attacker.client, http.MethodHead, s.URL+clean, "")
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	require.Zero(t, s.Provider.Count(optest.Exchanged))
}

// TestSessionsAreMarked: lists mark the tokens of sessions. A program cannot give its
// token that mark, whatever it asks for.
func TestSessionsAreMarked(t *testing.T) {
	s := start(t)
	s.issued("alice", mytoken.Properties{Name: "mytoken-web", Capabilities: capability.Set{
		capability.ManageMytokensList, capability.ManageMytokensRevoke, capability.ManageMytokensHistory,
	}})
	s.manager("alice")
	b := s.manager("alice")
	list := b.page("/manage").text
	assert.Equal(t, 3, strings.Count(list, "<bdi>mytoken-web</bdi>"))
	assert.Equal(t, 1, strings.Count(list, ">this session</span>"))
	assert.Equal(t, 1, strings.Count(list, ">a session of these pages</span>"))
	labelled := s.startNativeStatus(m{"name": "x", "label": "session of the management pages"})
	assert.Equal(t, http.StatusOK, labelled.StatusCode, "an unknown member is ignored")
}

// startNativeStatus starts a login, however it is answered.
func (s *service) startNativeStatus(request m) *reply {
	s.t.Helper()
	body := m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer()}
	for k, v := range request {
		body[k] = v
	}
	return s.post("/api/v0/token/my", body)
}

// TestServiceName: the operator's name is in the titles, at the top and at the bottom of
// all pages. A name that cannot be shown is refused.
func TestServiceName(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.Name = " Tokens & <Jobs> " })
	for _, path := range []string{"/", "/native", "/none", "/manage", "/c"} {
		page := s.browser().open(s.URL + path)
		assert.Contains(t, page.text, " · Tokens &amp; &lt;Jobs&gt;</title>", path)
		assert.Equal(t, 2, strings.Count(page.text, "<bdi>Tokens &amp; &lt;Jobs&gt;</bdi>"), path)
		assert.Equal(t, 1, strings.Count(page.text, "<footer>"), path)
	}
	for _, name := range []string{"a\u202eb", "a\x00", strings.Repeat("x", 101), "\xff"} {
		_, err := rest.NewHandler(s.Issuer, rest.Options{Name: name})
		assert.ErrorIs(t, err, rest.ErrOptions, "%q", name)
		assert.ErrorContains(t, err, "Name", fmt.Sprintf("%q", name))
	}
}

// TestConsentWithoutCode: an incomplete link is a page for browsers, and the error of a
// wrong code for programs.
func TestConsentWithoutCode(t *testing.T) {
	s := start(t)
	page := s.browser().open(s.URL + "/c")
	assert.Equal(t, http.StatusNotFound, page.StatusCode)
	accessible(t, page)
	assert.Contains(t, page.text, "<h1>A part of this link is missing</h1>")
	s.fails(s.do(http.MethodGet, "/c", ""), 404, "not_found", "consent code not valid")
}
