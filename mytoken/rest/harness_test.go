package rest_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// service is an issuer with its HTTP interface, on a real server.
type service struct {
	*mytokentest.Service
	t    testing.TB
	URL  string // issuer URL
	Log  *logBuffer
	http *httptest.Server
}

// setup changes a service before it starts.
type setup struct {
	mytokentest.Options
	rest   rest.Options
	prefix string // path of the issuer URL
	oneLog bool   // the issuer logs where the handler does
	level  slog.Level
	// wrap changes the handler.
	wrap func(http.Handler) http.Handler
}

// everything has the capabilities of the tests' tokens.
var everything = capability.Set{
	capability.AT, capability.CreateMytoken, capability.Tokeninfo, capability.ManageMytokens, capability.Settings,
}

func start(t testing.TB, changes ...func(*setup)) *service {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	s := &service{t: t, http: server, Log: new(logBuffer)}
	opts := setup{level: slog.LevelDebug}
	for _, change := range changes {
		change(&opts)
	}
	s.URL = "http://" + server.Listener.Addr().String() + opts.prefix
	upstream, config := opts.Upstream, opts.Config
	opts.Upstream = func(c *oidcupstream.Config) {
		c.RedirectURL, c.Name = s.URL+"/redirect", "Example provider"
		if upstream != nil {
			upstream(c)
		}
	}
	opts.Config = func(c *issuer.Config) {
		c.Issuer = s.URL
		if opts.oneLog {
			c.Logger = slog.New(slog.NewJSONHandler(s.Log, &slog.HandlerOptions{Level: opts.level}))
		}
		if config != nil {
			config(c)
		}
	}
	var err error
	if s.Service, err = mytokentest.Start(opts.Options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
	})
	if opts.rest.Logger == nil {
		opts.rest.Logger = slog.New(slog.NewJSONHandler(s.Log, &slog.HandlerOptions{Level: opts.level}))
	}
	handler, err := rest.NewHandler(s.Issuer, opts.rest)
	require.NoError(t, err)
	server.Config.Handler = handler
	if opts.wrap != nil {
		server.Config.Handler = opts.wrap(handler)
	}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// reply is a response whose body was read.
type reply struct {
	*http.Response
	text string
}

// do sends a request, as JSON unless header says otherwise. It does not follow redirects.
func (s *service) do(method, path, body string, header ...string) *reply {
	s.t.Helper()
	return s.with(&http.Client{}, method, path, body, header...)
}

// with is do with another client, for example one with cookies.
func (s *service) with(client *http.Client, method, path, body string, header ...string) *reply {
	s.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = s.URL + path
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	require.NoError(s.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Add(header[i], header[i+1])
			if strings.EqualFold(header[i], "Content-Type") {
				req.Header.Set("Content-Type", header[i+1])
			}
		}
	}
	copied := *client
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := copied.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return &reply{resp, string(text)}
}

// post sends an object as JSON.
func (s *service) post(path string, body any, header ...string) *reply {
	s.t.Helper()
	return s.do(http.MethodPost, path, encode(s.t, body), header...)
}

// form sends a form.
func (s *service) form(path string, values url.Values, header ...string) *reply {
	s.t.Helper()
	return s.do(http.MethodPost, path, values.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
}

type m = map[string]any

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// object reads the body of a response with the expected status.
func (s *service) object(r *reply, status int) m {
	s.t.Helper()
	require.Equal(s.t, status, r.StatusCode, "%s %s: status %d, want %d: %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, status, r.text)
	var out m
	if err := json.Unmarshal([]byte(r.text), &out); err != nil {
		s.t.Fatalf("%s %s: %v: %s", r.Request.Method, r.Request.URL.Path, err, r.text)
	}
	return out
}

// fails checks that a response is an error of the protocol.
func (s *service) fails(r *reply, status int, code, description string) {
	s.t.Helper()
	got := s.object(r, status)
	text, _ := got["error_description"].(string)
	if got["error"] != code || text != description {
		s.t.Fatalf("%s %s: %s, want %q, %q", r.Request.Method, r.Request.URL.Path, r.text, code, description)
	}
	if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("%s %s: header %v", r.Request.Method, r.Request.URL.Path, r.Header)
	}
}

// token logs alice in and returns a token.
func (s *service) token(props mytoken.Properties) string {
	s.t.Helper()
	return s.tokenOf("alice", props)
}

func (s *service) tokenOf(subject string, props mytoken.Properties) string {
	s.t.Helper()
	return s.issued(subject, props).Token.Reveal()
}

// browser is a user's browser. It keeps cookies and says that it is a browser.
type browser struct {
	*service
	client *http.Client
}

func (s *service) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &browser{s, &http.Client{Jar: jar}}
}

var browserHeader = []string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}

// open goes to an address, as after a click elsewhere.
func (b *browser) open(address string) *reply {
	b.t.Helper()
	return b.with(b.client, http.MethodGet, address, "", append(browserHeader, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")...)
}

// script sends what a script of a page of the service sends.
func (b *browser) script(method, address, body string, header ...string) *reply {
	b.t.Helper()
	header = append(append(header, browserHeader[:2]...), "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Accept", "application/json")
	return b.with(b.client, method, address, body, header...)
}

// login logs the user in at the provider and comes back. It returns the answer of the
// clean address, which finishes the login.
func (b *browser) login(authorizationURI, subject string) *reply {
	b.t.Helper()
	back, err := optest.Login(b.t.Context(), authorizationURI, subject)
	require.NoError(b.t, err)
	return b.comeBack(back)
}

// comeBack opens the address at which the provider sends the browser back, and the clean
// address to which that leads.
func (b *browser) comeBack(back string) *reply {
	b.t.Helper()
	r := b.open(back)
	require.Equal(b.t, http.StatusSeeOther, r.StatusCode, "%s", r.text)
	require.Empty(b.t, r.text)
	to, err := r.Location()
	require.NoError(b.t, err)
	require.Regexp(b.t, `/login/[\w-]{12}$`, to.String(), "no code in the address")
	return b.open(to.String())
}

// startNative starts a native login.
func (s *service) startNative(request m) (consentURI, pollingCode string) {
	s.t.Helper()
	body := m{"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "native", "oidc_issuer": s.Provider.Issuer()}
	for k, v := range request {
		body[k] = v
	}
	got := s.object(s.post("/api/v0/token/my", body), http.StatusOK)
	return got["consent_uri"].(string), got["polling_code"].(string)
}

// approve agrees to a login, with changes, and returns where the browser goes.
func (b *browser) approve(consentURI string, decision m) string {
	b.t.Helper()
	if decision == nil {
		decision = m{"oidc_issuer": b.Provider.Issuer()}
	}
	r := b.script(http.MethodPost, consentURI, encode(b.t, decision))
	return b.object(r, 278)["authorization_uri"].(string)
}

func (s *service) poll(code string) *reply {
	s.t.Helper()
	return s.post("/api/v0/token/my", m{"grant_type": "polling_code", "polling_code": code})
}

// tokenAs logs a user in through the browser and polls. It returns the page behind the
// login and the answer to the poll.
func (s *service) tokenAs(subject string, restrictions any) (*reply, *reply) {
	s.t.Helper()
	request := m{"capabilities": []string{"AT", "tokeninfo", "create_mytoken"}}
	if restrictions != nil {
		request["restrictions"] = restrictions
	}
	consent, polling := s.startNative(request)
	b := s.browser()
	back := b.login(b.approve(consent, nil), subject)
	return back, s.poll(polling)
}

// restart is another process with the same store and keys.
func (s *service) restart(change func(*issuer.Config), opts rest.Options) *service {
	s.t.Helper()
	cfg := s.Config
	if change != nil {
		change(&cfg)
	}
	iss, err := issuer.New(cfg)
	require.NoError(s.t, err)
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewJSONHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	handler, err := rest.NewHandler(iss, opts)
	require.NoError(s.t, err)
	server := httptest.NewServer(handler)
	s.t.Cleanup(server.Close)
	other := *s
	inner := *s.Service
	inner.Issuer = iss
	other.Service, other.http, other.URL = &inner, server, server.URL
	return &other
}

// issued logs a user in and returns the token.
func (s *service) issued(subject string, props mytoken.Properties) *mytoken.Issued {
	s.t.Helper()
	if props.Capabilities == nil {
		props.Capabilities = everything
	}
	t, err := s.Login(s.t.Context(), subject, props)
	require.NoError(s.t, err)
	return t
}

func (s *service) child(parent *mytoken.Issued, props mytoken.Properties) *mytoken.Issued {
	s.t.Helper()
	t, err := s.Issuer.Derive(s.t.Context(), issuer.DeriveRequest{Token: parent.Token, Properties: props})
	require.NoError(s.t, err)
	return t
}

// live reports whether a token is valid.
func (s *service) live(token *mytoken.Issued) bool {
	s.t.Helper()
	_, err := s.Issuer.Inspect(s.t.Context(), issuer.InspectRequest{Token: token.Token})
	return err == nil
}
