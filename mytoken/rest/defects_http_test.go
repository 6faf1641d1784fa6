package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

// TestD63_Resource: resource is an alias of audience that may be repeated, in both
// formats.
func TestD63_Resource(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{})
	want := `["https://a.example","https://b.example"]`
	for name, r := range map[string]*reply{
		"form":  s.form("/api/v0/token/access", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "resource": {"https://a.example", "https://b.example"}}),
		"array": s.access(token, m{"resource": []string{"https://a.example", "https://b.example"}}),
		"both":  s.access(token, m{"resource": "https://b.example", "audience": "https://a.example"}),
	} {
		if got := s.object(r, 200); encode(t, got["audience"]) != want {
			t.Errorf("%s: %v", name, got["audience"])
		}
	}
}

// TestD78_TemplatesAreNotWritten: nobody can write templates, with any password.
func TestD78_TemplatesAreNotWritten(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/api/v0/pt/profiles", "/api/v0/pt/_/profiles", "/api/v0/pt/_/restrictions/x", "/api/v0/pt/evil/capabilities"} {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			for _, password := range []string{"", "Basic Xzo=", "Basic OnB3", "Basic ZXZpbDo="} {
				s.fails(s.do(method, path, `{"name":"agent","payload":{}}`, "Authorization", password), 501, "not_yet_implemented", "writing templates is not available on this server")
			}
		}
	}
	got := s.do(http.MethodGet, "/api/v0/pt/profiles", "")
	assert.Contains(t, got.text, `"agent"`)
}

// TestD79_D80_D81_Includes: an include that cannot be expanded refuses the request. It
// never gives a child more than was asked for. // proves P1
func TestD79_D80_D81_Includes(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.Templates = fstest.MapFS{
			"restrictions/two.json":   {Data: []byte(`[{"scope":"openid"},{"scope":"compute"}]`)},
			"rotation/on.json":        {Data: []byte(`{"on_AT":true}`)},
			"profiles/rotating.json":  {Data: []byte(`{"rotation":"on"}`)},
			"profiles/weak.json":      {Data: []byte(`{"capabilities":["AT"],"restrictions":[{"usages_AT":1}]}`)},
			"lab/profiles/small.json": {Data: []byte(`{"include":"weak","name":"small","rotation":{"on_AT":true}}`)},
		}
	})
	parent := s.token(mytoken.Properties{})
	for _, bad := range []m{
		{"include": "nobody"}, {"include": []string{"weak", "nobody"}}, {"include": 7}, {"include": m{}},
		{"include": "rotating", "rotation": m{"on_other": true}},
		{"restrictions": "nobody"}, {"restrictions": []any{"1d", "nobody"}}, {"restrictions": []m{{"include": "nobody"}}},
		{"restrictions": []m{{"exp": 4102444800, "include": "two"}}}, {"restrictions": "1d two"}, {"restrictions": ""}, {"restrictions": true},
		{"capabilities": "@nobody"}, {"capabilities": ""}, {"rotation": "nobody"}, {"rotation": ""},
	} {
		r := s.derive(parent, bad)
		if r.StatusCode != 400 || s.object(r, 400)["error"] != "invalid_request" {
			t.Errorf("%v: %d %s", bad, r.StatusCode, r.text)
		}
		bad["oidc_issuer"] = s.Provider.Issuer()
		bad["mytoken"] = parent
		if r := s.post("/c", bad); r.StatusCode != 400 {
			t.Errorf("on demand, %v: %d %s", bad, r.StatusCode, r.text)
		}
	}
	if n := len(s.object(s.info("subtokens", parent, nil), 200)["mytokens"].(m)); n != 1 {
		t.Error("a child was made")
	}
	for _, c := range []struct {
		ask  m
		want string // restrictions, capabilities, rotation
	}{
		{m{"include": "weak"}, `[[{"usages_AT":1}],["AT"],null]`},
		{m{"include": "lab/small", "capabilities": "tokeninfo"}, `[[{"usages_AT":1}],["tokeninfo"],{"on_AT":true}]`},
		{m{"include": "weak", "restrictions": []any{"two"}}, `[[{"scope":"openid"},{"scope":"compute"},{"usages_AT":1}],["AT"],null]`},
		{m{"restrictions": "12h ip-this"}, encode(t, []any{[]m{{"exp": s.Clock.Now().Unix() + 43200, "hosts": []string{"127.0.0.1"}}}, everything, nil})},
	} {
		got := s.object(s.derive(parent, c.ask), 200)
		if text := encode(t, []any{got["restrictions"], got["capabilities"], got["rotation"]}); text != c.want {
			t.Errorf("%v:\n%s, want\n%s", c.ask, text, c.want)
		}
	}
	for name, files := range map[string]fstest.MapFS{
		"cycle":              {"rotation/a.json": {Data: []byte(`{"include":"b"}`)}, "rotation/b.json": {Data: []byte(`{"include":"a"}`)}},
		"unknown key":        {"restrictions/a.json": {Data: []byte(`{"hosst":["192.0.2.1"]}`)}},
		"unknown capability": {"capabilities/a.json": {Data: []byte(`["everything"]`)}},
		"unknown rotation":   {"rotation/a.json": {Data: []byte(`{"on_at":true}`)}},
		"bad host":           {"restrictions/a.json": {Data: []byte(`{"hosts":["*x"]}`)}},
	} {
		if _, err := rest.NewHandler(s.Issuer, rest.Options{Templates: files}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestD85_LongTexts: long names are refused. Long texts that are only recorded are cut.
func TestD85_LongTexts(t *testing.T) {
	s := start(t)
	parent := s.token(mytoken.Properties{})
	s.fails(s.derive(parent, m{"name": strings.Repeat("ü", 101)}), 400, "invalid_request", "name: longer than 100 characters")
	s.object(s.derive(parent, m{"name": strings.Repeat("ü", 100)}), 200)
	s.object(s.access(parent, m{"comment": strings.Repeat("x", 5000)}, "User-Agent", strings.Repeat("y", 5000)), 200)
	for _, e := range s.object(s.info("event_history", parent, nil), 200)["events"].([]any) {
		if e := e.(m); len(encode(t, e)) > 800 {
			t.Errorf("%v", e)
		}
	}
}

// TestD86_DiscoveryIsShared: many clients read the document while keys change. It lists
// only what is served, and the endpoints without which public clients crash.
func TestD86_DiscoveryIsShared(t *testing.T) {
	s := start(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			key, err := mytoken.GenerateKey(mytoken.ES256)
			if err == nil {
				err = s.Issuer.Keys().Activate(key)
			}
			assert.NoError(t, err)
		}
	}()
	if got := inParallel(40, func(int) *reply { return s.do(http.MethodGet, "/.well-known/openid-configuration", "") }); got[200] != 40 {
		t.Errorf("%v", got)
	}
	<-done
	for _, path := range []string{"/.well-known/mytoken-configuration", "/.well-known/oauth-authorization-server", "/api/v0/settings"} {
		for name, value := range s.object(s.do(http.MethodGet, path, ""), 200) {
			address, ok := value.(string)
			if !ok || !strings.HasPrefix(address, s.URL+"/") {
				continue
			}
			for _, method := range []string{"GET", "POST"} {
				crash := slices.Contains([]string{"email_endpoint", "notifications_endpoint"}, name)
				if r := s.do(method, address, ""); r.StatusCode == 404 || !crash && r.StatusCode == 501 {
					t.Errorf("%s: %s %s is advertised and answers %d", name, method, address, r.StatusCode)
				}
			}
		}
	}
}

// brokenStore fails in the middle of a request, with an error text that no client may
// see.
type brokenStore struct {
	store.Store
	broken bool
}

var errBroken = errors.New(`pq: password authentication failed for user "mytoken" with hunter2`)

func (b *brokenStore) Lookup(ctx context.Context, p store.Presented, now store.Micros) (store.State, error) {
	if b.broken {
		return store.State{}, errBroken
	}
	return b.Store.Lookup(ctx, p, now)
}

func (b *brokenStore) Spend(ctx context.Context, p store.Presented, u store.Use) (store.Spent, error) {
	if b.broken {
		return store.Spent{}, errBroken
	}
	return b.Store.Spend(ctx, p, u)
}

func (b *brokenStore) Refund(ctx context.Context, id store.UseID, now store.Micros) error {
	if b.broken {
		return errBroken
	}
	return b.Store.Refund(ctx, id, now)
}

// TestD87_InternalErrors: the client gets a number, and the log has the reason under the
// same number. Neither gets a secret. The same holds for panics. // proves P9
func TestD87_InternalErrors(t *testing.T) {
	broken := &brokenStore{Store: memstore.New()}
	s := start(t, func(o *setup) {
		o.Store = broken
		o.Config = func(c *issuer.Config) {
			c.Policy = func(_ context.Context, i *issuer.Issuance) error {
				if i.Properties.Name == "panic" {
					panic("hunter3")
				}
				return nil
			}
		}
	})
	token := s.token(mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(9)}}})
	panicked := s.derive(token, m{"name": "panic"})
	broken.broken = true
	for _, r := range []*reply{s.access(token, nil), panicked} {
		got := s.object(r, 500)
		text := got["error_description"].(string)
		id := r.Header.Get("X-Request-Id")
		if got["error"] != "internal_server_error" || text != "request "+id || !regexp.MustCompile(`^[0-9a-f]{24}$`).MatchString(id) || len(got) != 2 {
			t.Errorf("%v", got)
		}
		var found bool
		for line := range strings.Lines(s.Log.String()) {
			var entry m
			require.NoError(t, json.Unmarshal([]byte(line), &entry))
			if entry["request"] == id {
				found = entry["level"] == "ERROR" && entry["status"] == 500.0 && (strings.Contains(line, "hunter2") || strings.Contains(line, "hunter3") && entry["stack"] != nil)
			}
		}
		if !found {
			t.Errorf("no reason in the log for %s", id)
		}
	}
	assert.False(t, strings.Contains(s.Log.String(), token), "the log holds the token")
	page := s.browser().open(s.URL + "/c/abcdefghijkmno")
	assert.Equal(t, 404, page.StatusCode)
}

// TestD88_D89_Headers: no cache keeps a response with a token, and empty responses are
// empty.
func TestD88_D89_Headers(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{})
	for _, r := range []*reply{
		s.access(token, nil), s.derive(token, nil), s.introspect(token), s.post("/api/v0/token/transfer", m{"mytoken": token}),
		s.do(http.MethodGet, "/api/v0/settings", ""), s.do(http.MethodGet, "/native", ""), s.do(http.MethodGet, "/api/v0/none", ""),
	} {
		if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", r.Request.URL.Path, r.Header)
		}
	}
	for _, r := range []*reply{
		s.post("/api/v0/settings/grants", m{"grant_type": "ssh", "mytoken": token}), s.form("/oauth/revoke", url.Values{"token": {"x"}}),
	} {
		if r.text != "" || r.Header.Get("Content-Length") != "0" || r.Header.Get("Content-Type") != "" || len(r.TransferEncoding) > 0 {
			t.Errorf("%s: %q %v", r.Request.URL.Path, r.text, r.Header)
		}
	}
	if r := s.post("/api/v0/token/revoke", m{"token": token}); r.StatusCode != 204 || r.text != "" || len(r.TransferEncoding) > 0 {
		t.Errorf("%d %q", r.StatusCode, r.text)
	}
	head := s.do(http.MethodHead, "/api/v0/settings", "")
	if head.StatusCode != 200 || head.text != "" || head.ContentLength <= 0 {
		t.Errorf("HEAD: %d %q %d", head.StatusCode, head.text, head.ContentLength)
	}
}

// TestD99_D101_Formats: absent values have their usual meaning. All endpoints take JSON
// and forms, with names in any case.
func TestD99_D101_Formats(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{})
	multipart := "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nmytoken\r\n--b\r\nContent-Disposition: form-data; name=\"mytoken\"\r\n\r\n" + token + "\r\n--b--\r\n"
	for name, r := range map[string]*reply{
		"empty lists":      s.post("/api/v0/token/my", m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer(), "capabilities": []string{}, "restrictions": []m{}}),
		"no flow":          s.post("/api/v0/token/my", m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer()}),
		"trailing slash":   s.post("/api/v0/token/my", m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer() + "/"}),
		"no action":        s.post("/api/v0/tokeninfo", m{"mytoken": token}),
		"form at my":       s.form("/api/v0/token/my", url.Values{"grant_type": {"oidc_flow"}, "oidc_issuer": {s.Provider.Issuer()}, "restrictions": {"1d"}, "capabilities": {"AT tokeninfo"}}),
		"form at info":     s.form("/api/v0/tokeninfo", url.Values{"action": {"event_history"}, "mytoken": {token}, "mom_ids": {"this", "children"}}),
		"form at transfer": s.form("/api/v0/token/transfer", url.Values{"mytoken": {token}}),
		"form at c":        s.form("/c", url.Values{"mytoken": {token}, "oidc_issuer": {s.Provider.Issuer()}, "include": {"web-default"}}),
		"any case":         s.post("/api/v0/token/access", m{"Grant_Type": "mytoken", "MYTOKEN": token, "unknown": m{}}),
		"no content type":  s.do(http.MethodPost, "/api/v0/token/access", `{"grant_type":"mytoken","mytoken":"`+token+`"}`, "Content-Type", ""),
		"odd content type": s.do(http.MethodPost, "/api/v0/token/access", `{"grant_type":"mytoken","mytoken":"`+token+`"}`, "Content-Type", "text/plain"),
		"multipart":        s.do(http.MethodPost, "/api/v0/token/access", multipart, "Content-Type", "multipart/form-data; boundary=b"),
	} {
		assert.Equal(t, 200, r.StatusCode, "%s: %d %s", name, r.StatusCode, r.text)
	}
	file := strings.Replace(multipart, `name="mytoken"`, `name="mytoken"; filename="x"`, 1)
	s.fails(s.do(http.MethodPost, "/api/v0/token/access", file, "Content-Type", "multipart/form-data; boundary=b"), 400, "invalid_request", "the body is not a form")
	s.fails(s.do(http.MethodPost, "/api/v0/token/access", multipart, "Content-Type", "multipart/form-data"), 400, "invalid_request", "the body is not a form")
}
