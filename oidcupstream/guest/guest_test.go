package guest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/guest"
)

const redirectURL = "https://mytoken.example.org/redirect"

type world struct {
	t        *testing.T
	clock    *mytokentest.Clock
	server   *httptest.Server
	upstream *oidcupstream.Provider
}

func start(t *testing.T, change func(*guest.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: mytokentest.NewClock(time.Time{}), server: httptest.NewUnstartedServer(nil)}
	cfg := guest.Config{Issuer: "http://" + w.server.Listener.Addr().String() + "/api/v0/guests", RedirectURL: redirectURL, Clock: w.clock.Now}
	if change != nil {
		change(&cfg)
	}
	p, err := guest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.server.Config.Handler = http.StripPrefix("/api/v0/guests", p)
	w.server.Start()
	t.Cleanup(w.server.Close)
	if w.upstream, err = oidcupstream.New(p.Upstream()); err != nil {
		t.Fatal(err)
	}
	return w
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// login goes through a login and returns the answer.
func (w *world) login(browser *http.Client, audiences ...string) (*oidcupstream.Tokens, error) {
	w.t.Helper()
	verifier := oauth2.GenerateVerifier()
	query, address := w.authorize(browser, oidcupstream.AuthorizationRequest{
		State: strings.Repeat("s", 32), Nonce: "nonce", Verifier: verifier, Audiences: audiences,
	})
	if !strings.HasPrefix(address, redirectURL+"?") {
		w.t.Fatalf("sent to %s", address)
	}
	back, err := w.upstream.CheckRedirect(w.t.Context(), query)
	if err != nil {
		return nil, err
	}
	return w.upstream.Exchange(w.t.Context(), oidcupstream.ExchangeRequest{Code: back.Code, Verifier: verifier, Nonce: "nonce"})
}

func (w *world) authorize(browser *http.Client, req oidcupstream.AuthorizationRequest) (url.Values, string) {
	w.t.Helper()
	target, err := w.upstream.AuthorizationURL(w.t.Context(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.visit(browser, target)
}

func (w *world) visit(browser *http.Client, target string) (url.Values, string) {
	w.t.Helper()
	resp, err := browser.Get(target)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Query(), u.String()
}

// TestD64_OneSubjectForEachSession: a session is one guest, another session is
// another one, also from the same address.
func TestD64_OneSubjectForEachSession(t *testing.T) {
	w := start(t, nil)
	first, second := newBrowser(t), newBrowser(t)
	subjects := make(map[string]int)
	for _, b := range []*http.Client{first, second, first, second, newBrowser(t)} {
		tokens, err := w.login(b)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(tokens.Subject, "guest-") || tokens.RefreshToken == "" || !slices.Contains(tokens.Scopes, "openid") {
			t.Fatalf("%v", tokens)
		}
		subjects[tokens.Subject]++
	}
	if len(subjects) != 3 {
		t.Errorf("%v", subjects)
	}
	w.clock.Advance(25 * time.Hour)
	if tokens, err := w.login(first); err != nil || subjects[tokens.Subject] != 0 {
		t.Errorf("a session never ends: %v, %v", tokens, err)
	}
}

// TestD64_ManyAtOnce: no data race, no crash, no growth.
func TestD64_ManyAtOnce(t *testing.T) {
	w := start(t, func(c *guest.Config) { c.MaxLogins = 30 })
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 40 {
		wg.Go(func() {
			_, err := w.login(newBrowser(t), "https://a.example")
			var up *oidcupstream.Error
			if err != nil && (!errors.As(err, &up) || up.Code != "invalid_grant") {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			}
		})
	}
	wg.Wait()
	if done != 30 {
		t.Errorf("%d logins, want 30", done)
	}
	w.clock.Advance(2 * time.Minute)
	if _, err := w.login(newBrowser(t)); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// TestD64_AudiencesAndRefresh: access tokens have the audiences that were asked
// for; scopes can be narrowed and not widened.
func TestD64_AudiencesAndRefresh(t *testing.T) {
	w := start(t, nil)
	tokens, err := w.login(newBrowser(t), "https://a.example", "https://b.example")
	if err != nil || !slices.Equal(tokens.Audiences, []string{"https://a.example", "https://b.example"}) {
		t.Fatalf("%v, %v", tokens, err)
	}
	refresh := func(scopes ...string) (*oidcupstream.Tokens, error) {
		return w.upstream.Refresh(context.WithoutCancel(t.Context()), oidcupstream.RefreshRequest{
			RefreshToken: tokens.RefreshToken, Scopes: scopes, Audiences: []string{"https://c.example"},
		})
	}
	for range 2 {
		got, err := refresh("openid")
		if err != nil || !slices.Equal(got.Scopes, []string{"openid"}) || !slices.Equal(got.Audiences, []string{"https://c.example"}) || got.ExpiresIn != 10*time.Minute {
			t.Fatalf("%v, %v", got, err)
		}
	}
	var up *oidcupstream.Error
	if _, err := refresh("openid", "admin"); !errors.As(err, &up) || up.Code != "invalid_scope" {
		t.Errorf("%v", err)
	}
	w.clock.Advance(31 * 24 * time.Hour)
	if _, err := refresh(); !errors.As(err, &up) || !up.InvalidGrant() {
		t.Errorf("a refresh token never expires: %v", err)
	}
}

// TestRefusals: nobody is sent elsewhere; PKCE is enforced; a code is good once,
// for a minute, and is no refresh token.
func TestRefusals(t *testing.T) {
	w := start(t, nil)
	b := newBrowser(t)
	verifier := oauth2.GenerateVerifier()
	good := oidcupstream.AuthorizationRequest{State: strings.Repeat("s", 32), Nonce: "n", Verifier: verifier}
	target, err := w.upstream.AuthorizationURL(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name, value string) string {
		u, _ := url.Parse(target)
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for _, c := range []struct{ name, value, want string }{
		{"redirect_uri", "https://evil.example/", ""},
		{"redirect_uri", redirectURL + "/x", ""},
		{"client_id", "other", ""},
		{"state", strings.Repeat("x", 20_000), ""},
		{"response_type", "token", "unsupported_response_type"},
		{"code_challenge_method", "plain", "invalid_request"},
		{"code_challenge", "", "invalid_request"},
		{"scope", "profile", "invalid_scope"},
	} {
		q, address := w.visit(b, with(c.name, c.value))
		if q.Get("error") != c.want || c.want == "" && address != "" || q.Get("code") != "" {
			t.Errorf("%s: %s", c.name, address)
		}
	}

	code := func() string {
		q, _ := w.visit(b, target)
		return q.Get("code")
	}
	exchange := func(code, verifier string) error {
		_, err := w.upstream.Exchange(t.Context(), oidcupstream.ExchangeRequest{Code: code, Verifier: verifier, Nonce: "n"})
		return err
	}
	var up *oidcupstream.Error
	if err := exchange(code(), oauth2.GenerateVerifier()); !errors.As(err, &up) || !up.InvalidGrant() {
		t.Errorf("another verifier: %v", err)
	}
	used := code()
	if err := exchange(used, verifier); err != nil {
		t.Fatal(err)
	}
	if err := exchange(used, verifier); !errors.As(err, &up) || !up.InvalidGrant() {
		t.Errorf("twice: %v", err)
	}
	if _, err := w.upstream.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: code()}); !errors.As(err, &up) || !up.InvalidGrant() {
		t.Errorf("a code as refresh token: %v", err)
	}
	late := code()
	w.clock.Advance(2 * time.Minute)
	if err := exchange(late, verifier); !errors.As(err, &up) || !up.InvalidGrant() {
		t.Errorf("late: %v", err)
	}
	other := start(t, nil)
	tokens, err := other.login(newBrowser(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.upstream.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken}); !errors.As(err, &up) || !up.InvalidGrant() {
		t.Errorf("a stranger's refresh token: %v", err)
	}
}

// TestSharedKey: processes with one key are one provider.
func TestSharedKey(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	issuer := "http://127.0.0.1:1/api/v0/guests"
	var all []*oidcupstream.Provider
	w := start(t, func(c *guest.Config) { c.Key, c.Issuer = key, issuer })
	all = append(all, w.upstream, start(t, func(c *guest.Config) { c.Key, c.Issuer = key, issuer }).upstream)
	target, err := all[0].AuthorizationURL(t.Context(), oidcupstream.AuthorizationRequest{State: strings.Repeat("s", 32), Nonce: "n", Verifier: strings.Repeat("v", 43)})
	if err != nil {
		t.Fatal(err)
	}
	q, _ := w.visit(newBrowser(t), strings.Replace(target, "127.0.0.1:1", w.server.Listener.Addr().String(), 1))
	tokens, err := all[0].Exchange(t.Context(), oidcupstream.ExchangeRequest{Code: q.Get("code"), Verifier: strings.Repeat("v", 43), Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := all[1].Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken}); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]guest.Config{
		"nothing":     {},
		"no issuer":   {RedirectURL: redirectURL},
		"strange":     {Issuer: "ftp://x", RedirectURL: redirectURL},
		"no redirect": {Issuer: "https://x"},
		"short key":   {Issuer: "https://x", RedirectURL: redirectURL, Key: []byte("short")},
	} {
		if _, err := guest.New(cfg); !errors.Is(err, guest.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
