package rest_test

import (
	"errors"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
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
	if page := s.browser().open(consent); !strings.Contains(page.text, "<title>Ours</title>") || !strings.Contains(page.text, "<p>&lt;app&gt; at Example provider, 2, []</p>") {
		t.Error(page.text)
	}
	if page := s.browser().open(s.URL + "/native"); !strings.Contains(page.text, "<h1>Done</h1>") {
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
		"<li>from 17 March 2030 17:46 UTC</li><li>until 18 March 2030 17:46 UTC</li><li>only with the scopes openid, compute</li>" +
			"<li>only for https://a.example</li><li>at most 1 access token</li>",
		"<li>only from 192.0.2.0/24</li><li>at most 2 other uses</li>", "Any one of these 2 clauses has to be met",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
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
		if strings.Count(text, want) != 1 {
			t.Errorf("%s: %s: %d times", path, want, strings.Count(text, want))
		}
	}
	for _, bad := range []string{"<style", " style=", " onclick", "javascript:"} {
		if strings.Contains(page.text, bad) {
			t.Errorf("%s: %s in %s", path, bad, page.text)
		}
	}
	for _, script := range scriptTag.FindAllString(text, -1) {
		if !strings.Contains(script, ` src="`) {
			t.Errorf("%s: %s", path, script)
		}
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

// TestOptions: NewHandler refuses options that make no sense.
func TestOptions(t *testing.T) {
	s := start(t)
	for name, o := range map[string]rest.Options{
		"proxy header":     {ProxyHeader: "X-Real-IP"},
		"proxy":            {TrustedProxies: []netip.Prefix{{}}},
		"action":           {TokeninfoActions: []string{"notifications"}},
		"client":           {Clients: []rest.Client{{ID: "x", Secret: mytoken.NewSecret("short")}}},
		"client id":        {Clients: []rest.Client{{ID: "x:y", Secret: mytoken.NewSecret("0123456789abcdef")}}},
		"redirect":         {RedirectURIs: []string{"("}},
		"empty redirect":   {RedirectURIs: []string{""}},
		"trusted redirect": {TrustedRedirectURIs: []string{"["}},
		"body":             {MaxBody: -1},
		"time":             {RequestTimeout: -time.Second},
		"guesses":          {Guesses: rest.GuessLimits{PerAddress: -1}},
	} {
		if _, err := rest.NewHandler(s.Issuer, o); !errors.Is(err, rest.ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rest.NewHandler(nil, rest.Options{}); !errors.Is(err, rest.ErrOptions) {
		t.Errorf("no issuer: %v", err)
	}
}

// badge is a condition of an embedding program.
type badge struct{ want string }

func (b badge) Check(r *restriction.Request) error {
	if r.Values["badge"] == b.want {
		return nil
	}
	return errors.New("needs a badge")
}

func (b badge) Within(parent restriction.Condition) bool { return parent == restriction.Condition(b) }

// TestOwnConditions: facts about a request reach the embedding program's own
// restrictions, and its key works like any other.
func TestOwnConditions(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Restrictions.Conditions = map[string]restriction.Factory{"badge": func(value []byte) (restriction.Condition, error) {
				var b badge
				err := json.Unmarshal(value, &b.want)
				return b, err
			}}
		}
		o.rest.Values = func(r *http.Request) map[string]any { return map[string]any{"badge": r.Header.Get("X-Badge")} }
	})
	token, err := s.Login(t.Context(), "alice", mytoken.Properties{Capabilities: everything})
	if err != nil {
		t.Fatal(err)
	}
	child := s.object(s.derive(token.Token.Reveal(), m{"restrictions": []m{{"badge": "blue"}}}), 200)
	s.object(s.access(child["mytoken"], nil, "X-Badge", "blue"), 200)
	s.refusedBy(s.access(child["mytoken"], nil, "X-Badge", "red"), "badge")
	got := s.object(s.introspect(child["mytoken"], "X-Badge", "blue"), 200)["token"].(m)
	if encode(t, got["restrictions"]) != `[{"badge":"blue","usages_AT_done":1,"usages_other_done":0}]` {
		t.Errorf("%v", got["restrictions"])
	}
	doc := s.object(s.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200)
	if !strings.Contains(encode(t, doc["restriction_claims_supported"]), `"badge"`) {
		t.Errorf("%v", doc)
	}
}
