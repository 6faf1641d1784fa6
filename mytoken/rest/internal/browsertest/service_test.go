package browsertest

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
)

type m = map[string]any

// service is a mytoken service whose provider asks nothing.
type service struct {
	*mytokentest.Service
	t   *testing.T
	URL string
}

func start(t *testing.T, changes ...func(*mytokentest.Options)) *service {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	s := &service{t: t, URL: "http://" + server.Listener.Addr().String()}
	// The browser has a clock of its own, so this one shows the time of day.
	options := mytokentest.Options{
		Clock: mytokentest.NewClock(time.Now().Truncate(time.Second)),
		Upstream: func(c *oidcupstream.Config) {
			c.RedirectURL, c.Name = s.URL+"/redirect/university", "Example University"
		},
		Config: func(c *issuer.Config) { c.Issuer = s.URL },
	}
	for _, change := range changes {
		change(&options)
	}
	var err error
	s.Service, err = mytokentest.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	server.Config.Handler, err = rest.NewHandler(s.Issuer, rest.Options{
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	})
	require.NoError(t, err)
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// askFor starts the login of a program. It returns where the user has to agree, and the
// code that the program waits with.
func (s *service) askFor(request m) (consentURI, polling string) {
	s.t.Helper()
	body := m{
		"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "native", "oidc_issuer": s.Provider.Issuer(),
		"application_name": "nightly backup", "name": "server:backup",
	}
	for k, v := range request {
		body[k] = v
	}
	status, answer := s.post("/api/v0/token/my", body)
	require.Equal(s.t, http.StatusOK, status, "%v", answer)
	return answer["consent_uri"].(string), answer["polling_code"].(string)
}

// fetch waits as the program does.
func (s *service) fetch(polling string) (status int, answer m) {
	s.t.Helper()
	return s.post("/api/v0/token/my", m{"grant_type": "polling_code", "polling_code": polling})
}

func (s *service) post(path string, body m) (status int, answer m) {
	s.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(s.t, err)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+path, bytes.NewReader(text))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	if len(text) > 0 {
		require.NoError(s.t, json.Unmarshal(text, &answer), "%s", text)
	}
	return resp.StatusCode, answer
}
