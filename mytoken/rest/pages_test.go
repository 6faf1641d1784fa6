package rest_test

import (
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/mytoken/rest"
)

// TestPagesCanBeReplaced: each file can be replaced on its own, and the others stay.
func TestPagesCanBeReplaced(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.Pages = fstest.MapFS{
			"consent.html":     {Data: []byte(`{{define "title"}}Ours{{end}}{{define "content"}}<p>{{.Application}} at {{.ProviderName}}, {{len .Capabilities}}, {{.Restrictions}}</p>{{end}}`)},
			"static/style.css": {Data: []byte(`body{color:red}`)},
			"static/logo.svg":  {Data: []byte(`<svg/>`)},
		}
	})
	consent, _ := s.startNative(m{"application_name": "<app>"})
	if page := s.browser().open(consent); !strings.Contains(page.text, "<title>Ours · mytoken</title>") || !strings.Contains(page.text, "<p>&lt;app&gt; at Example provider, 2, []</p>") {
		t.Error(page.text)
	}
	if page := s.browser().open(s.URL + "/native"); !strings.Contains(page.text, "<h1>This login is over</h1>") {
		t.Error(page.text)
	}
	for file, want := range map[string][2]string{
		"style.css": {"body{color:red}", "text/css; charset=utf-8"}, "logo.svg": {"<svg/>", "image/svg+xml"}, "ondemand.js": {"", "text/javascript; charset=utf-8"},
	} {
		r := s.do(http.MethodGet, "/static/"+file, "")
		if r.StatusCode != 200 || want[0] != "" && r.text != want[0] || r.Header.Get("Content-Type") != want[1] || r.Header.Get("Etag") == "" {
			t.Errorf("%s: %d %q %v", file, r.StatusCode, r.text, r.Header)
		}
	}
	for _, path := range []string{"/static/../pages.go", "/static/consent.html", "/static/%2e%2e/base.html", "/static/"} {
		if r := s.do(http.MethodGet, path, ""); r.StatusCode != 404 {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.text)
		}
	}
	if _, err := rest.NewHandler(s.Issuer, rest.Options{Pages: fstest.MapFS{"message.html": {Data: []byte(`{{if}}`)}}}); err == nil {
		t.Error("a broken template was accepted")
	}
}

// unreadable is a file system whose files exist and cannot be opened.
type unreadable struct{}

func (unreadable) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// TestUnreadablePage: the error says why a replaced file cannot be used. The built-in
// file does not take its place.
func TestUnreadablePage(t *testing.T) {
	_, err := rest.NewHandler(start(t).Issuer, rest.Options{Pages: unreadable{}})
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.ErrorContains(t, err, "rest: Options.Pages cannot be read: open .")
}

// TestPageThatNobodyUses: a misspelt name is found at the start. What editors and volumes of
// Kubernetes leave with a dot in front does not count.
func TestPageThatNobodyUses(t *testing.T) {
	s := start(t)
	for name, want := range map[string]string{
		"consent.html": "", "static/logo.svg": "", ".consent.html.swp": "", "..data/consent.html": "",
		"consent.htm":       "\"consent.htm\", which no page uses: the files are base.html, consent.html, ",
		"Consent.html":      "no page uses",
		"consent.html~":     "no page uses",
		"#consent.html#":    "no page uses",
		"logo.svg":          "and the folder static",
		"html/consent.html": "set Options.Pages to what fs.Sub(files, \"html\") returns",
		"static":            "static is no folder",
	} {
		_, err := rest.NewHandler(s.Issuer, rest.Options{Pages: fstest.MapFS{name: {Data: []byte(`{{define "title"}}{{end}}{{define "content"}}{{end}}`)}}})
		if want == "" {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, want, name)
		}
	}
}

// TestBrokenPage: a template that fails when it is executed is an ordinary error, and
// nothing of it is sent.
func TestBrokenPage(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.Pages = fstest.MapFS{"consent.html": {Data: []byte(`{{define "title"}}x{{end}}{{define "content"}}half {{index .Clauses 7}}{{end}}`)}}
	})
	consent, _ := s.startNative(nil)
	if page := s.browser().open(consent); page.StatusCode != 500 || strings.Contains(page.text, "half") || !strings.Contains(page.text, "Something went wrong") {
		t.Errorf("%d %s", page.StatusCode, page.text)
	}
}

// TestPagesAreAccessible checks what a machine can check; see accessible.
func TestPagesAreAccessible(t *testing.T) {
	s := start(t)
	consent, _ := s.startNative(m{"restrictions": []m{
		{"nbf": 1900000000, "exp": 1900086400, "scope": "openid compute", "audience": []string{"https://a.example"}, "usages_AT": 1},
		{"hosts": []string{"192.0.2.0/24"}, "usages_other": 2},
	}})
	for _, path := range []string{consent, s.URL + "/native", s.URL + "/none", s.URL + "/"} {
		accessible(t, s.browser().open(path))
	}
	page := s.browser().open(consent).text
	for _, want := range []string{
		`<li>From <time datetime="2030-03-17T17:46:40Z">`, `<li>Until <time datetime="2030-03-18T17:46:40Z">`,
		`<li>Only with the rights <bdi class="item">openid</bdi> and <bdi class="item">compute</bdi></li>` +
			`<li>Only for <bdi class="item">https://a.example</bdi></li><li>At most 1 access token</li>`,
		`<li>Only from <bdi class="item">192.0.2.0/24</bdi></li><li>At most 2 other uses</li>`, "It works in any of these cases:",
	} {
		assert.Contains(t, page, want)
	}
}

var (
	fieldTag   = regexp.MustCompile(`<(?:input|textarea|select)\b[^>]*>`)
	idAttr     = regexp.MustCompile(`\sid="([^"]*)"`)
	headingTag = regexp.MustCompile(`<h([1-6])\b`)
	labelledBy = regexp.MustCompile(`aria-(?:labelledby|describedby)="([^"]*)"`)
	scriptTag  = regexp.MustCompile(`<script\b[^>]*>`)
)

// accessible checks what a machine can check of a page: its language and title, one
// heading of the first level and no gap below it, unique ids, a label for each field, and
// no script or style within it.
func accessible(t *testing.T, page *reply) {
	t.Helper()
	path, text := page.Request.URL.Path, drawingTag.ReplaceAllString(page.text, "") // a drawing has a title too
	for _, want := range []string{`<html lang="en">`, `<meta name="viewport"`, "<title>", "<main ", "</main>", "<h1>", `name="color-scheme" content="light dark"`} {
		assert.Equal(t, 1, strings.Count(text, want), "%s: %s: %d times", path, want, strings.Count(text, want))
	}
	for _, bad := range []string{"<style", " style=", " onclick", "javascript:"} {
		assert.NotContains(t, page.text, bad, path)
	}
	for _, script := range scriptTag.FindAllString(text, -1) {
		assert.Contains(t, script, ` src="`, path)
	}
	ids := make(map[string]bool)
	for _, id := range idAttr.FindAllStringSubmatch(text, -1) {
		if ids[id[1]] {
			t.Errorf("%s: two elements with the id %s", path, id[1])
		}
		ids[id[1]] = true
	}
	for _, by := range labelledBy.FindAllStringSubmatch(text, -1) {
		if !ids[by[1]] {
			t.Errorf("%s: nothing has the id %s", path, by[1])
		}
	}
	for _, field := range fieldTag.FindAllString(text, -1) {
		id := idAttr.FindStringSubmatch(field)
		if !strings.Contains(field, `type="hidden"`) && (id == nil || !strings.Contains(text, `<label for="`+id[1]+`"`)) {
			t.Errorf("%s: %s has no label", path, field)
		}
	}
	last := "0"
	for _, heading := range headingTag.FindAllStringSubmatch(text, -1) {
		if heading[1] > last && heading[1][0] != last[0]+1 {
			t.Errorf("%s: a heading of level %s after one of level %s", path, heading[1], last)
		}
		last = heading[1]
	}
}

// TestConsentForm: the page works without JavaScript, with what its own form sends.
func TestConsentForm(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(m{"name": "asked", "capabilities": []string{"AT", "tokeninfo"}, "rotation": m{"on_AT": true}})
	b := s.browser()
	page := b.open(consent)
	checkStandalone(t, s.URL, page.text)
	agreed := formOf(t, page, "consent").set(t, "capabilities", "AT")
	b.login(continues(t, b.send(agreed, "decision", "approve")), "alice")
	got := s.object(s.poll(polling), 200)
	if encode(t, got["capabilities"]) != `["AT"]` || encode(t, got["rotation"]) != `{"on_AT":true}` || got["restrictions"] != nil {
		t.Errorf("%v", got)
	}
	header := []string{"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html", "Sec-Fetch-Site", "same-origin", "Origin", s.URL, "User-Agent", "Mozilla/5.0"}
	for body, status := range map[string]int{
		"decision=approve": 400, "decision=approve&capabilities=AT&restrictions=nonsense": 400, "decision=approve&capabilities=AT&rotation=7": 400, "x=%zz": 400,
	} {
		uri, _ := s.startNative(nil)
		if r := b.with(b.client, http.MethodPost, uri, body, header...); r.StatusCode != status || !strings.Contains(r.text, "<h1>") {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.text)
		}
	}
}
