package rest_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// manager is a browser whose user has logged in to the management pages.
func (s *service) manager(subject string) *browser {
	s.t.Helper()
	b := s.browser()
	b.logInToManage(subject)
	return b
}

// logInToManage goes the way of a user, from link to link.
func (b *browser) logInToManage(subject string) *reply {
	b.t.Helper()
	home := b.open(b.URL + "/")
	link := regexp.MustCompile(`id="manage" href="([^"]+)"`).FindStringSubmatch(home.text)
	if link == nil {
		b.t.Fatal(home.text)
	}
	login := formOf(b.t, b.click(link[1]), "login")
	back := b.login(continues(b.t, b.send(login, "provider", b.Provider.Issuer())), subject)
	require.Equal(b.t, http.StatusSeeOther, back.StatusCode, "%d %s", back.StatusCode, back.text)
	to, err := back.Location()
	require.NoError(b.t, err)
	page := b.click(continues(b.t, b.open(to.String())))
	if page.StatusCode != http.StatusOK || !strings.Contains(page.text, "<h1>Your tokens</h1>") || !strings.Contains(page.text, "<bdi>"+subject+"</bdi>") {
		b.t.Fatalf("%d %s", page.StatusCode, page.text)
	}
	return page
}

// page is one of the management pages.
func (b *browser) page(path string) *reply {
	b.t.Helper()
	r := b.click(b.URL + path)
	require.Equal(b.t, http.StatusOK, r.StatusCode, "%s: %d %s", path, r.StatusCode, r.text)
	return r
}

func queryID(id mytoken.TokenID) string { return "?" + url.Values{"id": {id.String()}}.Encode() }

// TestManageTokens: a user sees all tokens as a tree, with their rights, their uses, the
// rest of their limits, and their history.
func TestManageTokens(t *testing.T) {
	s := start(t)
	root := s.issued("alice", mytoken.Properties{Name: "laptop", Restrictions: restriction.List{
		{Expires: s.Clock.Now().Add(time.Hour).Unix(), Scopes: []string{"compute"}, UsagesAT: restriction.Usages(5)},
	}, Rotation: &mytoken.Rotation{OnOther: true, AutoRevoke: true}})
	child := s.child(root, mytoken.Properties{Name: "job", Capabilities: capability.Set{capability.AT}})
	s.child(child0(t, s, root), mytoken.Properties{Name: "grandchild", Capabilities: capability.Set{capability.AT}})
	s.issued("alice", mytoken.Properties{})
	s.object(s.access(child.Token.Reveal(), nil), 200)
	b := s.manager("alice")
	list := b.page("/manage")
	accessible(t, list)
	flat := regexp.MustCompile(`\s+`).ReplaceAllString(list.text, " ")
	for _, want := range []string{
		`<bdi>laptop</bdi>`, `<bdi>mytoken-web</bdi></a> <span class="badge here">this session</span>`, "A token without a name",
		`<ul role="list" class="subtree" aria-label="Made from laptop"><li>`, `<ul role="list" class="subtree" aria-label="Made from between"><li>`,
		`<li>Only with the rights <bdi class="item">compute</bdi></li><li>At most 5 access tokens</li>`, "1 access token so far, 4 left", "Never used", "Does not end",
		"If an old one is used again, all are revoked.", "<li><strong>Get access tokens</strong> <code>AT</code>",
	} {
		assert.Contains(t, flat, want)
	}
	found := b.page("/manage?search=+GRAND")
	if !strings.Contains(found.text, "<bdi>grandchild</bdi>") || !strings.Contains(found.text, "<bdi>laptop</bdi>") || strings.Contains(found.text, "<bdi>job</bdi>") || strings.Contains(found.text, "mytoken-web") {
		t.Error(found.text)
	}
	if none := b.page("/manage?search=nothing"); !strings.Contains(none.text, "No token has a name like that") {
		t.Error(none.text)
	}
	page := b.page("/manage/token" + queryID(child.ID))
	accessible(t, page)
	for _, want := range []string{
		"<h1><bdi>job</bdi></h1>", "4 access tokens left", "1 access token so far, 4 left; 0 other uses so far, without limit", "<strong>An access token was obtained</strong>",
		"<strong>The token was made from another one</strong>", "by <bdi>a Go program</bdi>", `"><bdi>laptop</bdi></a>`, "from 127.0.0.1", child.ID.String(),
	} {
		assert.Contains(t, html.UnescapeString(page.text), want)
	}
	s.Clock.Advance(2 * time.Hour)
	if page := b.page("/manage/token" + queryID(child.ID)); !strings.Contains(page.text, "This token has expired") {
		t.Error(page.text)
	}
	if list := b.page("/manage"); strings.Count(list.text, `<span class="badge bad">expired</span>`) != 4 {
		t.Error(list.text)
	}
}

// child0 is the token between a token and another.
func child0(t *testing.T, s *service, root *mytoken.Issued) *mytoken.Issued {
	t.Helper()
	return s.child(root, mytoken.Properties{Name: "between", Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
}

// TestManageRevoke: after a question, a token is revoked alone or with its descendants.
// proves P6
func TestManageRevoke(t *testing.T) {
	s := start(t)
	b := s.manager("alice")
	marked := 0
	for _, recursive := range []bool{true, false} {
		root := s.issued("alice", mytoken.Properties{Name: "root"})
		child := s.child(root, mytoken.Properties{Name: "child"})
		ask := b.page("/manage/revoke" + queryID(root.ID))
		accessible(t, ask)
		if !strings.Contains(ask.text, "<strong><bdi>root</bdi></strong>") || !strings.Contains(ask.text, "Also revoke what was made from it: 1 token<") || !s.live(root) {
			t.Fatal(ask.text)
		}
		f := formOf(t, ask, "revoke-form")
		if !recursive {
			f.set(t, "recursive")
		}
		done := b.send(f, "", "")
		to, err := done.Location()
		if done.StatusCode != http.StatusSeeOther || err != nil {
			t.Fatalf("%d %s", done.StatusCode, done.text)
		}
		if s.live(root) || s.live(child) == recursive {
			t.Errorf("recursive %v: root %v, child %v", recursive, s.live(root), s.live(child))
		}
		list := b.click(to.String())
		// Both stay listed as revoked, and only a live token has no such mark.
		revoked := 1
		if recursive {
			revoked = 2
		}
		if !strings.Contains(list.text, `role="status"`) || !strings.Contains(list.text, "<bdi>child</bdi>") ||
			strings.Count(list.text, ">revoked<") != marked+revoked {
			t.Error(list.text)
		}
		marked += revoked
		if recursive {
			continue
		}
		if page := b.page("/manage/token" + queryID(root.ID)); !strings.Contains(page.text, "This token is revoked") || strings.Contains(page.text, `id="revoke"`) || !strings.Contains(page.text, "<strong>The token was revoked</strong>") {
			t.Error(page.text)
		}
	}
	if page := b.page("/manage?done=%3Cb%3E"); strings.Contains(page.text, `role="status"`) {
		t.Error(page.text)
	}
}

// TestManageOthers: tokens of other users are not found.
func TestManageOthers(t *testing.T) {
	s := start(t)
	token := s.issued("bob", mytoken.Properties{Name: "bobs"})
	b := s.manager("alice")
	if list := b.page("/manage"); strings.Contains(list.text, "bobs") {
		t.Error(list.text)
	}
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}
	for _, id := range []string{token.ID.String(), mytoken.JTI{1}.TokenID().String(), "this", "children", "", "x"} {
		query := url.Values{"id": {id}}.Encode()
		for _, r := range []*reply{
			b.click(b.URL + "/manage/token?" + query), b.click(b.URL + "/manage/revoke?" + query),
			b.with(b.client, http.MethodPost, b.URL+"/manage/revoke", query, form...), b.with(b.client, http.MethodPost, b.URL+"/manage/revoke", query+"&recursive=1", form...),
		} {
			if r.StatusCode != http.StatusNotFound || strings.Contains(r.text, "bobs") {
				t.Errorf("%s %s %q: %d %s", r.Request.Method, r.Request.URL.Path, id, r.StatusCode, r.text)
			}
		}
	}
	if !s.live(token) {
		t.Error("the token is gone")
	}
}

// TestManageSession: only these pages get the cookie. Its token can do no more than they
// need, and the session ends with it.
func TestManageSession(t *testing.T) {
	s := start(t)
	b := s.manager("alice")
	cookies := func(path string) map[string]string {
		u, err := url.Parse(s.URL + path)
		require.NoError(t, err)
		all := make(map[string]string)
		for _, c := range b.client.Jar.Cookies(u) {
			if !strings.HasPrefix(c.Name, "mytoken-response-") { // what became of the login
				all[c.Name] = c.Value
			}
		}
		return all
	}
	token := cookies("/manage")["mytoken"]
	if token == "" || len(cookies("/manage")) != 1 || len(cookies("/api/v0/token/my")) != 0 || len(cookies("/home")) != 0 {
		t.Fatalf("%v", cookies("/"))
	}
	s.fails(s.access(token, nil), 403, "insufficient_capabilities", "The provided token does not have the required capability for this operation")
	s.fails(s.derive(token, nil), 403, "insufficient_capabilities", "The provided token does not have the required capability for this operation")
	if got := s.object(s.post("/api/v0/tokeninfo", m{"mytoken": token, "action": "list_mytokens"}), 200); len(got["mytokens"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	// Somebody has revoked the token: the user has to log in again, without the cookie.
	if r := s.post("/api/v0/token/revoke", m{"token": token}); r.StatusCode != 204 {
		t.Fatal(r.text)
	}
	ended := b.click(s.URL + "/manage")
	accessible(t, ended)
	if ended.StatusCode != http.StatusUnauthorized || !strings.Contains(ended.text, "<h1>Your session has ended</h1>") || len(cookies("/manage")) != 0 {
		t.Errorf("%d %s %v", ended.StatusCode, ended.text, cookies("/manage"))
	}
	// The session has expired.
	b.logInToManage("alice")
	s.Clock.Advance(7*24*time.Hour + time.Second)
	if r := b.click(s.URL + "/manage/create"); r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.text, "Your session has ended") {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	// Logging out revokes the token.
	out := formOf(t, b.logInToManage("alice"), "logout-form")
	token = cookies("/manage")["mytoken"]
	if r := b.send(out, "", ""); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/home" || len(cookies("/manage")) != 0 {
		t.Errorf("%d %v %v", r.StatusCode, r.Header["Set-Cookie"], cookies("/manage"))
	}
	s.fails(s.post("/api/v0/tokeninfo", m{"mytoken": token, "action": "list_mytokens"}), 401, "invalid_token", "")
	if r := b.send(out, "", ""); r.StatusCode != http.StatusSeeOther {
		t.Errorf("again: %d", r.StatusCode)
	}
	// A user who revokes the token of the session is logged out.
	list := b.logInToManage("alice")
	link := regexp.MustCompile(`href="[^"]*/manage/token(\?id=[^"]+)"><bdi>mytoken-web</bdi></a> <span class="badge here">`).FindStringSubmatch(list.text)
	ask := b.page("/manage/revoke" + html.UnescapeString(link[1]))
	if r := b.send(formOf(t, ask, "revoke-form"), "", ""); r.Header.Get("Location") != "/home" || len(cookies("/manage")) != 0 {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}

// TestManageNotLoggedIn: without a session the pages show nothing and do nothing.
func TestManageNotLoggedIn(t *testing.T) {
	s := start(t)
	token := s.issued("alice", mytoken.Properties{Name: "secretly named"})
	b := s.browser()
	for _, path := range []string{"/manage", "/manage/token" + queryID(token.ID), "/manage/revoke" + queryID(token.ID), "/manage/create"} {
		r := b.click(s.URL + path)
		accessible(t, r)
		if r.StatusCode != http.StatusOK || !strings.Contains(r.text, "<h1>Log in to see your tokens</h1>") || strings.Contains(r.text, "secretly") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.text)
		}
		s.fails(s.do(http.MethodGet, path, ""), 401, "invalid_token", "no mytoken found in request")
		// the cookie stays with the browser when another site leads here
		if r := b.open(s.URL + path); !strings.HasSuffix(continues(t, r), path) {
			t.Errorf("%s: %s", path, r.text)
		}
		// a token elsewhere than in the cookie is none
		if r := s.do(http.MethodGet, path, "", "Authorization", "Bearer "+token.Token.Reveal(), "Accept", "text/html"); !strings.Contains(r.text, "Log in to see") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.text)
		}
	}
	for path, body := range map[string]string{"/manage/revoke": "id=" + url.QueryEscape(token.ID.String()), "/manage/create": "capabilities=AT&clauses=0&provider=" + url.QueryEscape(s.Provider.Issuer())} {
		r := b.with(b.client, http.MethodPost, s.URL+path, body, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
		if r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.text, "Log in to see your tokens") || len(r.Cookies()) > 0 {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.text)
		}
	}
	for _, cookie := range []string{"mytoken=", "mytoken=nonsense", "mytoken=" + token.Token.Reveal() + "x"} {
		if r := s.do(http.MethodGet, "/manage", "", "Cookie", cookie, "Accept", "text/html"); strings.Contains(r.text, "secretly") || !strings.Contains(r.text, `id="login"`) {
			t.Errorf("%s: %d %s", cookie, r.StatusCode, r.text)
		}
	}
	if !s.live(token) {
		t.Error("the token is gone")
	}
}

// TestManageIsNotForged: a page of another origin does nothing in the user's name.
func TestManageIsNotForged(t *testing.T) {
	s := start(t)
	token := s.issued("alice", mytoken.Properties{})
	b := s.manager("alice")
	provider := "provider=" + url.QueryEscape(s.Provider.Issuer())
	for path, body := range map[string]string{
		"/manage/login": provider, "/manage/logout": "", "/manage/revoke": "id=" + url.QueryEscape(token.ID.String()),
		"/manage/create": provider + "&capabilities=AT&clauses=0",
	} {
		for name, header := range map[string][]string{
			"fetch": {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, "sibling": {"Sec-Fetch-Site", "same-site"},
			"old browser": {"Origin", "https://evil.example"}, "opaque": {"Origin", "null"},
		} {
			r := b.with(b.client, http.MethodPost, s.URL+path, body, append(header, "Content-Type", "application/x-www-form-urlencoded")...)
			if r.StatusCode != http.StatusForbidden || len(r.Cookies()) > 0 {
				t.Errorf("%s, %s: %d %s", path, name, r.StatusCode, r.text)
			}
			// It does not learn either whether the user is logged in.
			r = s.do(http.MethodPost, path, body, append(header, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")...)
			if r.StatusCode != http.StatusForbidden || len(r.Cookies()) > 0 {
				t.Errorf("%s, %s, without a session: %d %s", path, name, r.StatusCode, r.text)
			}
		}
	}
	if !s.live(token) || !strings.Contains(b.page("/manage").text, "this session") {
		t.Error("something was done")
	}
	// An old browser sends none of these headers. The service's own page works in it.
	r := b.with(b.client, http.MethodPost, s.URL+"/manage/revoke", "id="+url.QueryEscape(token.ID.String()), "Content-Type", "application/x-www-form-urlencoded", "Origin", s.URL)
	if r.StatusCode != http.StatusSeeOther || s.live(token) {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
}

// TestNoManagement: the pages can be left out, and nothing leads to them.
func TestNoManagement(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.NoManagement = true })
	b := s.browser()
	for _, path := range []string{"/manage", "/manage/login", "/manage/create", "/manage/token?id=x", "/manage/revoke?id=x"} {
		if r := b.click(s.URL + path); r.StatusCode != http.StatusNotFound || strings.Contains(r.text, "/manage") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.text)
		}
	}
	header := []string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}
	for _, path := range []string{"/manage/login", "/manage/logout", "/manage/revoke", "/manage/create"} {
		if r := b.with(b.client, http.MethodPost, s.URL+path, "provider="+url.QueryEscape(s.Provider.Issuer()), header...); r.StatusCode != http.StatusNotFound || len(r.Cookies()) > 0 {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.text)
		}
	}
	home := b.click(s.URL + "/home")
	accessible(t, home)
	if home.StatusCode != http.StatusOK || strings.Contains(home.text, "/manage") || !strings.Contains(home.text, "Where you can log in") {
		t.Errorf("%d %s", home.StatusCode, home.text)
	}
}

// TestManageSecureCookie: with https, a cookie that came over plain HTTP is no session.
func TestManageSecureCookie(t *testing.T) {
	s := start(t).restart(func(c *issuer.Config) { c.Issuer = "https://mytoken.example.org/tokens" }, rest.Options{SkipRedirectCheck: true})
	token := s.issued("alice", mytoken.Properties{}).Token.Reveal()
	open := func(name string) *reply {
		return s.do(http.MethodGet, "/tokens/manage", "", "Cookie", name+"="+token, "Accept", "text/html")
	}
	if r := open("mytoken"); !strings.Contains(r.text, `id="login"`) {
		t.Error(r.text)
	}
	if r := open("__Secure-mytoken-manage"); r.StatusCode != http.StatusOK || !strings.Contains(r.text, "<bdi>alice</bdi>") {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	r := s.do(http.MethodPost, "/tokens/manage/logout", "")
	require.Len(t, r.Cookies(), 1)
	c := r.Cookies()[0]
	if c.Name != "__Secure-mytoken-manage" || !c.Secure || !c.HttpOnly || c.Path != "/tokens/manage" || c.Domain != "" || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("%+v", c)
	}
}
