package client_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// stepClock stands still, and jumps ahead whenever a caller waits.
type stepClock struct{ *mytokentest.Clock }

func (c stepClock) After(d time.Duration) <-chan time.Time {
	ch := make(chan time.Time, 1)
	ch <- c.Advance(d)
	return ch
}

// server is a mytoken server of this SDK, with a client of it.
type server struct {
	*mytokentest.Service
	t      testing.TB
	URL    string
	client *client.Client
}

// setup says how to change a server before it starts.
type setup struct {
	mytokentest.Options
	// explanations says how much refusals tell.
	explanations rest.ExplanationLevel
	// wrap changes the handler.
	wrap func(http.Handler) http.Handler
	// client changes the client's configuration.
	client func(*client.Config)
}

var everything = capability.Set{
	capability.AT, capability.CreateMytoken, capability.Tokeninfo, capability.ManageMytokens, capability.Settings,
}

func start(t testing.TB, change func(*setup)) *server {
	t.Helper()
	httpServer := httptest.NewUnstartedServer(nil)
	s := &server{t: t, URL: "http://" + httpServer.Listener.Addr().String()}
	var opts setup
	if change != nil {
		change(&opts)
	}
	opts.Upstream = func(c *oidcupstream.Config) { c.RedirectURL = s.URL + "/redirect" }
	config := opts.Config
	opts.Config = func(c *issuer.Config) {
		c.Issuer = s.URL
		if config != nil {
			config(c)
		}
	}
	var err error
	s.Service, err = mytokentest.Start(opts.Options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	var handler http.Handler
	handler, err = rest.NewHandler(s.Issuer, rest.Options{Logger: slog.New(slog.DiscardHandler), Explanations: opts.explanations})
	require.NoError(t, err)
	if opts.wrap != nil {
		handler = opts.wrap(handler)
	}
	httpServer.Config.Handler = handler
	httpServer.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	httpServer.Start()
	t.Cleanup(httpServer.Close)
	cfg := client.Config{Issuer: s.URL, Clock: stepClock{s.Clock}}
	if opts.client != nil {
		opts.client(&cfg)
	}
	s.client, err = client.New(cfg)
	require.NoError(t, err)
	return s
}

// token logs alice in and returns her mytoken.
func (s *server) token(props mytoken.Properties) mytoken.Secret {
	s.t.Helper()
	if props.Capabilities == nil {
		props.Capabilities = everything
	}
	issued, err := s.Login(s.t.Context(), "alice", props)
	require.NoError(s.t, err)
	return issued.Token
}

// finish does in a browser what a user does who agrees to the login, and to rotation.
func (s *server) finish(ctx context.Context, consentURI string, rotation *mytoken.Rotation) {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	decision, err := json.Marshal(map[string]any{"oidc_issuer": s.Provider.Issuer(), "rotation": rotation})
	require.NoError(s.t, err)
	resp := s.browse(ctx, browser, http.MethodPost, consentURI, string(decision))
	var forward struct {
		URI string `json:"authorization_uri"`
	}
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&forward))
	back, err := optest.Login(ctx, forward.URI, "alice")
	require.NoError(s.t, err)
	clean, err := s.browse(ctx, browser, http.MethodGet, back, "").Location()
	require.NoError(s.t, err)
	s.browse(ctx, browser, http.MethodGet, clean.String(), "")
}

// decline does in a browser what a user does who declines.
func (s *server) decline(ctx context.Context, consentURI string) {
	s.t.Helper()
	s.browse(ctx, http.DefaultClient, http.MethodPost, consentURI, "")
}

func (s *server) browse(ctx context.Context, browser *http.Client, method, address, body string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := browser.Do(req)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	require.Less(s.t, resp.StatusCode, 400)
	return resp
}

// generation returns the seq_no of the token in a store.
func (s *server) generation(store client.TokenStore) uint64 {
	s.t.Helper()
	token, err := store.Load(s.t.Context())
	require.NoError(s.t, err)
	info, err := s.client.Introspect(s.t.Context(), token)
	require.NoError(s.t, err)
	return info.Claims.Seq
}
