package nodetest

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// patience is how long anything may take on a busy machine.
const patience = 2 * time.Minute

type m = map[string]any

// service is a mytoken service whose users log in at the provider.
type service struct {
	t        *testing.T
	URL      string
	provider *provider
	tap      *tap
	config   issuer.Config
	issuer   *issuer.Issuer // of the first process
	later    atomic.Int64   // how far the clock of the service is ahead, in nanoseconds

	mu      sync.Mutex
	notices []issuer.NoticeKind
}

// start starts a service and its provider.
func start(t *testing.T) *service {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	s := &service{t: t, URL: "http://" + server.Listener.Addr().String(), tap: new(tap)}
	redirect := s.URL + "/redirect"
	s.provider = startProvider(t, redirect)
	upstream, err := s.provider.upstream(redirect, s.tap)
	require.NoError(t, err)
	key, err := mytoken.GenerateKey("")
	require.NoError(t, err)
	keys, err := mytoken.NewKeys(key)
	require.NoError(t, err)
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	require.NoError(t, err)
	s.config = issuer.Config{
		Issuer: s.URL, Store: memstore.New(), Seal: ring, Keys: keys, Providers: []issuer.Provider{{Upstream: upstream}},
		Observer: s.observe, Clock: func() time.Time { return time.Now().Add(time.Duration(s.later.Load())) },
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Lease: 2 * patience, WaitLimit: 2 * patience, InDoubtWait: patience,
	}
	s.issuer, server.Config.Handler = s.process()
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// process is a process of the service. All have the same store and keys.
func (s *service) process() (*issuer.Issuer, http.Handler) {
	s.t.Helper()
	iss, err := issuer.New(s.config)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(s.t, iss.Close(ctx))
	})
	handler, err := rest.NewHandler(iss, rest.Options{Logger: s.config.Logger, RequestTimeout: 4 * patience})
	require.NoError(s.t, err)
	return iss, handler
}

// login is the native login with the name that the user gives at the provider.
func (s *service) login(name string, request m) (token string) {
	s.t.Helper()
	polling := s.loginUntilLanding(name, request)
	status, answer := s.post("/api/v0/token/my", m{"grant_type": "polling_code", "polling_code": polling})
	require.Equal(s.t, http.StatusOK, status, "%v", answer)
	return answer["mytoken"].(string)
}

// loginUntilLanding goes through a login in the browser, and returns the code of the
// program that waits for it.
func (s *service) loginUntilLanding(name string, request m) (polling string) {
	s.t.Helper()
	u := newUser(s.t)
	polling, asked := s.consent(u, request)
	landing := u.logIn(s.provider, asked, name)
	require.Equal(s.t, "/native", landing.url.Path, landing.text)
	return polling
}

// consent starts a login and agrees to it. It returns the provider's first page.
func (s *service) consent(u *user, request m) (polling string, asked *page) {
	s.t.Helper()
	body := m{
		"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "native",
		"oidc_issuer": s.provider.Issuer, "application_name": "the test",
	}
	for k, v := range request {
		body[k] = v
	}
	status, answer := s.post("/api/v0/token/my", body)
	require.Equal(s.t, http.StatusOK, status, "%v", answer)
	consent := u.open(answer["consent_uri"].(string))
	require.Contains(s.t, consent.text, "the test")
	onward := u.submit(consent, "decision", "approve")
	require.NotEmpty(s.t, onward.next, onward.text)
	return answer["polling_code"].(string), u.open(onward.next)
}

// access requests an access token as OAuth clients do.
func (s *service) access(token string, params url.Values) (status int, answer m) {
	s.t.Helper()
	return s.accessAt(s.URL, token, params)
}

func (s *service) accessAt(base, token string, params url.Values) (status int, answer m) {
	s.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for name, values := range params {
		form[name] = values
	}
	return postForm(s.t, base+"/api/v0/token/access", form)
}

// suspect makes a request after the provider has ended the login. The request has to wait,
// and the wait is over when suspect returns.
func (s *service) suspect(token string) {
	s.t.Helper()
	status, answer := s.access(token, nil)
	require.Equal(s.t, http.StatusServiceUnavailable, status, "%v", answer)
	s.later.Add(int64(11 * time.Second))
}

// post sends JSON.
func (s *service) post(path string, body any) (status int, answer m) {
	s.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(s.t, err)
	return send(s.t, s.URL+path, "application/json", string(text))
}

func postForm(t *testing.T, address string, form url.Values, change ...func(*http.Request)) (status int, answer m) {
	t.Helper()
	return send(t, address, "application/x-www-form-urlencoded", form.Encode(), change...)
}

func send(t *testing.T, address, media, body string, change ...func(*http.Request)) (status int, answer m) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", media)
	for _, c := range change {
		c(r)
	}
	status, text := do(t, r)
	if len(text) > 0 {
		require.NoError(t, json.Unmarshal(text, &answer), "%s", text)
	}
	return status, answer
}

func get(t *testing.T, address string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	status, text := do(t, r)
	require.Equal(t, http.StatusOK, status, "%s", text)
	return text
}

func do(t *testing.T, r *http.Request) (status int, body []byte) {
	t.Helper()
	resp, err := oneShot.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body
}

// oneShot opens a connection for each request. Node.js closes idle ones after some
// seconds, and a request must not meet that.
var oneShot = &http.Transport{DisableKeepAlives: true}

// object returns a response that has to be good.
func (s *service) object(status int, answer m) m {
	s.t.Helper()
	require.Equal(s.t, http.StatusOK, status, "%v", answer)
	return answer
}

func (s *service) revoke(request m) {
	s.t.Helper()
	status, answer := s.post("/api/v0/token/revoke", request)
	require.Equal(s.t, http.StatusNoContent, status, "%v", answer)
}

// reconnect logs the user in again for the existing tokens.
func (s *service) reconnect(name, token string) {
	s.t.Helper()
	login, err := s.issuer.StartReconnect(s.t.Context(), issuer.ReconnectRequest{Token: mytoken.NewSecret(token)})
	require.NoError(s.t, err)
	u := newUser(s.t)
	u.logIn(s.provider, u.open(login.URL), name) // the pages do not take it: they did not start it
	done, err := s.issuer.FinishLogin(s.t.Context(), issuer.FinishRequest{Path: u.back.Path, Query: u.back.Query()})
	require.NoError(s.t, err)
	require.True(s.t, done.Reconnected)
}

// untroubled checks that nothing went wrong at the provider.
func (s *service) untroubled() {
	s.t.Helper()
	for _, e := range s.provider.events() {
		require.Empty(s.t, e.Error, "%s: %s", e.Name, e.Detail)
		require.NotEqual(s.t, "grant.revoked", e.Name)
	}
}

func (s *service) observe(_ context.Context, n issuer.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, n.Kind)
}

// noticed returns what the operator was told.
func (s *service) noticed() []issuer.NoticeKind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notices)
}
