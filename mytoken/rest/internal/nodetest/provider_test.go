package nodetest

import (
	"bufio"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/npm"
	"github.com/mytoken-go/sdk/oidcupstream"
)

// testdata/provider/server.mjs knows the service by these values, and has access tokens
// for these resources.
const (
	clientID     = "mytoken"
	clientSecret = "a-secret-of-the-tests"
	compute      = "https://compute.example"
	storage      = "https://storage.example"
)

var scopes = []string{"openid", "offline_access", "profile", "compute.run", "storage.read", "storage.write"}

// provider is oidc-provider in a process of its own.
type provider struct {
	t      *testing.T
	Issuer string
}

// startProvider starts the provider. The provider ends when its standard input does.
func startProvider(t *testing.T, redirectURI string) *provider {
	t.Helper()
	node := npm.Tool(t, "node")
	if out, err := exec.CommandContext(t.Context(), node, "--print", "typeof URL.parse").Output(); err != nil || strings.TrimSpace(string(out)) != "function" {
		dbtest.Missing(t, "Node.js", "PATH", errors.New("it is older than 20.20"))
	}
	cmd := exec.Command(node, "server.mjs", redirectURI)
	cmd.Dir = npm.Install(t, filepath.Join("testdata", "provider"), "server.mjs")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the provider wrote: %s", &stderr)
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "http://") {
			return &provider{t: t, Issuer: line}
		}
	}
	_ = cmd.Wait()
	require.FailNow(t, "the provider does not start", "%s", &stderr)
	return nil
}

// event is something that happened at the provider.
type event struct{ Name, Error, Detail string }

func (p *provider) events() (all []event) {
	p.t.Helper()
	require.NoError(p.t, json.Unmarshal(get(p.t, p.Issuer+"/events"), &all))
	return all
}

// count returns how often something happened.
func (p *provider) count(name string) (n int) {
	p.t.Helper()
	for _, e := range p.events() {
		if e.Name == name {
			n++
		}
	}
	return n
}

// present sends a refresh token to the provider directly, as somebody with a copy would.
func (p *provider) present(refreshToken string, more url.Values) (status int, answer map[string]any) {
	p.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}
	maps.Copy(form, more)
	return postForm(p.t, p.Issuer+"/token", form, asClient)
}

// isActive asks the provider about a token.
func (p *provider) isActive(token string) bool {
	p.t.Helper()
	status, answer := postForm(p.t, p.Issuer+"/token/introspection", url.Values{"token": {token}}, asClient)
	require.Equal(p.t, http.StatusOK, status, "%v", answer)
	active, ok := answer["active"].(bool)
	require.True(p.t, ok)
	return active
}

func asClient(r *http.Request) { r.SetBasicAuth(clientID, clientSecret) }

// upstream is the provider as the service uses it.
func (p *provider) upstream(redirectURI string, tp *tap) (*oidcupstream.Provider, error) {
	return oidcupstream.New(oidcupstream.Config{
		Issuer: p.Issuer, Name: "oidc-provider", ClientID: clientID, Auth: oidcupstream.ClientSecretBasic(clientSecret),
		RedirectURL: redirectURI, Scopes: scopes, Audience: oidcupstream.AudienceParameter{Single: true, LoginOnly: true}, Timeout: patience, HTTPClient: &http.Client{Transport: tp},
	})
}
