package rest_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/qr"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

var shownToken = regexp.MustCompile(`<textarea[^>]* id="token"[^>]*>([^<]+)</textarea>`)

// create fills in the form for a new token and goes to the provider and back.
func (b *browser) create(change func(*form), subject string) *reply {
	b.t.Helper()
	f := formOf(b.t, b.page("/manage/create"), "create-form")
	change(f)
	return b.login(continues(b.t, b.send(f, "decision", "create")), subject)
}

// TestManageCreate: a new token is exactly what the form says, and the page shows it
// once.
func TestManageCreate(t *testing.T) {
	s := start(t)
	b := s.manager("alice")
	first := b.page("/manage/create")
	accessible(t, first)
	until := s.Clock.Now().Add(30 * 24 * time.Hour)
	f := formOf(t, first, "create-form")
	if fmt.Sprint(f.values["capabilities"]) != "[AT]" || f.values.Get("clause-1-exp") != until.UTC().Format("2006-01-02T15:04:05") {
		t.Errorf("the form begins with %v", f.values)
	}
	created := b.create(func(f *form) {
		f.set(t, "name", `<i>"job"</i>`).set(t, "capabilities", "tokeninfo:introspect", "read@settings").set(t, "clause-1-usages_other", "7").set(t, "rotation-on_other", "1")
	}, "alice")
	accessible(t, created)
	shown := shownToken.FindStringSubmatch(created.text)
	if created.StatusCode != http.StatusOK || shown == nil || created.Header.Get("Cache-Control") != "no-store" || strings.Contains(created.text, "<i>") || strings.Contains(created.text, `class="qr"`) {
		t.Fatalf("%d %s", created.StatusCode, created.text)
	}
	got := s.object(s.introspect(html.UnescapeString(shown[1])), 200)["token"].(m)
	want := fmt.Sprintf(`["<i>\"job\"</i>",["tokeninfo:introspect","read@settings"],[{"exp":%d,"usages_other":7}],{"on_other":true},"alice"]`, until.Unix())
	if text := encode(t, []any{got["name"], got["capabilities"], got["restrictions"], got["rotation"], got["oidc_sub"]}); strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	if again := b.open(created.Request.URL.String()); again.StatusCode != http.StatusOK || shownToken.MatchString(again.text) || !strings.Contains(again.text, "<h1>This token exists</h1>") {
		t.Errorf("%d %s", again.StatusCode, again.text)
	}
	if list := b.page("/manage"); !strings.Contains(list.text, "&lt;i&gt;&#34;job&#34;&lt;/i&gt;") || strings.Contains(list.text, "<i>") || strings.Contains(list.text, html.UnescapeString(shown[1])) {
		t.Error(list.text)
	}
	if log := s.Log.String(); strings.Contains(log, html.UnescapeString(shown[1])) {
		t.Error("the log holds the token")
	}
	// The session is still alice's, whoever logged in for the token.
	other := b.create(func(*form) {}, "bob")
	if !strings.Contains(other.text, "It acts for <strong><bdi>bob</bdi></strong>") || !strings.Contains(b.page("/manage").text, "<bdi>alice</bdi>") {
		t.Error(other.text)
	}
}

// TestManageTransferCode: another device can fetch a new token with a code, as text or as
// a QR code.
func TestManageTransferCode(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.Guesses.PerAddress = 1 })
	b := s.manager("alice")
	created := b.create(func(f *form) { f.set(t, "response", "transfer_code").set(t, "clauses", "0") }, "alice")
	accessible(t, created)
	code := regexp.MustCompile(`id="code" value="([^"]+)"`).FindStringSubmatch(created.text)
	if created.StatusCode != http.StatusOK || code == nil || shownToken.MatchString(created.text) || !strings.Contains(created.text, "There are no restrictions.") {
		t.Fatalf("%d %s", created.StatusCode, created.text)
	}
	drawing, err := qr.SVG(code[1])
	if err != nil || !strings.Contains(created.text, `role="img" aria-label="QR code of the transfer code">`+string(drawing)+"<") {
		t.Errorf("%v %s", err, created.text)
	}
	assert.False(t, strings.Contains(s.Log.String(), code[1]), "the log holds the code")
	// Guessing from the same address does not stop the holder of the code.
	guess := m{"grant_type": "transfer_code", "transfer_code": "abcdefghijkmno"}
	s.fails(s.post("/api/v0/token/my", guess), 401, "invalid_token", "Bad polling or transfer code")
	s.fails(s.post("/api/v0/token/my", guess), 429, "Too Many Requests", "too many failed attempts")
	redeem := m{"grant_type": "transfer_code", "transfer_code": code[1]}
	got := s.object(s.post("/api/v0/token/my", redeem), 200)
	if encode(t, got["capabilities"]) != `["AT"]` || got["restrictions"] != nil {
		t.Errorf("%v", got)
	}
	s.fails(s.post("/api/v0/token/my", redeem), 401, "invalid_token", "Bad polling or transfer code")
}

// TestManageCreateInvalid: the form comes back with a message and keeps all input. No
// token is created.
func TestManageCreateInvalid(t *testing.T) {
	s := start(t)
	b := s.manager("alice")
	for name, c := range map[string]struct {
		change  func(*form)
		problem string
	}{
		"no capability":      {func(f *form) { f.set(t, "capabilities") }, "capabilities"},
		"unknown capability": {func(f *form) { f.set(t, "capabilities", "everything") }, "capabilities"},
		"empty clause":       {func(f *form) { f.set(t, "clause-1-exp", "") }, "clause-1"},
		"no time":            {func(f *form) { f.set(t, "clause-1-exp", "soon") }, "clause-1-exp"},
		"in the past":        {func(f *form) { f.set(t, "clause-1-exp", "2020-01-01T00:00") }, "restrictions"},
		"a name too long":    {func(f *form) { f.set(t, "name", strings.Repeat("ü", 101)) }, "name"},
		"rotation":           {func(f *form) { f.set(t, "rotation-lifetime", "18446744073709551615") }, "rotation-lifetime"},
	} {
		f := formOf(t, b.page("/manage/create"), "create-form").set(t, "clause-1-scope", "kept compute").set(t, "response", "transfer_code")
		c.change(f)
		if name == "empty clause" {
			f.set(t, "clause-1-scope", "")
		}
		r := b.send(f, "decision", "create")
		accessible(t, r)
		again := formOf(t, r, "create-form")
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text, `<a href="#`+c.problem+`">`) || len(r.Cookies()) > 0 {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.text)
		}
		for _, field := range []string{"name", "clause-1-scope", "clause-1-exp", "response", "rotation-lifetime"} {
			assert.Equal(t, f.values.Get(field), again.values.Get(field), "%s: %s became %q", name, field, again.values.Get(field))
		}
	}
	// The page does not hide chosen capabilities.
	f := formOf(t, b.page("/manage/create"), "create-form")
	if open := strings.Count(f.text, "<details open>"); open != 0 {
		t.Errorf("%d open", open)
	}
	page := b.send(f.set(t, "capabilities", "read@settings:grants"), "edit", "check")
	if open := strings.Count(page.text, "<details open>"); open != 2 || fmt.Sprint(formOf(t, page, "create-form").values["capabilities"]) != "[read@settings:grants]" {
		t.Errorf("%d open in %s", open, page.text)
	}
	// Buttons add and remove clauses without a script.
	f = formOf(t, b.page("/manage/create"), "create-form").set(t, "capabilities", "settings").set(t, "name", "kept")
	f = formOf(t, b.send(f, "edit", "add"), "create-form")
	f = formOf(t, b.send(f, "edit", "remove-1"), "create-form")
	if f.values.Get("clauses") != "1" || f.values.Get("clause-1-exp") != "" || f.values.Get("name") != "kept" || fmt.Sprint(f.values["capabilities"]) != "[settings]" {
		t.Errorf("%v", f.values)
	}
	for range 40 {
		f.values.Set("edit", "add")
		f = formOf(t, b.send(f, "", ""), "create-form")
	}
	if f.values.Get("clauses") != "24" || strings.Contains(f.text, `id="add-clause"`) {
		t.Errorf("%s clauses", f.values.Get("clauses"))
	}
}

// TestManageOffersWhatIsServed: the form offers no capability that has no effect here.
func TestManageOffersWhatIsServed(t *testing.T) {
	settings := "AT create_mytoken tokeninfo tokeninfo:introspect tokeninfo:history tokeninfo:subtokens tokeninfo:tags " +
		"manage_mytokens manage_mytokens:list manage_mytokens:revoke manage_mytokens:history manage_mytokens:tags settings read@settings " +
		"settings:grants read@settings:grants"
	tags := " settings:tags read@settings:tags"
	for want, server := range map[string]rest.SSHServer{
		settings + tags: nil, settings + " settings:grants:ssh read@settings:grants:ssh" + tags: sshServer(),
	} {
		s := start(t, func(o *setup) { o.rest.SSH = server })
		var got []string
		for _, box := range regexp.MustCompile(`name="capabilities" value="([^"]+)"`).FindAllStringSubmatch(s.manager("alice").page("/manage/create").text, -1) {
			got = append(got, box[1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s", got)
		}
	}
}

// TestManageEscapes: the pages display whatever a token or a program says about itself,
// and execute none of it.
func TestManageEscapes(t *testing.T) {
	s := start(t)
	b := s.manager("alice")
	for _, text := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</textarea></svg><script>alert(1)</script>`, `' onfocus=alert(1) autofocus '`, "<!-- ", `javascript:alert(1)`} {
		token := s.child(s.issued("alice", mytoken.Properties{Name: text}), mytoken.Properties{
			Name: text, Restrictions: restriction.List{{Audiences: []string{strings.TrimSpace(text)}, UsagesAT: restriction.Usages(2)}},
		})
		s.do(http.MethodPost, "/api/v0/token/access", encode(t, m{"grant_type": "mytoken", "mytoken": token.Token.Reveal()}), "User-Agent", text)
		f := formOf(t, b.page("/manage/create"), "create-form").set(t, "clause-1-exp", text).set(t, "name", text).set(t, "clause-1-audience", text).set(t, "lifetime", text).set(t, "clause-1-hosts", text)
		for _, page := range []*reply{
			b.page("/manage"), b.page("/manage?search=" + html.EscapeString(strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22", " ", "%20", "/", "%2F", "'", "%27").Replace(text))),
			b.page("/manage/token" + queryID(token.ID)), b.page("/manage/revoke" + queryID(token.ID)), b.send(f, "decision", "create"), b.send(f, "edit", "add"),
		} {
			plain := drawingTag.ReplaceAllString(page.text, "")
			if strings.Contains(page.text, "<script>") || strings.Contains(page.text, "<img") || strings.Contains(page.text, "<!-- ") || strings.Contains(page.text, "' onfocus") ||
				strings.Contains(page.text, `href="javascript:`) || strings.Contains(plain, "</svg>") || strings.Count(page.text, "<textarea") != strings.Count(page.text, "</textarea>") {
				t.Errorf("%s: %s", text, page.text)
			}
		}
	}
}

// TestManageHeaders: the pages are private, cannot be framed, and are not cached.
func TestManageHeaders(t *testing.T) {
	s := start(t)
	b := s.manager("alice")
	token := s.issued("alice", mytoken.Properties{})
	for _, page := range []*reply{
		b.page("/manage"), b.page("/manage/create"), b.page("/manage/token" + queryID(token.ID)), b.page("/manage/revoke" + queryID(token.ID)), b.page("/manage/login"),
		s.browser().click(s.URL + "/manage"), b.click(s.URL + "/manage/token?id=x"), b.create(func(*form) {}, "alice"),
	} {
		h := page.Header
		csp := h.Get("Content-Security-Policy")
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" || h.Get("Access-Control-Allow-Origin") != "" || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %v", page.Request.URL.Path, h)
		}
	}
}

// TestManageRotation: if a policy makes all tokens rotate, the session goes on with the
// new token, even after a page with an error.
func TestManageRotation(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Policy = func(_ context.Context, i *issuer.Issuance) error {
				i.Properties.Rotation = &mytoken.Rotation{OnOther: true, AutoRevoke: true}
				return nil
			}
		}
	})
	b := s.manager("alice")
	token := s.issued("alice", mytoken.Properties{})
	for range 2 {
		s.Clock.Advance(time.Hour) // no grace for what was replaced
		b.page("/manage")
		b.page("/manage/token" + queryID(token.ID))
		s.Clock.Advance(time.Hour)
		if r := b.click(b.URL + "/manage/token" + queryID(mytoken.JTI{1}.TokenID())); r.StatusCode != http.StatusNotFound {
			t.Errorf("%d %s", r.StatusCode, r.text)
		}
	}
	ask := formOf(t, b.page("/manage/revoke"+queryID(token.ID)), "revoke-form")
	s.Clock.Advance(time.Hour)
	if r := b.send(ask, "", ""); r.StatusCode != http.StatusSeeOther || s.live(token) {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	s.Clock.Advance(time.Hour)
	b.page("/manage/create")
	b.page("/manage")
}

// TestManageUnderAPath: everything works below the path of the issuer URL.
func TestManageUnderAPath(t *testing.T) {
	s := start(t, func(o *setup) { o.prefix = "/tokens" })
	b := s.manager("alice")
	token := s.issued("alice", mytoken.Properties{Name: "one"})
	r := b.send(formOf(t, b.page("/manage/revoke"+queryID(token.ID)), "revoke-form"), "", "")
	if r.Header.Get("Location") != "/tokens/manage?done=revoked" || s.live(token) {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	if r := b.create(func(*form) {}, "alice"); !shownToken.MatchString(r.text) {
		t.Error(r.text)
	}
	if r := b.send(formOf(t, b.page("/manage"), "logout-form"), "", ""); r.Header.Get("Location") != "/tokens/home" || len(r.Cookies()) != 1 || r.Cookies()[0].Path != "/tokens/manage" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}

// TestManagePagesCanBeReplaced: each page on its own, and what several pages share.
func TestManagePagesCanBeReplaced(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.Pages = fstest.MapFS{
			"tokens.html": {Data: []byte(`{{define "title"}}Ours{{end}}{{define "content"}}<h1>Your tokens</h1><p><bdi>{{.User.Subject}}</bdi> {{range .Roots}}[{{.Name}}]{{end}}</p>{{end}}`)},
			"login.html":  {Data: []byte(`{{define "title"}}x{{end}}{{define "content"}}<form id="login" method="post" action="{{.Base}}/manage/login">{{range .Providers}}<button name="provider" value="{{.Issuer}}">{{end}}</form>{{end}}`)},
		}
	})
	b := s.manager("alice")
	if page := b.page("/manage"); !strings.Contains(page.text, "<title>Ours · mytoken</title>") || !strings.Contains(page.text, "[mytoken-web]") {
		t.Error(page.text)
	}
	accessible(t, b.page("/manage/create"))
}

// TestManageManyTokens: the length of a page is limited. A search finds the other tokens.
// Revoked tokens take no place of live ones.
func TestManageManyTokens(t *testing.T) {
	s := start(t)
	root := s.issued("alice", mytoken.Properties{Name: "root"})
	for n := range 510 {
		s.child(root, mytoken.Properties{Name: fmt.Sprintf("child-%d", n), Capabilities: capability.Set{capability.AT}})
	}
	b := s.manager("alice")
	list := b.page("/manage")
	if n := strings.Count(list.text, `<article class="card">`); n != 500 || !strings.Contains(list.text, "There are more tokens than are shown") {
		t.Errorf("%d tokens", n)
	}
	if found := b.page("/manage?search=child-509"); !strings.Contains(found.text, "<bdi>child-509</bdi>") || strings.Contains(found.text, "There are more") {
		t.Error(found.text)
	}
	if r := s.post("/api/v0/token/revoke", m{"token": root.Token.Reveal(), "recursive": true}); r.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", r.StatusCode, r.text)
	}
	s.issued("alice", mytoken.Properties{Name: "newest"})
	list = b.page("/manage")
	if !strings.Contains(list.text, "<bdi>newest</bdi>") || strings.Contains(list.text, "<bdi>child-1</bdi>") || !strings.Contains(list.text, "There are more tokens than are shown") {
		t.Error("a live token is missing, or a revoked one takes its place")
	}
	if found := b.page("/manage?search=child-509"); !strings.Contains(found.text, "<bdi>child-509</bdi>") || !strings.Contains(found.text, ">revoked<") {
		t.Error(found.text)
	}
}
