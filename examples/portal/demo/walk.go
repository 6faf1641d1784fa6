package demo

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/mytoken-go/sdk/internal/loopback"
)

// Walk leads through a service, from a login to the revocation of the token.
type Walk struct {
	URL, Health, Provider string
	Socket                string // path on which the service listens; empty for TCP
	Test                  bool   // the provider is for tests and needs no browser
	Steps                 []Step
}

// Step is a request. Without a URL it is something that a person does. In URL and Body,
// $name stands for a member of an earlier response.
type Step struct {
	Title, URL string
	Body       string   // JSON; empty for a GET request
	Keep       []string // members of the response that later steps need
	Socket     string   // path of the Unix socket; empty for TCP
}

// NewWalk returns the walk through a service at an address, which listens on public. Its health
// check listens on inside.
func NewWalk(address string, public, inside net.Addr, provider string, test bool) *Walk {
	api, health := address+"/api/v0", "http://"+inside.String()
	last := Step{Title: "is the service well?", URL: health}
	if inside.Network() == "unix" {
		health = "unix:" + inside.String()
		last.URL, last.Socket = "http://localhost", inside.String()
	}
	steps := []Step{
		{Title: "what the service can do", URL: address + "/.well-known/mytoken-configuration"},
		{Title: "ask for a mytoken", URL: api + "/token/my", Keep: []string{"consent_uri", "polling_code"},
			Body: `{"grant_type":"oidc_flow","oidc_flow":"authorization_code","client_type":"native","oidc_issuer":"` + provider + `","capabilities":["AT","tokeninfo"]}`},
	}
	if test {
		steps = append(steps,
			Step{Title: "agree; or open the address in $consent_uri in a browser, and go on with the mytoken", URL: "$consent_uri", Body: "{}", Keep: []string{"authorization_uri"}},
			Step{Title: "log in at the provider, which sends the browser back", URL: "$authorization_uri"})
	} else {
		steps = append(steps, Step{Title: "open the address in $consent_uri in a browser, agree, log in"})
	}
	socket := ""
	if public.Network() == "unix" {
		socket = public.String()
	}
	return &Walk{URL: address, Health: health, Provider: provider, Socket: socket, Test: test, Steps: append(steps,
		Step{Title: "collect the mytoken", URL: api + "/token/my", Body: `{"grant_type":"polling_code","polling_code":"$polling_code"}`, Keep: []string{"mytoken"}},
		Step{Title: "use it: an access token", URL: api + "/token/access", Body: `{"grant_type":"mytoken","mytoken":"$mytoken"}`, Keep: []string{"access_token"}},
		Step{Title: "what is known about it", URL: api + "/tokeninfo", Body: `{"action":"introspect","mytoken":"$mytoken"}`},
		Step{Title: "revoke it", URL: api + "/token/revoke", Body: `{"token":"$mytoken"}`},
		last,
	)}
}

//go:embed start.txt
var start string

var message = template.Must(template.New("start.txt").Parse(start))

// Start writes how to use the service: in a browser, with the command line client, and if
// curl is true, step by step with curl. If check is true, it takes the steps instead.
func (w *Walk) Start(ctx context.Context, out io.Writer, check, curl bool) error {
	if check {
		return w.take(ctx, out)
	}
	return message.Execute(out, struct {
		*Walk
		Curl bool
	}{w, curl})
}

// Elsewhere reports whether a browser on another machine reaches the service, but not the
// provider for tests.
func (w *Walk) Elsewhere() bool {
	u, err := url.Parse(w.URL)
	return w.Test && err == nil && !loopback.Is(u.Hostname())
}

// take takes all steps and writes a line for each that succeeded.
func (w *Walk) take(ctx context.Context, out io.Writer) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client, known := &http.Client{Jar: jar, Timeout: 30 * time.Second}, map[string]string{}
	for _, s := range w.Steps {
		if err := s.do(ctx, client, known); err != nil {
			return fmt.Errorf("%s: %w", s.Title, err)
		}
		if _, err := fmt.Fprintln(out, "ok ", s.Title); err != nil {
			return err
		}
	}
	return nil
}

func (s *Step) do(ctx context.Context, client *http.Client, known map[string]string) error {
	fill := func(text string) string { return os.Expand(text, func(name string) string { return known[name] }) }
	method := http.MethodGet
	if s.Body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, fill(s.URL), strings.NewReader(fill(s.Body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %.300s", resp.Status, bytes.TrimSpace(text))
	}
	return s.keep(text, known)
}

// keep remembers members of a response.
func (s *Step) keep(text []byte, known map[string]string) error {
	if len(s.Keep) == 0 {
		return nil
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	for _, name := range s.Keep {
		value, ok := answer[name].(string)
		if !ok || value == "" {
			return fmt.Errorf("the response has no %s", name)
		}
		known[name] = value
	}
	return nil
}
