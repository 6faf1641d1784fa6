package rest_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// recorded is when the client's requests were recorded. They hold absolute times.
var recorded = time.Unix(1795464992, 0)

// TestCommandLineClient sends what the public client sent, byte for byte, and reads the
// responses as the client does.
func TestCommandLineClient(t *testing.T) {
	s := start(t, func(o *setup) { o.Clock = mytokentest.NewClock(recorded) })
	text, err := os.ReadFile("testdata/clients/cli.txtar")
	require.NoError(t, err)
	names := map[string]string{"host": strings.TrimPrefix(s.URL, "http://"), "op": s.Provider.Issuer()}
	var token string
	for _, f := range parseArchive(string(text)).files {
		r := s.raw(f, names)
		var body m
		if r.text != "" {
			if err := json.Unmarshal([]byte(r.text), &body); err != nil {
				t.Fatalf("%s: the client cannot decode %q", f.name, r.text)
			}
		}
		switch name, _, _ := strings.Cut(f.name, " newline"); name {
		case "cli-01-mt-oidc 3":
			names["consent"] = strings.TrimPrefix(body["consent_uri"].(string), s.URL+"/c/")
			names["polling"] = body["polling_code"].(string)
			if body["expires_in"].(float64) <= 0 || body["interval"].(float64) < 1 || body["interval"].(float64) > 15 {
				t.Fatalf("%s: the client fails with %s", f.name, r.text)
			}
		case "cli-01-mt-oidc 4":
			back, err := optest.Login(t.Context(), body["authorization_uri"].(string), "user-1")
			if err != nil || r.StatusCode != 278 {
				t.Fatalf("%s: %d, %v", f.name, r.StatusCode, err)
			}
			u, err := url.Parse(back)
			require.NoError(t, err)
			names["back"] = u.RequestURI()
			names["cookie"] = r.Cookies()[0].Name + "=" + r.Cookies()[0].Value
		case "cli-01-mt-oidc 5":
			// A browser follows to the clean address, with the cookies.
			cookies := names["cookie"] + "; " + r.Cookies()[0].Name + "=" + r.Cookies()[0].Value
			done := s.do(http.MethodGet, r.Header.Get("Location"), "", "Cookie", cookies)
			if r.StatusCode != http.StatusSeeOther || done.StatusCode != http.StatusSeeOther || !strings.HasPrefix(done.Header.Get("Location"), "/native?login=") {
				t.Fatalf("%s: %d %v, %d %v", f.name, r.StatusCode, r.Header, done.StatusCode, done.Header)
			}
		case "cli-01-mt-oidc 6":
			token = body["mytoken"].(string)
			names["token"] = token
		case "cli-05-subtoken 18":
			if body["mytoken"] == "" || encode(t, body["restrictions"]) != `[{"exp":1795468597,"usages_AT":3}]` || encode(t, body["capabilities"]) != `["AT"]` {
				t.Fatalf("%s: %s", f.name, r.text)
			}
		case "cli-07-transfercode 24":
			names["transfer"] = body["transfer_code"].(string)
		case "cli-08-tc-exchange 27":
			if body["mytoken"] == "" || body["mytoken_type"] != "token" {
				t.Fatalf("%s: %s", f.name, r.text)
			}
		case "cli-11-revoke 36":
			if r.StatusCode != http.StatusNoContent || r.text != "" {
				t.Fatalf("%s: %d %q", f.name, r.StatusCode, r.text)
			}
		case "cli-12-at-revoked 39":
			if r.StatusCode != http.StatusUnauthorized || r.text != `{"error":"invalid_token"}` {
				t.Fatalf("%s: %d %q", f.name, r.StatusCode, r.text)
			}
			continue
		}
		if r.StatusCode >= 400 {
			t.Fatalf("%s: %d %s", f.name, r.StatusCode, r.text)
		}
		if settings, ok := body["grant_type_endpoint"].(string); ok && settings == "" {
			t.Fatalf("%s: the client crashes without grant_type_endpoint", f.name)
		}
	}
	if token == "" {
		t.Fatal("no token")
	}
}

// raw writes a request to a connection exactly as the file has it.
func (s *service) raw(f archived, names map[string]string) *reply {
	s.t.Helper()
	text := f.data
	for name, value := range names {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimRight(body, "\n")
	if strings.HasSuffix(f.name, " newline") {
		body += "\n"
	}
	head = strings.ReplaceAll(head, "{length}", fmt.Sprint(len(body)))
	conn, err := net.Dial("tcp", names["host"])
	require.NoError(s.t, err)
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"+body); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(s.t, err, f.name)
	defer resp.Body.Close()
	if len(resp.TransferEncoding) > 0 {
		s.t.Errorf("%s: transfer encoding %q", f.name, resp.TransferEncoding)
	}
	data, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return &reply{resp, string(data)}
}

// agent does what oidc-agent does (protocol sections 6.1, 6.3, 6.4, 6.8 and 11).
type agent struct {
	*service
	config m
}

func (a *agent) discover() {
	a.t.Helper()
	a.config = a.object(a.do(http.MethodGet, "/.well-known/openid-configuration", "", "Accept", "application/json"), http.StatusOK)
	for _, field := range []string{"issuer", "token_endpoint", "mytoken_endpoint", "revocation_endpoint"} {
		if text, _ := a.config[field].(string); text == "" {
			a.t.Fatalf("no %s", field)
		}
	}
	if strings.TrimSuffix(a.config["issuer"].(string), "/") != strings.TrimSuffix(a.URL, "/") {
		a.t.Fatalf("issuer %v", a.config["issuer"])
	}
	if a.config["providers_supported"].([]any)[0].(m)["issuer"] != a.Provider.Issuer() || len(a.config["mytoken_endpoint_grant_types_supported"].([]any)) == 0 {
		a.t.Fatalf("%v", a.config)
	}
}

func (a *agent) endpoint(name string) string { return a.config[name].(string) }

func (a *agent) json(address string, body m) *reply {
	a.t.Helper()
	return a.do(http.MethodPost, address, encode(a.t, body), "Accept", "application/json")
}

func (a *agent) refresh(token, scope string, resources ...string) m {
	a.t.Helper()
	values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {scope}, "resource": resources, "client_id": {"x"}}
	return a.object(a.form(a.endpoint("token_endpoint"), values, "Authorization", "Basic eDo="), http.StatusOK)
}

// TestOIDCAgent goes through everything that oidc-agent relies on.
func TestOIDCAgent(t *testing.T) {
	s := start(t)
	a := &agent{service: s}
	a.discover()
	got := a.object(a.json(a.endpoint("mytoken_endpoint"), m{
		"include": "agent", "oidc_issuer": s.Provider.Issuer(), "grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "native",
		"application_name": "oidc-agent", "name": "mytoken for account", "response_type": "token", "rotation": m{"on_AT": true, "auto_revoke": true},
	}), http.StatusOK)
	device, code := got["consent_uri"].(string), got["polling_code"].(string)
	poll := func() *reply { // the document is read again before each poll
		a.discover()
		return a.json(a.endpoint("mytoken_endpoint"), m{"grant_type": "polling_code", "polling_code": code})
	}
	for range 3 {
		s.fails(poll(), 428, "authorization_pending", "")
	}
	b := s.browser()
	b.login(b.approve(device, m{"oidc_issuer": s.Provider.Issuer(), "rotation": m{"on_AT": true, "auto_revoke": true}}), "alice")
	token := s.object(poll(), http.StatusOK)["mytoken"].(string)

	// Access tokens, with rotation: the agent keeps the refresh_token of the response.
	for range 3 {
		at := a.refresh(token, "openid", "https://a.example", "https://b.example")
		if at["access_token"] == "" || at["expires_in"].(float64) <= 0 || encode(t, at["audience"]) != `["https://a.example","https://b.example"]` {
			t.Fatalf("%v", at)
		}
		next, _ := at["refresh_token"].(string)
		if next == "" || next == token {
			t.Fatal("the agent would keep an outdated token (D44)")
		}
		token = next
	}

	a.onDemand(token)

	// Revocation: an empty response is success.
	for _, values := range []url.Values{
		{"token_type_hint": {"refresh_token"}, "token": {token}}, {"token_type_hint": {"refresh_token"}, "token": {token}, "client_id": {"x"}},
	} {
		if r := a.form(a.endpoint("revocation_endpoint"), values); r.StatusCode/100 != 2 || r.text != "" {
			t.Fatalf("%d %q", r.StatusCode, r.text)
		}
	}
}

// onDemand shows a consent page in a local web view, and requests the token that the user
// agreed to.
func (a *agent) onDemand(token string) {
	a.t.Helper()
	request := m{
		"include": "web-default", "oidc_issuer": a.Provider.Issuer(), "grant_type": "mytoken", "mytoken": token,
		"name": `mytoken {{requested}} by "</textarea><script>x"`, "rotation": m{"on_AT": true},
	}
	page := a.json(strings.TrimSuffix(a.config["issuer"].(string), "/")+"/c", request)
	if page.StatusCode != http.StatusOK || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		a.t.Fatalf("%d %s", page.StatusCode, page.text)
	}
	if strings.Count(page.text, `<div class="footer"`) != 1 {
		a.t.Error("the agent finds no place for its bar")
	}
	if strings.Contains(page.text, "{{") || strings.Contains(page.text, "}}") {
		a.t.Error("the agent's template engine finds braces")
	}
	form := checkStandalone(a.t, a.URL, page.text)
	for _, loads := range []string{"<link", "<img", " src="} { // the window may not trust the service's certificate
		assert.NotContains(a.t, page.text, loads)
	}
	for _, element := range []string{"style", "script"} {
		held := regexp.MustCompile("(?s)<"+element+"[^>]*>(.*?)</"+element+">").FindAllStringSubmatch(page.text, -1)
		if assert.Len(a.t, held, 1, element) {
			sum := sha256.Sum256([]byte(held[0][1]))
			assert.Regexp(a.t, element+`-src [^;]*'sha256-`+regexp.QuoteMeta(base64.StdEncoding.EncodeToString(sum[:]))+`'`, page.Header.Get("Content-Security-Policy"))
		}
	}
	assert.NotContains(a.t, page.Header.Get("Content-Security-Policy"), "unsafe")
	assert.NotContains(a.t, page.text, "does not say its name", "the name of the token is all that the agent says")
	assert.Contains(a.t, page.text, "<h1><bdi>mytoken {&#123;requested}&#125; by ")
	assert.NotContains(a.t, page.text, "Where you log in", "no login follows")
	if form["name"] != request["name"] || form["restrictions"] == "" || !strings.Contains(form["rotation"], `{"on_AT":true,"auto_revoke":true}`) {
		a.t.Errorf("%q", form)
	}
	for _, want := range []string{"window.approve(", "window.cancel("} {
		assert.Contains(a.t, page.text, want)
	}
	for _, bad := range []string{"function approve", "function cancel", "approve =", "cancel ="} {
		if strings.Contains(page.text, bad) {
			a.t.Errorf("the page defines %q itself", bad)
		}
	}

	// The arguments of approve(), and what the agent adds.
	child := a.object(a.json(a.endpoint("mytoken_endpoint"), m{
		"oidc_issuer": a.Provider.Issuer(), "name": "x", "capabilities": []string{"AT"}, "restrictions": json.RawMessage(form["restrictions"]),
		"grant_type": "mytoken", "mytoken": token,
	}), http.StatusOK)
	if child["mytoken"] == "" || child["expires_in"] == nil || child["restrictions"] == nil || child["capabilities"] == nil {
		a.t.Errorf("%v", child)
	}

	// Errors are JSON objects.
	delete(request, "mytoken")
	bad := a.do(http.MethodPost, "/c", encode(a.t, request), "Accept", "text/html")
	a.fails(bad, 401, "invalid_token", "no mytoken found in request")
	request["mytoken"] = token + "x"
	a.fails(a.json(a.URL+"/c", request), 401, "invalid_token", "token not valid")
	request["mytoken"], request["oidc_issuer"] = token, "https://other.example"
	a.fails(a.json(a.URL+"/c", request), 400, "invalid_request", "token not for specified issuer")
}

var (
	addressAttr = regexp.MustCompile(`\s(src|href|action)="([^"]*)"`)
	inputTag    = regexp.MustCompile(`<input[^>]* name="([^"]*)" value="([^"]*)"`)
	textareaTag = regexp.MustCompile(`(?s)<textarea[^>]* name="([^"]*)"[^>]*>(.*?)</textarea>`)
)

// checkStandalone checks that every address in a page is absolute, and returns the values
// of its form.
func checkStandalone(t testing.TB, base, text string) map[string]string {
	t.Helper()
	for _, found := range addressAttr.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(found[2], base+"/") {
			t.Errorf("%s %q is not absolute", found[1], found[2])
		}
	}
	values := make(map[string]string)
	for _, re := range []*regexp.Regexp{inputTag, textareaTag} {
		for _, found := range re.FindAllStringSubmatch(text, -1) {
			values[found[1]] = html.UnescapeString(found[2])
		}
	}
	return values
}
