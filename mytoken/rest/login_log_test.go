package rest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store/storetest"
)

// logged is a service whose log is written in both formats, at the level Debug.
type logged struct {
	*service // its Log is in JSON
	text     *logBuffer
	mu       sync.Mutex
	sent     []string // states and nonces that the provider got
}

// startLogged starts a service. The provider answers each request with a fault, which may
// quote the secrets that the provider knows, each after the name of what it is.
func startLogged(t *testing.T, decision optest.Decision, fault func(p optest.FaultPoint, secrets string) optest.Fault, changes ...func(*setup)) *logged {
	t.Helper()
	l, lines := &logged{text: new(logBuffer)}, new(logBuffer)
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	logger := slog.New(slog.NewMultiHandler(slog.NewJSONHandler(lines, debug), slog.NewTextHandler(l.text, debug)))
	changes = append(changes, func(o *setup) {
		o.rest.Logger = logger
		o.Config = func(c *issuer.Config) { c.Logger = logger }
		o.Provider.Decide = func(r optest.AuthorizationRequest) optest.Decision {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.sent = append(l.sent, r.Params.Get("state"), r.Params.Get("nonce"))
			return decision
		}
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if p.Endpoint == optest.EndpointDiscovery { // maybe before start returned
				return optest.Fault{}
			}
			return fault(p, strings.Join(l.secrets(), " "))
		}
	})
	l.service = start(t, changes...)
	l.Log = lines
	return l
}

// secrets are all secrets that the provider has seen or made.
func (l *logged) secrets() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.sent, l.Provider.Secrets(), []string{optest.DefaultClientSecret})
}

// visible are the lines of the level Info and above.
func (l *logged) visible() (out []m) {
	l.t.Helper()
	for _, line := range l.Log.lines(l.t) {
		if line["level"] != "DEBUG" {
			out = append(out, line)
		}
	}
	return out
}

// login lets a user log in with a program that polls, and loads the last page again. It
// returns the last page, and all secrets that the browser and the program saw.
func (l *logged) login(t *testing.T) (back *reply, secrets []string) {
	t.Helper()
	consent, polling := l.startNative(nil)
	for range 2 {
		require.Equal(t, http.StatusPreconditionRequired, l.poll(polling).StatusCode)
	}
	b := l.browser()
	there, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	u, err := url.Parse(there)
	require.NoError(t, err)
	back = b.comeBack(there)
	if address := back.Request.URL.String(); back.StatusCode != http.StatusServiceUnavailable {
		b.open(address)
	}
	l.poll(polling)
	secrets = append(l.secrets(), polling, consent[strings.LastIndex(consent, "/")+1:], u.RawQuery)
	for _, name := range []string{"code", "state"} {
		if value := u.Query().Get(name); value != "" {
			secrets = append(secrets, value)
		}
	}
	return back, secrets
}

// TestFailedLoginIsOneLine: the log says at the level Info why a login failed, in one line
// with the id of the request whose page the user saw. The polls of the program and the
// second look at the page add nothing there. No line has a secret, in neither format, even
// if the provider quotes all that it knows.
//
// proves P9.
func TestFailedLoginIsOneLine(t *testing.T) {
	claim := func(name string, value any) optest.Fault {
		return optest.Fault{IDToken: func(_, claims m) { claims[name] = value }}
	}
	const unreachable = 503
	for name, c := range map[string]struct {
		fault    optest.Fault // of the endpoint exchange
		quoting  bool         // the provider says what it knows
		decision optest.Decision
		upstream func(*oidcupstream.Config)
		status   int // of the page; 0: 555
		level    string
		want     m      // attributes
		text     string // pattern in the error
	}{
		"wrong nonce":      {fault: claim("nonce", "another"), want: m{"reason": "exchange", "claim": "nonce"}, text: "its nonce is not that of the request"},
		"wrong audience":   {fault: claim("aud", "somebody"), want: m{"reason": "exchange", "claim": "aud"}, text: `got \["somebody"\]`},
		"wrong issuer":     {fault: claim("iss", "https://other.example"), want: m{"reason": "exchange", "claim": "iss"}, text: `got "https://other\.example"`},
		"expired":          {fault: claim("exp", 1), want: m{"reason": "exchange", "claim": "exp"}, text: "token is expired"},
		"not yet valid":    {fault: claim("nbf", int64(1)<<40), want: m{"reason": "exchange", "claim": "nbf"}, text: "before the nbf"},
		"from the future":  {fault: claim("iat", int64(1)<<40), want: m{"reason": "exchange", "claim": "iat"}, text: "its iat is in the future"},
		"no subject":       {fault: claim("sub", ""), want: m{"reason": "exchange", "claim": "sub"}, text: "it has no subject"},
		"other party":      {fault: claim("azp", "somebody"), want: m{"reason": "exchange", "claim": "azp"}, text: "its azp names another client"},
		"other at_hash":    {fault: claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), want: m{"reason": "exchange", "claim": "at_hash"}, text: "access token hash"},
		"unsigned":         {fault: optest.Fault{IDToken: func(header, _ m) { header["alg"] = "none" }}, want: m{"reason": "exchange"}, text: "ID token not accepted"},
		"no refresh token": {fault: optest.Fault{NoRefreshToken: true}, want: m{"reason": "refresh_token"}, text: "Did not receive a refresh token"},
		"400": {
			fault: optest.Fault{Refuse: "invalid_scope", RefuseText: "not \"yours\"\nlevel=INFO"}, want: m{"reason": "exchange", "provider_error": "invalid_scope", "provider_status": 400.0},
			text: `invalid_scope: not "yours" level=INFO \(HTTP 400\)`,
		},
		"400, quoting": {fault: optest.Fault{Refuse: "invalid_request"}, quoting: true, want: m{"reason": "exchange", "provider_error": "invalid_request", "provider_status": 400.0}, text: "invalid_request"},
		"400, code": {
			fault: optest.Fault{Refuse: "invalid_grant"}, quoting: true, want: m{"reason": "code", "provider_error": "invalid_grant", "provider_status": 400.0},
			text: "invalid_grant",
		},
		"401": {
			upstream: func(c *oidcupstream.Config) { c.Auth = oidcupstream.ClientSecretBasic("not-the-secret-0123456789") },
			want:     m{"reason": "exchange", "provider_error": "invalid_client", "provider_status": 401.0}, text: `\(HTTP 401\)`,
		},
		"500":         {fault: optest.Fault{FailBefore: 500}, want: m{"reason": "exchange", "provider_status": 500.0}, text: `\(HTTP 500\)`},
		"page of 200": {fault: optest.Fault{FailAfter: 200}, want: m{"reason": "exchange", "provider_status": 200.0}, text: "unusable answer"},
		"429":         {fault: optest.Fault{Throttle: 9 * time.Second}, status: unreachable, want: m{"reason": "exchange", "provider_status": 429.0}, text: "asks to wait"},
		"timeout": {
			fault:    optest.Fault{Wait: func(ctx context.Context) { <-ctx.Done() }},
			upstream: func(c *oidcupstream.Config) { c.Timeout = 2 * time.Second },
			want:     m{"reason": "exchange"}, text: "deadline exceeded|timeout",
		},
		"lost connection": {fault: optest.Fault{LoseRequest: true}, want: m{"reason": "exchange"}, text: "EOF"},
		"user denied":     {decision: optest.Decision{Error: "access_denied"}, level: "INFO", want: m{"reason": "provider", "provider_error": "access_denied"}, text: "access_denied"},
		"other refusal":   {decision: optest.Decision{Error: "login_required"}, want: m{"reason": "provider", "provider_error": "login_required"}, text: "login_required"},
	} {
		t.Run(name, func(t *testing.T) {
			l := startLogged(t, c.decision, func(p optest.FaultPoint, secrets string) optest.Fault {
				f := c.fault
				if c.quoting {
					f.RefuseText = "you sent " + secrets
				}
				if p.Endpoint != optest.EndpointExchange {
					f = optest.Fault{}
				}
				return f
			}, func(o *setup) { o.Upstream = c.upstream })
			back, secrets := l.login(t)
			if c.status == 0 {
				c.status = 555
			}
			require.Equal(t, c.status, back.StatusCode, back.text)

			lines := l.visible()
			require.Len(t, lines, 1, "%s", l.Log)
			line := lines[0]
			if c.level == "" {
				c.level = "WARN"
			}
			assert.Equal(t, c.level, line["level"])
			assert.Equal(t, "mytoken request", line["msg"])
			assert.Equal(t, back.Header.Get("X-Request-Id"), line["request"])
			for _, attribute := range []string{"reason", "provider_error", "provider_status", "claim"} {
				assert.Equal(t, c.want[attribute], line[attribute], attribute)
			}
			assert.Regexp(t, c.text, line["error"])
			requireNoSecret(t, l, secrets)
		})
	}
}

// requireNoSecret checks both formats of the log.
func requireNoSecret(t *testing.T, l *logged, secrets []string) {
	t.Helper()
	require.Equal(t, strings.Count(l.Log.String(), "\n"), strings.Count(l.text.String(), "\n"), "each line is in both formats, and is one line")
	for format, log := range map[string]string{"json": l.Log.String(), "text": l.text.String()} {
		require.Contains(t, log, "DEBUG", format)
		require.Empty(t, storetest.FindSecrets([]byte(log), secrets...), format)
	}
}

// TestLoginAtUnreachableProvider: if the provider does not answer when a login starts, or
// when it comes back, that is one line of the level Warn, too. The user can load the page
// again, and then that is another try.
func TestLoginAtUnreachableProvider(t *testing.T) {
	s := start(t, trustsTheApp, oneLog, func(o *setup) {
		o.Upstream = func(up *oidcupstream.Config) { up.Issuer = deadPort(t) }
	})
	s.object(s.startsLogin(), 503)
	l := &logged{service: s}
	require.Len(t, l.visible(), 1, "%s", s.Log)
	require.Equal(t, "authorize", l.visible()[0]["reason"])
	require.Contains(t, l.visible()[0]["error"], "connection refused")

	l = startLogged(t, optest.Decision{}, func(optest.FaultPoint, string) optest.Fault { return optest.Fault{} })
	consent, _ := l.startNative(nil)
	b := l.browser()
	there, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	require.NoError(t, l.Provider.Close())
	back := b.comeBack(there)
	require.Equal(t, 503, back.StatusCode)
	lines := l.visible()
	require.Len(t, lines, 1, "%s", l.Log)
	require.Equal(t, "WARN exchange", fmt.Sprint(lines[0]["level"], " ", lines[0]["reason"]))
	require.Contains(t, lines[0]["error"], "connection refused")
	require.Equal(t, 503, b.open(back.Request.URL.String()).StatusCode)
	require.Len(t, l.visible(), 2, "%s", l.Log)
	requireNoSecret(t, l, l.secrets())
}

// TestLoginIsOneLine: a login that works is one line of the level Info. Every request that
// works is one line of the level Debug, as is each poll that came too early. No line has a
// secret, in neither format.
//
// proves P9.
func TestLoginIsOneLine(t *testing.T) {
	l := startLogged(t, optest.Decision{}, func(optest.FaultPoint, string) optest.Fault { return optest.Fault{} })
	consent, polling := l.startNative(nil)
	early := l.poll(polling)
	b := l.browser()
	back, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	b.comeBack(back)
	token := l.object(l.poll(polling), 200)["mytoken"].(string)
	access := l.object(l.access(token, nil), 200)["access_token"].(string)

	lines := l.visible()
	require.Len(t, lines, 1, "%s", l.Log)
	require.Equal(t, "INFO issued login "+l.Provider.Issuer(), fmt.Sprint(lines[0]["level"], " ", lines[0]["kind"], " ", lines[0]["reason"], " ", lines[0]["detail"]))
	var got []string
	for _, line := range l.Log.lines(t) {
		if line["msg"] == "mytoken request" {
			got = append(got, fmt.Sprint(line["level"], " ", line["method"], " ", line["route"], " ", line["status"]))
			require.Equal(t, "127.0.0.1", line["address"])
			require.Len(t, line["request"], 24)
			require.Contains(t, line, "took")
		}
		if line["request"] == early.Header.Get("X-Request-Id") {
			require.Equal(t, "DEBUG", line["level"])
		}
	}
	require.Equal(t, []string{
		"DEBUG POST /api/v0/token/my 200", "DEBUG POST /api/v0/token/my 428", "DEBUG POST /c/{code} 278",
		"DEBUG GET /redirect 303", "DEBUG GET /login/{login} 303",
		"DEBUG POST /api/v0/token/my 200", "DEBUG POST /api/v0/token/access 200",
	}, got)
	requireNoSecret(t, l, append(l.secrets(), polling, token, access, consent[strings.LastIndex(consent, "/")+1:], back[strings.Index(back, "?")+1:]))
}

// TestGuestRequestsAreLogged: a request to the provider for guests is a line, too. It
// shows the status and not the path. A refusal, a failure and a panic have the same levels
// as elsewhere.
func TestGuestRequestsAreLogged(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.Guest = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/teapot":
				w.WriteHeader(http.StatusEarlyHints)
				w.WriteHeader(http.StatusTeapot)
			case "/broken":
				w.WriteHeader(http.StatusBadGateway)
			case "/panic":
				panic("out of tea")
			}
			_, _ = w.Write([]byte("hello"))
			if r.URL.Path == "/late" {
				w.WriteHeader(http.StatusBadGateway) // nobody sees it
			}
		})
	})
	last := func(level string, status int) map[string]any {
		t.Helper()
		lines := s.Log.lines(t)
		line := lines[len(lines)-1]
		require.Equal(t, fmt.Sprint(level, " GET /api/v0/guests/ ", status), fmt.Sprint(line["level"], " ", line["method"], " ", line["route"], " ", line["status"]))
		return line
	}
	for path, want := range map[string]struct {
		level  string
		status int
	}{"teapot": {"INFO", 418}, "broken": {"ERROR", 502}, "a-secret-path": {"DEBUG", 200}, "late": {"DEBUG", 200}} {
		r := s.do(http.MethodGet, "/api/v0/guests/"+path+"?code=a-secret-code", "")
		require.Equal(t, want.status, r.StatusCode)
		require.Equal(t, r.Header.Get("X-Request-Id"), last(want.level, want.status)["request"])
	}
	resp, err := http.Get(s.URL + "/api/v0/guests/panic?code=a-secret-code")
	if err == nil {
		resp.Body.Close()
	}
	require.Error(t, err, "the connection is broken off")
	require.Equal(t, "out of tea", last("ERROR", 500)["panic"])
	require.NotContains(t, s.Log.String(), "a-secret")
}
