package rest_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// startWeb starts a login for a web page and returns where the user agrees.
func (b *browser) startWeb(request m) string {
	b.t.Helper()
	body := m{"grant_type": "oidc_flow", "oidc_issuer": b.Provider.Issuer(), "client_type": "web", "redirect_uri": "/home"}
	for k, v := range request {
		body[k] = v
	}
	got := b.object(b.script(http.MethodPost, b.URL+"/api/v0/token/my", encode(b.t, body)), http.StatusOK)
	require.Len(b.t, got, 1)
	return got["consent_uri"].(string)
}

// TestD03_LoginCSRF: an attacker goes through a login, and makes a victim's browser do
// the last step. Or the attacker approves, and sends the victim the provider's address.
// Neither works, and the login can still be finished in the right browser.
func TestD03_LoginCSRF(t *testing.T) {
	s := start(t)
	attacker, victim := s.browser(), s.browser()
	for name, consent := range map[string]func() string{
		"web":    func() string { return attacker.startWeb(nil) },
		"native": func() string { uri, _ := s.startNative(nil); return uri },
	} {
		to := attacker.approve(consent(), nil)
		back, err := optest.Login(t.Context(), to, "mallory")
		require.NoError(t, err)
		for try, r := range map[string]*reply{
			"navigation": victim.open(back),
			"script":     victim.script(http.MethodGet, back, ""),
			"old":        s.do(http.MethodGet, back, "", "User-Agent", "Mozilla/5.0"),
			"framed":     s.do(http.MethodGet, back, "", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"),
			"terminal":   s.do(http.MethodGet, back, "", "User-Agent", "Lynx/2.9.0", "Accept", "text/html"),
			"program":    s.do(http.MethodGet, back, ""),
			// The cookie of another login does not help.
			"other cookie": s.do(http.MethodGet, back, "", "Cookie", "mytoken-login-aaaaaaaaaaaa=x"),
		} {
			if try == "navigation" || try == "terminal" { // a browser goes to an address without the code first
				to, err := r.Location()
				require.NoError(t, err)
				require.Empty(t, r.Cookies())
				r = victim.open(to.String())
			}
			if r.StatusCode != http.StatusBadRequest || len(r.Cookies()) > 0 || !strings.Contains(r.text, "State mismatched") {
				t.Errorf("%s, %s: %d %v %s", name, try, r.StatusCode, r.Cookies(), r.text)
			}
		}
		// The clean address is of no use to the victim either.
		if to, err := attacker.open(back).Location(); err != nil || victim.open(to.String()).StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v", name, err)
		}
		exchanged := s.Provider.Count(optest.Exchanged)
		for range 2 { // the second time it says what became of the login
			if r := attacker.comeBack(back); r.StatusCode != http.StatusSeeOther || s.Provider.Count(optest.Exchanged) != exchanged+1 {
				t.Errorf("%s: the right browser got %d %s", name, r.StatusCode, r.text)
			}
		}
	}
}

// TestD03_ProgramApproves: a program approves its own login by JSON and sends the victim
// the provider's address. The victim's browser, whatever it says about itself, does not
// finish the login for the program. The page says why.
func TestD03_ProgramApproves(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(nil)
	program := s.do(http.MethodPost, consent, "{}")
	to := s.object(program, 278)["authorization_uri"].(string)
	back, err := optest.Login(t.Context(), to, "victim")
	require.NoError(t, err)
	for _, agent := range []string{"Lynx/2.9.0 libwww-FM/2.14", "w3m/0.5.3", ""} {
		to, err := s.do(http.MethodGet, back, "", "User-Agent", agent, "Accept", "text/html").Location()
		require.NoError(t, err)
		r := s.do(http.MethodGet, to.String(), "", "User-Agent", agent, "Accept", "text/html")
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text, "State mismatched") || !strings.Contains(r.text, "cookies") {
			t.Errorf("%q: %d %s", agent, r.StatusCode, r.text)
		}
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	// A program that keeps its cookies finishes its own login, as a browser does.
	cookies := program.Cookies()[0].Name + "=" + program.Cookies()[0].Value
	arrived := s.do(http.MethodGet, back, "", "Cookie", cookies)
	require.Equal(t, http.StatusSeeOther, arrived.StatusCode, arrived.text)
	cookies += "; " + arrived.Cookies()[0].Name + "=" + arrived.Cookies()[0].Value
	if r := s.do(http.MethodGet, arrived.Header.Get("Location"), "", "Cookie", cookies); r.StatusCode != http.StatusSeeOther {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	s.object(s.poll(polling), 200)
}

// TestD68_ConsentIsNotForged: a page of another origin cannot decide for the user, and
// nobody can decide twice.
func TestD68_ConsentIsNotForged(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(nil)
	form := "application/x-www-form-urlencoded"
	for _, header := range map[string][]string{
		"fetch":          {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"sibling":        {"Sec-Fetch-Site", "same-site", "Origin", "https://evil.mytoken.example"},
		"old browser":    {"Origin", "https://evil.example"},
		"opaque":         {"Origin", "null"},
		"form":           {"Sec-Fetch-Site", "cross-site", "Content-Type", form},
		"looks the same": {"Origin", s.URL + ".evil.example"},
	} {
		for _, body := range []string{"{}", "", "decision=approve"} {
			r := s.do(http.MethodPost, consent, body, header...)
			s.fails(r, 403, "access_denied", "request from another site")
		}
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	if r := s.do(http.MethodPost, consent, "{}", "Origin", s.URL); r.StatusCode != 278 {
		t.Fatalf("the service's own page: %d %s", r.StatusCode, r.text)
	}
	for _, body := range []string{"{}", ""} {
		s.fails(s.do(http.MethodPost, consent, body), 404, "not_found", "consent code not valid")
	}
}

// TestD69_NoOpenRedirect: the browser is never sent to an address that the operator has
// not listed, however it is spelt.
func TestD69_NoOpenRedirect(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.RedirectURIs = []string{`https://portal\.example/[a-z]*`, `[a-z]+:[a-z]+`}
		o.rest.TrustedRedirectURIs = []string{`https://trusted\.example/|https://also\.example/`}
	})
	b := s.browser()
	for _, uri := range []string{
		"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "/\t/evil.example", "/home\r\nSet-Cookie: a=b",
		"https://portal.example.evil.example/", "https://portal.example/x/../..//evil", "https://portal.example/a?x", "xhttps://portal.example/a",
		"https://trusted.example/evil", "https://evil.example/https://also.example/", "javascript:alert(1)", "data:text/html,x", "http://portal.example/a",
		"/../..//evil.example", "/home//evil", "http:/home", "home", "//",
		"manage:session", "manage:created", // where the management pages' own logins end
	} {
		for _, client := range []string{"web"} {
			r := b.script(http.MethodPost, s.URL+"/api/v0/token/my", encode(t, m{
				"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer(), "client_type": client, "redirect_uri": uri,
			}))
			s.fails(r, 400, "invalid_request", "redirect_uri is not allowed")
		}
	}
	for uri, want := range map[string]string{"/home": "/home", "/a/b?c=d#e": "/a/b?c=d#e", "https://portal.example/abc": "https://portal.example/abc"} {
		r := b.login(b.approve(b.startWeb(m{"redirect_uri": uri}), nil), "alice")
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("%s: %d %q", uri, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

// TestD69_IssuerWithPath: all addresses that the service makes are below the path of the
// issuer URL.
func TestD69_IssuerWithPath(t *testing.T) {
	s := start(t, func(o *setup) { o.prefix = "/tokens" })
	consent, polling := s.startNative(m{"application_name": "a&b=c"})
	if !strings.HasPrefix(consent, s.URL+"/c/") || !strings.Contains(consent, "/tokens/c/") {
		t.Fatal(consent)
	}
	b := s.browser()
	if page := b.open(consent); !strings.Contains(page.text, s.URL+"/static/style.css") {
		t.Error(page.text)
	}
	if r := b.login(b.approve(consent, nil), "alice"); !strings.HasPrefix(r.Header.Get("Location"), "/tokens/native?login=") {
		t.Error(r.Header)
	}
	s.object(s.poll(polling), 200)
	r := b.login(b.approve(b.startWeb(nil), nil), "alice")
	if r.Header.Get("Location") != "/tokens/home" {
		t.Error(r.Header)
	}
	for _, c := range r.Cookies() {
		if c.Name == "mytoken" && c.Path != "/tokens/api" {
			t.Errorf("%+v", c)
		}
	}
	origin := strings.TrimSuffix(s.URL, "/tokens")
	doc := s.object(s.do(http.MethodGet, origin+"/.well-known/oauth-authorization-server/tokens", ""), 200)
	if doc["issuer"] != s.URL || doc["token_endpoint"] != s.URL+"/oauth/token" {
		t.Errorf("%v", doc)
	}
	if r := s.do(http.MethodGet, origin+"/jwks", ""); r.StatusCode != http.StatusNotFound {
		t.Errorf("outside of the path: %d", r.StatusCode)
	}
	// Declining leads below the path too.
	declined := s.object(b.script(http.MethodPost, b.startWeb(nil), ""), 278)
	if !strings.HasPrefix(declined["url"].(string), "/tokens/?login=") {
		t.Errorf("%v", declined)
	}
}

// TestD69a_NothingIsInjected: the page displays whatever a request says about itself, and
// executes none of it.
func TestD69a_NothingIsInjected(t *testing.T) {
	s := start(t)
	evil := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</textarea><script>alert(1)</script>`, `\"};alert(1);//`,
		`' onfocus=alert(1) autofocus '`, "<!-- ", `{{.Base}}`, `javascript:alert(1)`,
	}
	for _, text := range evil {
		consent, _ := s.startNative(m{
			"name": text, "application_name": text, "restrictions": []m{{"audience": []string{strings.TrimSpace(text)}}},
		})
		for _, page := range []*reply{
			s.browser().open(consent),
			s.browser().open(s.URL + "/native?" + url.Values{"application": {text}}.Encode()),
			s.browser().open(s.URL + "/native/abort?" + url.Values{"application": {text}}.Encode()),
			s.browser().open(s.URL + "/redirect?" + url.Values{"state": {text}, "error": {text}, "error_description": {text}}.Encode()),
			s.browser().open(s.URL + "/c/" + url.PathEscape(text)),
		} {
			if strings.Contains(page.text, "<script>") || strings.Contains(page.text, "<img") || strings.Contains(page.text, "<!-- ") || strings.Contains(page.text, "' onfocus") {
				t.Errorf("%s: %s", text, page.text)
			}
			if strings.Count(page.text, "<textarea") != strings.Count(page.text, "</textarea>") {
				t.Errorf("%s: %s", text, page.text)
			}
		}
	}
}

// TestNoFrames: pages refuse to be framed. Responses of the API need no such header.
func TestNoFrames(t *testing.T) {
	s := start(t)
	consent, _ := s.startNative(nil)
	for _, path := range []string{consent, s.URL + "/", s.URL + "/native", s.URL + "/redirect", s.URL + "/none", s.URL + "/c/x"} {
		h := s.browser().open(path).Header
		if h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(h.Get("Content-Security-Policy"), "unsafe") ||
			h.Get("Referrer-Policy") != "same-origin" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	for _, path := range []string{"/api/v0/none", "/jwks", "/.well-known/openid-configuration"} {
		if h := s.do(http.MethodGet, path, "").Header; h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// TestD47_Cookies: only a request that came with the cookie of a web login replaces it.
// Its attributes keep others away from it, and revoking the token removes it.
func TestD47_Cookies(t *testing.T) {
	s := start(t)
	b := s.browser()
	r := b.login(b.approve(b.startWeb(m{"rotation": m{"on_AT": true, "on_other": true}}), m{"rotation": m{"on_AT": true, "on_other": true}}), "alice")
	cookie := func(r *reply, name string) *http.Cookie {
		for _, c := range r.Cookies() {
			if c.Name == name {
				return c
			}
		}
		return nil
	}
	first := cookie(r, "mytoken")
	if first == nil || !first.HttpOnly || first.SameSite != http.SameSiteStrictMode || first.Path != "/api" || first.MaxAge != 604800 || first.Domain != "" {
		t.Fatalf("%+v", first)
	}
	post := func(path string, body m, header ...string) *reply {
		return b.script(http.MethodPost, s.URL+path, encode(t, body), header...)
	}
	rotated := post("/api/v0/token/access", m{"grant_type": "mytoken"})
	second := cookie(rotated, "mytoken")
	if second == nil || second.Value == first.Value || s.object(rotated, 200)["token_update"].(m)["mytoken"] != second.Value {
		t.Fatalf("%v", rotated.Header)
	}
	// A token in the body or header counts before the cookie.
	other := s.tokenOf("bob", mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true, OnOther: true}})
	for _, r := range []*reply{
		post("/api/v0/token/access", m{"grant_type": "mytoken", "mytoken": other}),
		post("/api/v0/tokeninfo", m{"action": "list_mytokens"}, "Authorization", "Bearer "+other),
	} {
		if r.StatusCode != 200 || len(r.Cookies()) > 0 {
			t.Errorf("%d %v", r.StatusCode, r.Cookies())
		}
	}
	// A page of another origin cannot use the cookie.
	for _, site := range []string{"cross-site", "same-site"} {
		foreign := s.do(http.MethodPost, "/api/v0/tokeninfo", `{}`, "Cookie", "mytoken="+second.Value, "Sec-Fetch-Site", site)
		s.fails(foreign, 401, "invalid_token", "no mytoken found in request")
	}
	gone := post("/api/v0/token/revoke", m{})
	if c := cookie(gone, "mytoken"); c == nil || c.MaxAge >= 0 || c.Path != first.Path || c.Domain != first.Domain || c.SameSite != first.SameSite {
		t.Errorf("%+v", c)
	}
	s.fails(post("/api/v0/tokeninfo", m{}), 401, "invalid_token", "no mytoken found in request")
}

// TestD70_CookieFollowsTheToken: the cookie holds the form that was issued, which
// max_token_len can change.
func TestD70_CookieFollowsTheToken(t *testing.T) {
	s := start(t)
	for name, c := range map[string]struct {
		request m
		cookie  string
		length  int
	}{
		"token":                 {nil, "mytoken", 0},
		"too long for a cookie": {m{"restrictions": longRestrictions()}, "mytoken", 64},
		"short":                 {m{"response_type": "short_token"}, "mytoken", 64},
		"code":                  {m{"response_type": "transfer_code"}, "mytoken-transfercode", 14},
		"short because of room": {m{"response_type": "transfer_code", "max_token_len": 64}, "mytoken", 64},
		"code because of room":  {m{"max_token_len": 20}, "mytoken-transfercode", 14},
	} {
		b := s.browser()
		r := b.login(b.approve(b.startWeb(c.request), nil), "alice")
		found := false
		for _, got := range r.Cookies() {
			if got.Name == c.cookie {
				found = got.Value != "" && (c.length == 0 || len(got.Value) == c.length)
			} else if strings.HasPrefix(got.Name, "mytoken") && !strings.HasPrefix(got.Name, "mytoken-response-") && got.MaxAge >= 0 {
				t.Errorf("%s: also %s", name, got.Name)
			}
		}
		if !found {
			t.Errorf("%s: %v", name, r.Header)
		}
	}
}

// TestSecureCookies: with https, browsers send the cookies over https only. No other host
// of the domain can set the one that binds a login.
func TestSecureCookies(t *testing.T) {
	s := start(t)
	secure := s.restart(func(c *issuer.Config) { c.Issuer = "https://mytoken.example.org" }, rest.Options{SkipRedirectCheck: true})
	consent, _ := secure.startNative(nil)
	r := secure.do(http.MethodPost, strings.Replace(consent, "https://mytoken.example.org", secure.URL, 1), "{}")
	if r.StatusCode != 278 || len(r.Cookies()) != 1 {
		t.Fatalf("%d %v", r.StatusCode, r.Header)
	}
	c := r.Cookies()[0]
	if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("%+v", c)
	}
	state := r.text
	if raw, err := base64.RawURLEncoding.DecodeString(c.Value); err != nil || len(raw) < 16 || strings.Contains(state, c.Value) {
		t.Errorf("the cookie tells something: %q", c.Value)
	}
}

// TestStrictTransport: where the issuer is https, every response tells browsers never to
// use plain HTTP again, also those of errors and of the guests' provider.
func TestStrictTransport(t *testing.T) {
	const header = "Strict-Transport-Security"
	s := start(t)
	https := func(c *issuer.Config) { c.Issuer = "https://mytoken.example.org" }
	guest := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	paths := []string{"/", "/manage", "/jwks", "/api/v0/token/my", "/none", "/a//b", "/static/style.css", "/api/v0/guests/x", "/redirect?state=x"}
	for name, c := range map[string]struct {
		s    *service
		want []string
	}{
		"plain":    {s, nil},
		"https":    {s.restart(https, rest.Options{SkipRedirectCheck: true, Guest: guest}), []string{"max-age=31536000"}},
		"unwanted": {s.restart(https, rest.Options{SkipRedirectCheck: true, Guest: guest, NoHSTS: true}), nil},
	} {
		for _, path := range paths {
			if got := c.s.do(http.MethodGet, path, "").Header.Values(header); !slices.Equal(got, c.want) {
				t.Errorf("%s: %s: %q", name, path, got)
			}
		}
	}
	// The embedding server may know better.
	own := httptest.NewRecorder()
	own.Header().Set(header, "max-age=1; includeSubDomains")
	s.restart(https, rest.Options{SkipRedirectCheck: true}).http.Config.Handler.ServeHTTP(own, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := own.Header().Values(header); len(got) != 1 || got[0] != "max-age=1; includeSubDomains" {
		t.Errorf("%q", got)
	}
}

// longRestrictions make a token that is too long for a cookie.
func longRestrictions() (out []m) {
	for n := range 100 {
		out = append(out, m{"exp": 4102444800, "usages_AT": n + 1, "audience": []string{"https://a.example"}})
	}
	return out
}
