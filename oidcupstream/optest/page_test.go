package optest_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// visit sends a request as a browser does, and follows no redirect.
func (c *client) visit(method, address string, form url.Values) (*http.Response, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(c.t, err)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Do(r)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp, string(text)
}

// ask opens the authorization endpoint in a browser.
func (c *client) ask(change url.Values) (*http.Response, string) {
	c.t.Helper()
	return c.visit(http.MethodGet, c.op.Issuer()+"/authorize?"+authQuery(change).Encode(), nil)
}

// back returns where a response sends the browser.
func back(t *testing.T, resp *http.Response) url.Values {
	t.Helper()
	u, err := resp.Location()
	require.NoError(t, err, resp.Status)
	require.Equal(t, "portal.example.org", u.Host)
	return u.Query()
}

// fieldsOf returns what the form of a page would send if the user changed nothing and
// pressed no named button.
func fieldsOf(t *testing.T, page, id string) url.Values {
	t.Helper()
	values, inside := url.Values{}, false
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		a := map[string]string{}
		for _, attribute := range start.Attr {
			a[attribute.Name.Local] = attribute.Value
		}
		switch start.Name.Local {
		case "form":
			inside = a["id"] == id
		case "input":
			if inside {
				values.Add(a["name"], a["value"])
			}
		}
	}
	require.NotEmpty(t, values, page)
	return values
}

func users() []optest.User {
	return []optest.User{{Subject: "alice", Claims: map[string]any{"name": "Alice Example"}}, {Subject: "bob"}}
}

// TestLoginPage: a person chooses a user on the page, and the client gets that user and
// everything that it sent.
func TestLoginPage(t *testing.T) {
	c := start(t, optest.Options{LoginPage: true, Users: users()})
	resp, page := c.ask(url.Values{"resource": {"https://a", "https://b"}})
	require.Equal(t, http.StatusOK, resp.StatusCode)
	for _, want := range []string{
		"This is a provider for tests.", "Anybody can log in", "portal", "see who you are", "storage.read", "https://a", "https://b",
		"https://portal.example.org", "Alice Example", "bob",
	} {
		assert.Contains(t, page, want)
	}
	assert.NotContains(t, page, "<script")
	csp := resp.Header.Get("Content-Security-Policy")
	assert.Contains(t, csp, "default-src 'none'")
	assert.NotContains(t, csp, "unsafe")
	assert.Empty(t, c.op.Record(), "nobody has logged in yet")

	form := fieldsOf(t, page, "login")
	require.Equal(t, "alice", form.Get("optest_user"))
	form.Set("optest_user", " carol ")
	resp, _ = c.visit(http.MethodPost, c.op.Issuer()+"/authorize", form)
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	query := back(t, resp)
	require.Equal(t, "st", query.Get("state"))
	require.Equal(t, "carol", c.subject(c.exchange(query.Get("code"))))
	require.Equal(t, []string{"https://a", "https://b"}, c.op.Record()[0].Audiences)

	_, page = c.ask(url.Values{"login_hint": {"dave"}})
	require.Equal(t, "dave", fieldsOf(t, page, "login").Get("optest_user"))
	known := fieldsOf(t, page, "users")
	require.False(t, known.Has("optest_user"))
	known.Set("optest_user", "bob") // the button
	resp, _ = c.visit(http.MethodPost, c.op.Issuer()+"/authorize", known)
	require.Equal(t, "bob", c.subject(c.exchange(back(t, resp).Get("code"))))
}

// TestLoginPageCancel: the user cancels, with or without a name in the field, and the
// client hears access_denied.
func TestLoginPageCancel(t *testing.T) {
	c := start(t, optest.Options{LoginPage: true})
	for _, name := range []string{"alice", "", "\u202e"} {
		_, page := c.ask(nil)
		form := fieldsOf(t, page, "login")
		form.Set("optest_user", name)
		form.Set("optest_decision", "cancel")
		resp, _ := c.visit(http.MethodPost, c.op.Issuer()+"/authorize", form)
		query := back(t, resp)
		require.Equal(t, "access_denied", query.Get("error"))
		require.False(t, query.Has("code"))
		require.Equal(t, optest.Denied, c.last().Kind)
	}
	require.Zero(t, c.op.Count(optest.Authorized))
}

// TestLoginPageProblem: a name that cannot be one is refused with its reason, and nothing
// of the request is lost.
func TestLoginPageProblem(t *testing.T) {
	c := start(t, optest.Options{LoginPage: true})
	_, page := c.ask(nil)
	for name, want := range map[string]string{"": "Type a user name", "  ": "Type a user name", "ali\u202ece": "U+202E"} {
		form := fieldsOf(t, page, "login")
		form.Set("optest_user", name)
		resp, again := c.visit(http.MethodPost, c.op.Issuer()+"/authorize", form)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
		require.Contains(t, html.UnescapeString(again), want)
		require.Contains(t, again, `role="alert"`)
		require.NotContains(t, again, "\u202e")
		form = fieldsOf(t, again, "login")
		form.Set("optest_user", "alice")
		resp, _ = c.visit(http.MethodPost, c.op.Issuer()+"/authorize", form)
		require.Equal(t, "alice", c.subject(c.exchange(back(t, resp).Get("code"))))
	}
}

// TestLoginPageForBrowsersOnly: programs, requests that name their user, and requests
// that must not ask are answered at once. A request that nobody could grant is too, and
// one with an address that is not registered gets no page from which to go there.
func TestLoginPageForBrowsersOnly(t *testing.T) {
	c := start(t, optest.Options{LoginPage: true, Clients: []optest.Client{
		{ID: optest.DefaultClientID, Secret: optest.DefaultClientSecret, RedirectURLs: []string{callback}},
	}})
	c.login() // a program
	resp, _ := c.ask(url.Values{"optest_user": {"erin"}})
	require.Equal(t, "erin", c.subject(c.exchange(back(t, resp).Get("code"))))
	resp, _ = c.ask(url.Values{"prompt": {"none"}, "login_hint": {"stranger"}})
	require.Equal(t, "login_required", back(t, resp).Get("error"))
	resp, _ = c.ask(url.Values{"scope": {"storage.read"}})
	require.Equal(t, "invalid_scope", back(t, resp).Get("error"))
	resp, page := c.ask(url.Values{"redirect_uri": {"https://evil.example"}})
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.NotContains(t, page, "<form")

	off := start(t, optest.Options{})
	resp, _ = off.ask(nil)
	require.NotEmpty(t, back(t, resp).Get("code"), "without the option nobody is asked")
	resp, _ = off.visit(http.MethodGet, off.op.Issuer()+"/page.css", nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

// TestLoginPageHostile: text from the request stays text.
func TestLoginPageHostile(t *testing.T) {
	const evil = `"'><script>alert(1)</script></form>{{.}}`
	c := start(t, optest.Options{
		LoginPage: true, Scopes: []string{"openid", evil}, Users: []optest.User{{Subject: evil, Claims: map[string]any{"name": evil + "\u202e"}}},
		Clients: []optest.Client{{ID: evil, Secret: "s"}},
	})
	change := url.Values{"client_id": {evil}, "state": {evil}, "scope": {"openid " + evil}, "resource": {evil}, "login_hint": {evil}, evil: {evil}}
	resp, page := c.ask(change)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	for _, bad := range []string{"<script", "\u202e"} {
		assert.NotContains(t, page, bad)
	}
	assert.Equal(t, 2, strings.Count(page, "</form>"))
	form := fieldsOf(t, page, "login")
	for _, name := range []string{"client_id", "state", "resource", "login_hint", evil, "optest_user"} {
		assert.Equal(t, []string{evil}, form[name], name)
	}
}

// subject returns whom an ID token is about.
func (c *client) subject(a answer) string {
	c.t.Helper()
	require.Equal(c.t, 200, a.Status, a.Error)
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(a.IDToken, ".")[1])
	require.NoError(c.t, err)
	var claims struct {
		Subject string `json:"sub"`
	}
	require.NoError(c.t, json.Unmarshal(raw, &claims))
	return claims.Subject
}
