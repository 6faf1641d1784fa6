package guest_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/guest"
)

const redirectURL = "https://mytoken.example.org/redirect"

// world is a provider for guests with an upstream client of it.
type world struct {
	t        *testing.T
	ahead    atomic.Int64 // of the clock, in nanoseconds
	server   *httptest.Server
	upstream *oidcupstream.Provider
}

func (w *world) now() time.Time          { return time.Now().Add(time.Duration(w.ahead.Load())) }
func (w *world) advance(d time.Duration) { w.ahead.Add(int64(d)) }
func state() string                      { return strings.Repeat("s", 32) }
func startDefault(t *testing.T) *world   { return start(t, func(*guest.Config) {}) }
func requireRefused(t *testing.T, err error, code string) {
	t.Helper()
	var upstream *oidcupstream.Error
	require.ErrorAs(t, err, &upstream)
	require.Equal(t, code, upstream.Code)
}

func start(t *testing.T, change func(*guest.Config)) *world {
	t.Helper()
	w := &world{t: t, server: httptest.NewUnstartedServer(nil)}
	cfg := guest.Config{Issuer: "http://" + w.server.Listener.Addr().String() + "/api/v0/guests", RedirectURL: redirectURL, Clock: w.now}
	change(&cfg)
	p, err := guest.New(cfg)
	require.NoError(t, err)
	w.server.Config.Handler = http.StripPrefix("/api/v0/guests", p)
	w.server.Start()
	t.Cleanup(w.server.Close)
	w.upstream, err = oidcupstream.New(p.Upstream())
	require.NoError(t, err)
	return w
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// login goes through a whole login.
func (w *world) login(browser *http.Client, audiences ...string) (*oidcupstream.Tokens, error) {
	w.t.Helper()
	verifier := oauth2.GenerateVerifier()
	query, address := w.visit(browser, w.authorizationURL(verifier, audiences...))
	require.True(w.t, strings.HasPrefix(address, redirectURL+"?"), address)
	back, err := w.upstream.CheckRedirect(w.t.Context(), query)
	if err != nil {
		return nil, err
	}
	return w.exchange(back.Code, verifier)
}

func (w *world) authorizationURL(verifier string, audiences ...string) string {
	w.t.Helper()
	target, err := w.upstream.AuthorizationURL(w.t.Context(), oidcupstream.AuthorizationRequest{
		State: state(), Nonce: "nonce", Verifier: verifier, Audiences: audiences,
	})
	require.NoError(w.t, err)
	return target
}

func (w *world) exchange(code, verifier string) (*oidcupstream.Tokens, error) {
	return w.upstream.Exchange(w.t.Context(), oidcupstream.ExchangeRequest{Code: code, Verifier: verifier, Nonce: "nonce"})
}

// visit returns where the provider sends the browser, and the query of that address.
func (w *world) visit(browser *http.Client, target string) (url.Values, string) {
	w.t.Helper()
	resp, err := browser.Get(target)
	require.NoError(w.t, err)
	resp.Body.Close()
	u, err := url.Parse(resp.Header.Get("Location"))
	require.NoError(w.t, err)
	return u.Query(), u.String()
}

// A session is one guest. Another session from the same address is another guest.
func TestD64_OneSubjectForEachSession(t *testing.T) {
	w := startDefault(t)
	first, second := newBrowser(t), newBrowser(t)
	subjects := make(map[string]int)
	for _, b := range []*http.Client{first, second, first, second, newBrowser(t)} {
		tokens, err := w.login(b)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(tokens.Subject, "guest-"), tokens.Subject)
		require.NotEmpty(t, tokens.RefreshToken)
		require.Contains(t, tokens.Scopes, "openid")
		subjects[tokens.Subject]++
	}
	require.Len(t, subjects, 3)
	w.advance(25 * time.Hour)
	tokens, err := w.login(first)
	require.NoError(t, err)
	require.NotContains(t, subjects, tokens.Subject, "the session has expired")
}

// Exactly MaxLogins logins finish within a minute, however many start at once.
func TestD64_ManyAtOnce(t *testing.T) {
	w := start(t, func(c *guest.Config) { c.MaxLogins = 30 })
	var wg sync.WaitGroup
	var done atomic.Int32
	for range 40 {
		wg.Go(func() {
			_, err := w.login(newBrowser(t), "https://a.example")
			if err == nil {
				done.Add(1)
				return
			}
			var upstream *oidcupstream.Error
			assert.ErrorAs(t, err, &upstream)
			assert.Equal(t, "invalid_grant", upstream.Code)
		})
	}
	wg.Wait()
	require.EqualValues(t, 30, done.Load())
	w.advance(2 * time.Minute)
	_, err := w.login(newBrowser(t))
	require.NoError(t, err, "a minute later")
}

// Access tokens have the requested audiences. A refresh can narrow the scopes and cannot
// widen them.
func TestD64_AudiencesAndRefresh(t *testing.T) {
	w := startDefault(t)
	tokens, err := w.login(newBrowser(t), "https://a.example", "https://b.example")
	require.NoError(t, err)
	require.Equal(t, []string{"https://a.example", "https://b.example"}, tokens.Audiences)
	refresh := func(scopes ...string) (*oidcupstream.Tokens, error) {
		return w.upstream.Refresh(t.Context(), oidcupstream.RefreshRequest{
			RefreshToken: tokens.RefreshToken, Scopes: scopes, Audiences: []string{"https://c.example"},
		})
	}
	for range 2 {
		got, err := refresh("openid")
		require.NoError(t, err)
		require.Equal(t, []string{"openid"}, got.Scopes)
		require.Equal(t, []string{"https://c.example"}, got.Audiences)
		require.Equal(t, 10*time.Minute, got.ExpiresIn)
	}
	_, err = refresh("openid", "admin")
	requireRefused(t, err, "invalid_scope")
	w.advance(31 * 24 * time.Hour)
	_, err = refresh()
	requireRefused(t, err, "invalid_grant")
}

// The provider sends browsers to one address only and demands PKCE.
func TestAuthorizationRefuses(t *testing.T) {
	w := startDefault(t)
	target, err := url.Parse(w.authorizationURL(oauth2.GenerateVerifier()))
	require.NoError(t, err)
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
		changed, query := *target, target.Query()
		query.Set(c.name, c.value)
		changed.RawQuery = query.Encode()
		answer, address := w.visit(newBrowser(t), changed.String())
		assert.Equal(t, c.want, answer.Get("error"), c.name)
		assert.Empty(t, answer.Get("code"), c.name)
		assert.Equal(t, c.want == "", address == "", c.name)
	}
}

// A code works once, for a minute, with its verifier, and is no refresh token.
func TestCodeRefuses(t *testing.T) {
	w := startDefault(t)
	verifier := oauth2.GenerateVerifier()
	target := w.authorizationURL(verifier)
	code := func() string {
		query, _ := w.visit(newBrowser(t), target)
		return query.Get("code")
	}
	_, err := w.exchange(code(), oauth2.GenerateVerifier())
	requireRefused(t, err, "invalid_grant")
	used := code()
	_, err = w.exchange(used, verifier)
	require.NoError(t, err)
	_, err = w.exchange(used, verifier)
	requireRefused(t, err, "invalid_grant")
	_, err = w.upstream.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: code()})
	requireRefused(t, err, "invalid_grant")
	late := code()
	w.advance(2 * time.Minute)
	_, err = w.exchange(late, verifier)
	requireRefused(t, err, "invalid_grant")

	tokens, err := startDefault(t).login(newBrowser(t))
	require.NoError(t, err)
	_, err = w.upstream.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken})
	requireRefused(t, err, "invalid_grant")
}

// Processes with the same key are one provider.
func TestSharedKey(t *testing.T) {
	shared := func(c *guest.Config) {
		c.Key, c.Issuer = []byte(strings.Repeat("k", 32)), "http://127.0.0.1:1/api/v0/guests"
	}
	first, second := start(t, shared), start(t, shared)
	verifier := oauth2.GenerateVerifier()
	target := strings.Replace(first.authorizationURL(verifier), "127.0.0.1:1", first.server.Listener.Addr().String(), 1)
	query, _ := first.visit(newBrowser(t), target)
	tokens, err := first.exchange(query.Get("code"), verifier)
	require.NoError(t, err)
	_, err = second.upstream.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken})
	require.NoError(t, err)
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]guest.Config{
		"nothing":     {},
		"no issuer":   {RedirectURL: redirectURL},
		"strange":     {Issuer: "ftp://x", RedirectURL: redirectURL},
		"no redirect": {Issuer: "https://x"},
		"short key":   {Issuer: "https://x", RedirectURL: redirectURL, Key: []byte("short")},
	} {
		_, err := guest.New(cfg)
		assert.ErrorIs(t, err, guest.ErrConfig, name)
	}
}
