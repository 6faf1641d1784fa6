// Measured work: the race detector, which multiplies it, has nothing to find here.
//go:build !race

package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// endpoint is an endpoint that reads a body.
type endpoint struct {
	path   string
	body   reflect.Type
	proper m // members without which a request is refused at once
}

// endpoints are all endpoints that read a body of package wire.
func (s *service) endpoints(token string) []endpoint {
	provider := s.Provider.Issuer()
	return []endpoint{
		{"/api/v0/token/my", reflect.TypeFor[wire.TokenRequest](), m{"grant_type": "mytoken", "mytoken": token}},
		{"/api/v0/token/my", reflect.TypeFor[wire.TokenRequest](), m{"grant_type": "oidc_flow", "oidc_issuer": provider}},
		{"/c", reflect.TypeFor[wire.TokenRequest](), m{"mytoken": token, "oidc_issuer": provider}},
		{"/api/v0/token/access", reflect.TypeFor[wire.AccessTokenRequest](), m{"grant_type": "mytoken", "mytoken": token}},
		{"/api/v0/token/transfer", reflect.TypeFor[wire.TransferRequest](), m{"mytoken": token}},
		{"/api/v0/token/revoke", reflect.TypeFor[wire.RevocationRequest](), m{"token": "abcdefghijkmnopqrstuvwxyzabcdefghijk"}},
		{"/api/v0/tokeninfo", reflect.TypeFor[wire.TokeninfoRequest](), m{"action": "explain", "mytoken": token}},
		{"/api/v0/tokeninfo", reflect.TypeFor[wire.TokeninfoRequest](), m{"action": "event_history", "mytoken": token}},
		{"/api/v0/settings/grants", reflect.TypeFor[wire.GrantSettingRequest](), m{"mytoken": token, "grant_type": "ssh"}},
		{"/oauth/token", reflect.TypeFor[wire.ExchangeRequest](), m{"grant_type": wire.GrantRefreshToken, "refresh_token": token}},
		{"/oauth/token", reflect.TypeFor[wire.ExchangeRequest](), m{
			"grant_type": wire.GrantTokenExchange, "subject_token": token, "subject_token_type": wire.TokenTypeJWT, "requested_token_type": wire.TokenTypeJWT}},
		{"/oauth/revoke", reflect.TypeFor[wire.StandardTokenRequest](), m{"token": "abcdefghijkmnopqrstuvwxyzabcdefghijk"}},
		{"/oauth/introspect", reflect.TypeFor[wire.StandardTokenRequest](), m{"token": token, "client_id": "c", "client_secret": "0123456789abcdef"}},
	}
}

// membersOf returns the names of the members of a request, and which of them can hold
// lists.
func membersOf(t reflect.Type) (names []string, lists map[string]bool) {
	lists = make(map[string]bool)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
		lists[name] = t.Field(i).Type.Kind() == reflect.Slice
	}
	return names, lists
}

// entries makes n different entries.
func entries(n int, format string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

// bulky are JSON values with about n entries: of every kind of list that a member may
// hold.
func bulky(t *testing.T, n int) map[string]string {
	words := entries(n, "w%d")
	text := strings.Join(words, " ")
	object := m{}
	for _, w := range words {
		object[w] = 0
	}
	clauses := make([]m, n/2)
	for i := range clauses {
		clauses[i] = m{"exp": 4000000000 + i}
	}
	values := map[string]any{
		"words": text, "words in a list": []string{text}, "list": words, "lists": []any{words, words[:1]}, "object": object,
		"clauses": clauses, "scope": []m{{"scope": text}}, "audience": []m{{"audience": words}}, "hosts": []m{{"hosts": words}},
		"addresses": []m{{"hosts": entries(n, "2001:db8::%x")}}, "geoip_allow": []m{{"geoip_allow": words}}, "geoip_disallow": []m{{"geoip_disallow": words}},
		"keys": []m{object}, "include": []m{{"include": words}}, "includes": []m{{"include": text, "audience": words}},
		"known include": []m{{"include": strings.Repeat("web-default ", n/8)}}, "template": "@" + strings.Join(words, " @"), "nested": []any{[]any{[]any{words}}},
	}
	out := make(map[string]string)
	for kind, v := range values {
		out[kind] = encode(t, v)
	}
	return out
}

// cpu returns the time that the processor spends on do, in this thread alone.
func cpu(t *testing.T, do func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		const thread = 1 // RUSAGE_THREAD
		var u syscall.Rusage
		require.NoError(t, syscall.Getrusage(thread, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	do()
	return used() - before
}

// TestWorkIsLinear: whatever list a stranger sends in any member of any request, and in
// headers, the work grows with its length and not with its square. The measure is the
// processor time of one pass over the same bytes, which is linear: a comparison of each
// entry with each other one takes thousands of passes.
func TestWorkIsLinear(t *testing.T) {
	var handler http.Handler
	s := start(t, func(o *setup) {
		o.rest.Clients = []rest.Client{{ID: "c", Secret: mytoken.NewSecret("0123456789abcdef")}}
		o.rest.TrustUnixPeers, o.rest.MaxBody = true, 8<<20
		o.wrap = func(h http.Handler) http.Handler { handler = h; return h }
	})
	token := s.issued("alice", mytoken.Properties{Capabilities: everything}).Token.Reveal()
	// count serves a request, and compares the work with the pass.
	count := func(what, method, path, media string, body string, header http.Header) (status int) {
		t.Helper()
		text := body
		for name := range header {
			text += strings.Join(header[name], "")
		}
		pass := max(cpu(t, func() { _, _ = url.QueryUnescape(text) }), time.Millisecond)
		r := httptest.NewRequest(method, "http://service"+path, strings.NewReader(body))
		r.RemoteAddr = "@"
		for name, values := range header {
			r.Header[name] = values
		}
		if media != "" {
			r.Header.Set("Content-Type", media)
		}
		w := httptest.NewRecorder()
		if work := cpu(t, func() { handler.ServeHTTP(w, r) }); work > 300*pass {
			t.Errorf("%s: %v of work, a pass takes %v", what, work, pass)
		}
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("%s: %d", what, w.Code)
		}
		return w.Code
	}
	for _, n := range []int{2000, 100_000} {
		values, words := bulky(t, n), entries(n, "w%d")
		for _, e := range s.endpoints(token) {
			names, lists := membersOf(e.body)
			for _, name := range names {
				rest := ""
				for k, v := range e.proper {
					if k != name {
						rest += "," + encode(t, k) + ":" + encode(t, v)
					}
				}
				for kind, value := range values {
					small := strings.Contains(kind, "include") || kind == "clauses" // within the limits of a list
					if lists[name] && (small || n > 2000) || n > 2000 && kind == "words" {
						count(fmt.Sprintf("%s %s: %s of %d", e.path, name, kind, n), http.MethodPost, e.path, "application/json", "{"+encode(t, name)+":"+value+rest+"}", nil)
					}
				}
				form := url.Values{}
				for k, v := range e.proper {
					if k != name {
						form.Set(k, v.(string))
					}
				}
				repeated := form.Encode() + "&" + name + "=" + strings.Join(words, "&"+name+"=")
				what := fmt.Sprintf("%s %s: a form with %d fields", e.path, name, n)
				if status := count(what, http.MethodPost, e.path, "application/x-www-form-urlencoded", repeated, nil); status != 400 {
					t.Errorf("%s: %d", what, status)
				}
			}
		}
		for _, name := range []string{"X-Forwarded-For", "Forwarded", "Cookie", "Accept", "Authorization", "User-Agent"} {
			for kind, values := range map[string][]string{
				"one line": {strings.Join(entries(n, "for=%d"), ", ")}, "many lines": entries(n, "a%d=b"), "semicolons": {strings.Join(entries(n, "a%d=b"), "; ")}, "quotes": {strings.Repeat(`"\`, n)},
			} {
				for _, path := range []string{"/api/v0/tokeninfo", "/manage"} {
					count(fmt.Sprintf("%s: %s of %d entries in %s", path, kind, n, name), http.MethodGet, path, "", "", http.Header{name: values})
				}
			}
		}
		query := strings.Join(entries(n, "grant_type=x%d"), "&")
		count(fmt.Sprintf("query of %d", n), http.MethodPost, "/api/v0/token/my?"+query, "application/json", "{}", nil)
		count(fmt.Sprintf("redirect of %d", n), http.MethodGet, "/redirect?"+query, "", "", nil)
	}
}

// TestTooManyWords: a client learns which list is too long, and what is allowed. Nothing
// is charged, and the provider is not asked.
func TestTooManyWords(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(1)}}})
	for member, text := range map[string]string{
		strings.Join(entries(60_000, "w%d"), " "): "408889 bytes, at most 8192 are allowed",
		strings.Join(entries(257, "w%d"), " "):    "257 words, at most 256 are allowed",
		strings.Repeat("a", 8193):                 "8193 bytes, at most 8192 are allowed",
	} {
		for _, name := range []string{"scope", "audience", "resource"} {
			s.fails(s.post("/api/v0/token/access", m{"grant_type": "mytoken", "mytoken": token, name: member}), 400, "invalid_request", name+": "+text)
			s.fails(s.post("/api/v0/tokeninfo", m{"action": "explain", "mytoken": token, name: member}), 400, "invalid_request", name+": "+text)
			s.fails(s.form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, name: {member}}), 400, "invalid_request", name+": "+text)
		}
	}
	half := strings.Join(entries(129, "w%d"), " ")
	s.fails(s.post("/api/v0/token/access", m{"grant_type": "mytoken", "mytoken": token, "audience": half, "resource": half}), 400, "invalid_request",
		"audience: 258 words, at most 256 are allowed")
	s.object(s.access(token, nil), 200) // the only use is still there
}
