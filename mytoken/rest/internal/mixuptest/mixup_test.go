// Package mixuptest lets a malicious provider attack a service that also has an honest
// one. Both run in processes of their own, and everything goes over HTTP.
package mixuptest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

type m = map[string]any

// service is a mytoken service with two providers.
type service struct {
	t            *testing.T
	URL          string
	honest, evil *provider
	log          *buffer
}

// buffer keeps the log.
type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func start(t *testing.T) *service {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	s := &service{t: t, URL: "http://" + server.Listener.Addr().String(), honest: launch(t, "honest"), evil: launch(t, "evil"), log: new(buffer)}
	var providers []issuer.Provider
	for _, p := range []*provider{s.honest, s.evil} {
		upstream, err := oidcupstream.New(p.register(s.URL + p.path()))
		require.NoError(t, err)
		providers = append(providers, issuer.Provider{Upstream: upstream})
	}
	key, err := mytoken.GenerateKey(mytoken.ES256)
	require.NoError(t, err)
	keys, err := mytoken.NewKeys(key)
	require.NoError(t, err)
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	require.NoError(t, err)
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	iss, err := issuer.New(issuer.Config{
		Issuer: s.URL, Store: memstore.New(), Seal: ring, Keys: keys, Providers: providers, Logger: logger,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, iss.Close(context.Background())) })
	server.Config.Handler, err = rest.NewHandler(iss, rest.Options{Logger: logger})
	require.NoError(t, err)
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// person has a browser, and a program that waits for a token.
type person struct {
	*service
	browser *http.Client
	polling string
	back    *url.URL // where a provider sent the browser back last
}

func (s *service) person() *person {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	p := &person{service: s}
	p.browser = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/redirect/") {
			p.back = r.URL
		}
		return nil
	}}
	return p
}

// start starts a login and agrees to it. It returns where the browser has to go.
func (p *person) start(at *provider) string {
	p.t.Helper()
	login := p.post("/api/v0/token/my", m{
		"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "native", "oidc_issuer": at.Issuer,
		"capabilities": []string{"AT", "tokeninfo"},
	})
	p.polling = login["polling_code"].(string)
	onward := p.post(strings.TrimPrefix(login["consent_uri"].(string), p.URL), m{"oidc_issuer": at.Issuer})
	return onward["authorization_uri"].(string)
}

// post sends JSON as a script of the service's pages does.
func (p *person) post(path string, body any) (answer m) {
	p.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(p.t, err)
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.URL+path, bytes.NewReader(text))
	require.NoError(p.t, err)
	req.Header = http.Header{"Content-Type": {"application/json"}, "Origin": {p.URL}, "Sec-Fetch-Site": {"same-origin"}}
	_, content := p.send(req)
	require.NoError(p.t, json.Unmarshal([]byte(content), &answer), content)
	return answer
}

// send returns the address at which the browser arrives, and what it shows.
func (p *person) send(req *http.Request) (*url.URL, string) {
	p.t.Helper()
	req.Header.Set("User-Agent", "Mozilla/5.0")
	resp, err := p.browser.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return resp.Request.URL, string(text)
}

func (p *person) open(address string) (*url.URL, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, address, nil)
	require.NoError(p.t, err)
	return p.send(req)
}

// follow goes where a login leads. It enters a password if the honest provider asks.
func (p *person) follow(address string) (*url.URL, string) {
	p.t.Helper()
	at, page := p.open(address)
	if !strings.HasPrefix(at.String(), p.honest.Issuer+"/login/") {
		return at, page
	}
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(page)
	require.NotNil(p.t, id, page)
	form := url.Values{"username": {userName}, "password": {password}, "id": {id[1]}}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, at.String(), strings.NewReader(form.Encode()))
	require.NoError(p.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.send(req)
}

// poll asks for the token.
func (p *person) poll() m {
	p.t.Helper()
	return p.post("/api/v0/token/my", m{"grant_type": "polling_code", "polling_code": p.polling})
}

// user returns the provider and the subject of a token.
func (p *person) user(token any) (provider, subject any) {
	p.t.Helper()
	about := p.post("/api/v0/tokeninfo", m{"action": "introspect", "mytoken": token})
	claims, ok := about["token"].(m)
	require.True(p.t, ok, "%v", about)
	return claims["oidc_iss"], claims["oidc_sub"]
}

// TestMixUp is the attack of RFC 9700 section 4.4. The attacker starts a login at the
// honest provider. The victim logs in at the evil one, which sends the browser on to the
// honest one, with the victim's state and the attacker's nonce and challenge. If the
// service posted the honest provider's code to the evil one, the attacker could use it in
// the first login, and would hold a mytoken of the victim. // proves P9
func TestMixUp(t *testing.T) {
	s := start(t)
	attacker, victim := s.person(), s.person()
	theirs, err := url.Parse(attacker.start(s.honest))
	require.NoError(t, err)
	s.evil.arm(theirs.String())

	_, page := victim.follow(victim.start(s.evil))
	arrived := victim.back
	require.Equal(t, s.honest.path(), arrived.Path, page)
	code := arrived.Query().Get("code")
	require.NotEmpty(t, code, page)
	for _, code := range s.evil.loot() {
		back := *arrived
		back.RawQuery = url.Values{"state": {theirs.Query().Get("state")}, "code": {code}}.Encode()
		attacker.open(back.String())
		provider, subject := attacker.user(attacker.poll()["mytoken"])
		t.Errorf("the attacker holds a mytoken of %v at %v", subject, provider)
	}
	const aborted = "another provider answered"
	require.Contains(t, page, aborted)
	require.Contains(t, victim.poll()["error_description"], aborted)
	require.NotContains(t, s.log.String(), code)

	// The state is worth nothing any more, where it belongs either.
	again := *arrived
	again.Path = s.evil.path()
	_, page = victim.open(again.String())
	require.Contains(t, page, aborted, "it says again what became of the login")
	require.Empty(t, s.evil.loot())
}

// TestBothProviders: users of both providers get their tokens.
func TestBothProviders(t *testing.T) {
	s := start(t)
	for _, p := range []*provider{s.honest, s.evil} {
		user := s.person()
		arrived, page := user.follow(user.start(p))
		require.Equal(t, "/native", arrived.Path, page)
		at, _ := user.user(user.poll()["mytoken"])
		require.Equal(t, p.Issuer, at)
	}
	require.Len(t, s.evil.loot(), 1, "the code of its own user")
}
