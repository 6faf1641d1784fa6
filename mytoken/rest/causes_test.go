package rest_test

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// logBuffer keeps what is logged.
type logBuffer struct{ paralleltest.Buffer }

// lines returns what was logged, one object for each line.
func (b *logBuffer) lines(t testing.TB) (out []m) {
	t.Helper()
	for line := range strings.Lines(b.String()) {
		var entry m
		require.NoError(t, json.Unmarshal([]byte(line), &entry), line)
		out = append(out, entry)
	}
	return out
}

// told checks what an operator and a client learn about a failed request. The cause is in
// one line of the log, once, with the id of the request. The client learns nothing of it.
func (s *service) told(r *reply, causes ...string) {
	s.t.Helper()
	id := r.Header.Get("X-Request-Id")
	require.NotEmpty(s.t, id)
	for _, cause := range causes {
		found := 0
		for _, line := range s.Log.lines(s.t) {
			if text, ok := line["error"].(string); ok && strings.Contains(text, cause) {
				found++
				assert.Equal(s.t, 1, strings.Count(text, cause), text)
				assert.Equal(s.t, id, line["request"], "%v", line)
				assert.LessOrEqual(s.t, len(text), 1024)
			}
		}
		assert.Equal(s.t, 1, found, "lines that tell %q:\n%s", cause, s.Log)
		assert.Equal(s.t, 1, strings.Count(s.Log.String(), cause), "%q in\n%s", cause, s.Log)
		assert.NotContains(s.t, r.text, cause)
		for name, values := range r.Header {
			assert.NotContains(s.t, strings.Join(values, " "), cause, name)
		}
	}
}

// startsLogin asks for a login that goes to the provider at once.
func (s *service) startsLogin() *reply {
	s.t.Helper()
	return s.post("/api/v0/token/my", m{
		"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "web", "redirect_uri": "https://app.example/done",
		"oidc_issuer": s.Config.Providers[0].Upstream.Issuer(),
	})
}

// deadPort is an address where nobody listens.
func deadPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return "http://" + l.Addr().String()
}

// TestCauseAtTheStartOfALogin: an operator learns from the log why a login could not
// start, and the client learns nothing about the network.
//
// proves P9.
func TestCauseAtTheStartOfALogin(t *testing.T) {
	answering := func(status int, body string) func(*testing.T) string {
		return func(t *testing.T) string {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			}))
			t.Cleanup(server.Close)
			return server.URL
		}
	}
	for name, c := range map[string]struct {
		issuer func(*testing.T) string
		causes []string
	}{
		"refused connection": {deadPort, []string{"connection refused"}},
		"unknown CA": {func(t *testing.T) string {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.StartTLS()
			t.Cleanup(server.Close)
			return server.URL
		}, []string{"certificate signed by unknown authority"}},
		"no such name": {func(*testing.T) string { return "https://op.nowhere.invalid" }, []string{"lookup op.nowhere.invalid"}},
		"status 500":   {answering(500, `{"error":"boom_inside"}`), []string{"500 Internal Server Error"}},
		"wrong issuer": {answering(200, `{"issuer":"https://other.example.org"}`), []string{"https://other.example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, trustsTheApp, oneLog, func(o *setup) {
				o.Upstream = func(up *oidcupstream.Config) { up.Issuer, up.InsecureHTTP = c.issuer(t), true }
			})
			r := s.startsLogin()
			got := s.object(r, 503)
			assert.Equal(t, "oidc_error", got["error"])
			s.told(r, c.causes...)
			assert.NotContains(t, s.Log.String(), "access token", "no access token was asked for")
		})
	}
}

// TestCauseAtTheEndOfALogin: the log tells which part of the provider's answer was wrong.
//
// proves P9.
func TestCauseAtTheEndOfALogin(t *testing.T) {
	for name, c := range map[string]struct {
		fault  optest.Fault
		causes []string
	}{
		"wrong nonce":    {optest.Fault{IDToken: func(_, c m) { c["nonce"] = "another" }}, []string{"its nonce is not that of the request"}},
		"wrong audience": {optest.Fault{IDToken: func(_, c m) { c["aud"] = "somebody" }}, []string{"expected audience"}},
		"wrong issuer":   {optest.Fault{IDToken: func(_, c m) { c["iss"] = "https://other.example.org" }}, []string{"https://other.example.org"}},
		"status 500":     {optest.Fault{FailBefore: 500}, []string{"HTTP 500"}},
		"refusal":        {optest.Fault{Refuse: "invalid_client", RefuseText: "who are you"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, oneLog, func(o *setup) {
				o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
					if p.Endpoint == optest.EndpointExchange {
						return c.fault
					}
					return optest.Fault{}
				}
			})
			back, polled := s.tokenAs("alice", nil)
			require.Equal(t, 555, back.StatusCode)
			s.told(back, c.causes...)
			for _, cause := range c.causes {
				assert.NotContains(t, polled.text, cause)
			}
			assert.NotContains(t, s.Log.String(), optest.DefaultClientSecret)
			for _, line := range s.Log.lines(t) { // a refusal is told once as well
				text, _ := line["error"].(string)
				assert.LessOrEqual(t, strings.Count(text, "invalid_client"), 1, text)
				assert.LessOrEqual(t, strings.Count(text, "who are you"), 1, text)
			}
		})
	}
}

// TestCauseOfNoAccessToken: the log tells why the provider gave no access token.
//
// proves P9.
func TestCauseOfNoAccessToken(t *testing.T) {
	for name, c := range map[string]struct {
		fault  optest.Fault
		causes []string
	}{
		"page of HTML":   {optest.Fault{FailBefore: 500}, []string{"HTTP 500"}},
		"no connection":  {optest.Fault{LoseRequest: true}, []string{"EOF"}},
		"other user":     {optest.Fault{IDToken: func(_, c m) { c["sub"] = "mallory" }}, []string{"subject does not match"}},
		"wrong audience": {optest.Fault{Audiences: []string{"https://wide.example"}}, []string{"https://wide.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, onRefresh(c.fault), oneLog)
			token := s.token(mytoken.Properties{Restrictions: restriction.List{{Audiences: []string{"https://data.example"}}}})
			r := s.access(token, nil)
			s.object(r, 502)
			s.told(r, c.causes...)
			assert.NotContains(t, s.Log.String(), token)
		})
	}
}

// oneLog makes the issuer log where the handler does.
func oneLog(o *setup) { o.oneLog = true }

func trustsTheApp(o *setup) { o.rest.TrustedRedirectURIs = []string{`https://app\.example/done`} }
